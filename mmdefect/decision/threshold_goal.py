"""What a threshold shall promise, and the rule that finds it, fixed before scores are seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmdefect.decision.certificate import allowed_misses, parts_needed
from mmdefect.decision.intervals import exact_lower, exact_upper
from mmdefect.decision.not_certified_error import NotCertifiedError
from mmdefect.wording import counted

__all__ = ['ThresholdGoal']

_Floats = npt.NDArray[np.float64]
_RULE = 'largest order statistic of the defective parts that satisfies the exact binomial bound'


@dataclass(frozen=True, slots=True)
class ThresholdGoal:
    """A recall to certify, and what else to want within it.

    At most one of ``max_false_alarms``, ``beta`` and the two costs is given; without any the
    highest threshold that certifies the recall is taken.

    Args:
        target_recall (float): Recall of parts to certify, between 0 and 1. Default 0.95.
        confidence (float): Least probability that the promise holds, between 0 and 1. Default
            0.95.
        max_false_alarms (float | None): False alarms per 1,000 good parts to certify as well,
            above 0, below 1,000. Both promises together then hold with ``confidence``: each is
            proved at half the risk (Bonferroni). Default None.
        beta (float | None): Take the highest F-beta, above 0. Default None.
        cost_miss (float | None): Take the lowest expected cost: cost of a defective part that
            passes, from 0. Default None.
        cost_alarm (float | None): Cost of a good part that is flagged, from 0. Default None.
        prevalence (float | None): Share of defective parts on the line, between 0 and 1, which
            F-beta and costs depend on. Default None, as among the calibration parts.

    Raises:
        ValueError: A value is out of its range, or two goals are given.

    Source:
        Angelopoulos, Bates, Candès, Jordan and Lei, "Learn then Test: calibrating predictive
        algorithms to achieve risk control", 2021: fixed sequence testing. The recall falls as the
        threshold rises, so thresholds are tested from the lowest up, each at the full risk, until
        one is not certified; any choice among the certified ones keeps the family-wise error.
        Where every number is a candidate, they end at the largest order statistic of the
        defective parts' scores that satisfies the exact bound.

    Example:
        >>> ThresholdGoal(target_recall=0.99).method
        'largest order statistic of the defective parts that satisfies the exact binomial bound'
    """

    target_recall: float = 0.95
    confidence: float = 0.95
    max_false_alarms: float | None = None
    beta: float | None = None
    cost_miss: float | None = None
    cost_alarm: float | None = None
    prevalence: float | None = None

    def __post_init__(self) -> None:
        """Check the values."""
        for name in ('target_recall', 'confidence', 'prevalence'):
            value = getattr(self, name)
            if value is not None and not 0 < value < 1:
                raise ValueError(f'{name} must be between 0 and 1, got {value}')
        if self.max_false_alarms is not None and not 0 < self.max_false_alarms < 1000:
            raise ValueError(
                'max_false_alarms must be above 0 and below 1000 per 1,000 good parts, got '
                f'{self.max_false_alarms}'
            )
        if self.beta is not None and not 0 < self.beta < float('inf'):
            raise ValueError(f'beta must be above 0, got {self.beta}')
        if (self.cost_miss is None) != (self.cost_alarm is None):
            missing = 'cost_miss' if self.cost_miss is None else 'cost_alarm'
            raise ValueError(f'{missing} must be given with the other cost, got None')
        for name in ('cost_miss', 'cost_alarm'):
            value = getattr(self, name)
            if value is not None and not 0 <= value < float('inf'):
                raise ValueError(f'{name} must be 0 or more, got {value}')
        wanted = [
            name
            for name in ('max_false_alarms', 'beta', 'cost_miss')
            if getattr(self, name) is not None
        ]
        if len(wanted) > 1:
            raise ValueError(
                'only one of max_false_alarms, beta and the costs must be given, got '
                f'{" and ".join(wanted)}'
            )

    @property
    def method(self) -> str:
        """How the threshold is found, for people."""
        if self.max_false_alarms is not None:
            return f'{_RULE}; exact bound on false alarms; Bonferroni over the two'
        if self.beta is None and self.cost_miss is None:
            return _RULE
        best = f'highest F{self.beta:g}' if self.beta is not None else 'lowest expected cost'
        return f'Learn then Test, fixed sequence: {best} among the thresholds up to the {_RULE}'

    @property
    def recall_confidence(self) -> float:
        """Confidence at which the recall alone is proved."""
        shared = self.max_false_alarms is not None
        return 1 - (1 - self.confidence) / 2 if shared else self.confidence

    def misses(self, n_defective: int) -> int:
        """Misses that the rule allows among so many defective parts.

        Args:
            n_defective (int): Defective parts, from 0.

        Returns:
            int: The number.

        Raises:
            NotCertifiedError: The parts are too few for the promise.
        """
        allowed = allowed_misses(n_defective, self.target_recall, self.recall_confidence)
        if allowed is not None:
            return allowed
        confidence = f'{self.recall_confidence:.6g}'
        needed = parts_needed(self.target_recall, self.recall_confidence)
        largest = float(exact_lower(n_defective, n_defective, self.recall_confidence))
        most = f'it is {_floor(largest)} at most' if n_defective else 'nothing is certified'
        raise NotCertifiedError(
            f'a recall of {self.target_recall:g} at confidence {confidence} needs at least '
            f'{counted(needed, "defective part")}, all found; with {n_defective} {most}: add parts '
            'or promise less',
            largest,
        )

    def pick(self, defective: _Floats, good: _Floats) -> float:
        """Find the threshold.

        Args:
            defective (np.ndarray): Scores of the defective parts, rising, float64, shape (D,).
            good (np.ndarray): Scores of the good parts, rising, float64, shape (G,).

        Returns:
            float: The threshold; a score >= it counts.

        Raises:
            NotCertifiedError: The evidence does not carry the promise.
        """
        highest = float(defective[self.misses(len(defective))])
        if self.max_false_alarms is not None:
            self._check_alarms(highest, good, self.max_false_alarms)
        if self.beta is None and self.cost_miss is None:
            return highest
        if not len(good):
            what = 'F-beta' if self.beta is not None else 'the expected cost'
            raise NotCertifiedError(
                f'{what} depends on false alarms, and there is no good part to count them on; add '
                'good parts, or ask for the recall alone'
            )
        candidates = np.unique(np.concatenate([defective, good]))
        candidates = candidates[candidates <= highest]
        # Of equals the first one, with the higher recall.
        return float(candidates[np.argmax(self._values(candidates, defective, good))])

    def _values(self, candidates: _Floats, defective: _Floats, good: _Floats) -> _Floats:
        """What is to be highest, for every candidate."""
        missed = _below(candidates, defective) / len(defective)
        alarms = 1 - _below(candidates, good) / len(good)
        share = self.prevalence or len(defective) / (len(defective) + len(good))
        if self.cost_miss is not None and self.cost_alarm is not None:
            return -(share * missed * self.cost_miss + (1 - share) * alarms * self.cost_alarm)
        beta = self.beta or 1.0
        weighted = (1 + beta**2) * share * (1 - missed)
        return weighted / (weighted + beta**2 * share * missed + (1 - share) * alarms)

    def _check_alarms(self, threshold: float, good: _Floats, most: float) -> None:
        if not len(good):
            raise NotCertifiedError(
                'there is no good part, so nothing can be said about false alarms; add good parts, '
                'or ask for the recall alone'
            )
        alarms = len(good) - int(_below(np.array([threshold]), good)[0])
        bound = 1000 * float(exact_upper(alarms, len(good), self.recall_confidence))
        if bound > most:
            raise NotCertifiedError(
                f'at the highest threshold that certifies a recall of {self.target_recall:g} '
                f'the bound of false alarms is {bound:.4g} per 1,000 ({alarms} on '
                f'{counted(len(good), "good part")}), and {most:g} are allowed; add good parts, '
                'allow more or promise less recall',
                self.target_recall,
            )


def _below(thresholds: _Floats, scores: _Floats) -> npt.NDArray[np.intp]:
    """How many of rising scores do not count at each threshold, compared as `reaches` does."""
    return np.searchsorted(scores.astype(np.float32), thresholds.astype(np.float32), side='left')


def _floor(share: float) -> str:
    return f'{np.floor(1e4 * share) / 1e4:g}'
