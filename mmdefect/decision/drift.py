"""Are today's scores still those of the calibration parts?"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmdefect.decision.scored_parts import check_scores
from mmdefect.errors import InputError

__all__ = ['DriftMartingale', 'DriftTest', 'permutation_drift']

_BETS = (-1.0, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class DriftTest:
    """How unlike two sets of scores are; made by :func:`permutation_drift`.

    Args:
        distance (float): Largest distance of the two distributions (Kolmogorov-Smirnov), 0 to 1.
        p_value (float): Chance of such a distance or more if nothing had changed.
        permutations (int): Random splits that it was compared with.

    Example:
        >>> permutation_drift([0.1, 0.2, 0.3], [0.1, 0.2, 0.3]).p_value
        1.0
    """

    distance: float
    p_value: float
    permutations: int


def permutation_drift(
    reference: npt.ArrayLike, today: npt.ArrayLike, permutations: int = 999, seed: int = 0
) -> DriftTest:
    """Test whether two sets of scores come from the same line.

    Exact for any scores, ties included: under the null at most a share ``x`` of the tests gives
    a p-value of ``x`` or less. A change of the share of defective parts counts as drift, too, so
    compare like with like: all parts with all parts, or good ones with good ones.

    Args:
        reference (np.ndarray): Scores of the calibration parts, shape (P,).
        today (np.ndarray): Scores of today's parts, shape (Q,).
        permutations (int): Random splits, at least 1; the p-value is at least 1 / (1 + this).
            Default 999.
        seed (int): Seed of the splits. Default 0.

    Returns:
        DriftTest: Distance and p-value.

    Raises:
        InputError: A score is NaN or infinite, or a set is empty.
        ValueError: ``permutations`` is below 1.

    Source:
        Phipson and Smyth, "Permutation p-values should never be zero", 2010; the two-sample
        statistic of Smirnov, 1939.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> permutation_drift(rng.random(200), 0.3 + 0.7 * rng.random(200)).p_value
        0.001
    """
    if permutations < 1:
        raise ValueError(f'permutations must be at least 1, got {permutations}')
    first, second = check_scores(reference, 'reference'), check_scores(today, 'today')
    for name, values in (('reference', first), ('today', second)):
        if not len(values):
            raise InputError(f'{name}: there is no score; give some')
    pooled = np.concatenate([first, second])
    order = np.argsort(pooled, kind='stable')
    # Distributions are compared after each run of equal scores.
    ends = np.flatnonzero(np.diff(pooled[order], append=np.inf) > 0)
    # Steps of the difference of the two distributions, in whole numbers so that ties are exact.
    steps = np.repeat([len(second), -len(first)], [len(first), len(second)]).astype(np.int64)

    def distance(steps: npt.NDArray[np.int64]) -> int:
        return int(np.abs(np.cumsum(steps)[ends]).max())

    seen, rng = distance(steps[order]), np.random.default_rng(seed)
    as_far = sum(distance(rng.permutation(steps)) >= seen for _ in range(permutations))
    return DriftTest(
        distance=seen / (len(first) * len(second)),
        p_value=(1 + as_far) / (1 + permutations),
        permutations=permutations,
    )


class DriftMartingale:
    """Bets against "nothing has changed", part by part, as they come off the line.

    Each score gets a conformal p-value among all scores so far, uniform while nothing changes,
    and the Simple Jumper bets that it is not, towards high scores or low. Whatever the scores
    look like, the chance that the wealth ever reaches ``1 / x`` without a change is at most
    ``x`` (Ville): alarm at 20 for 5 %, and look as often as you like.

    Args:
        reference (np.ndarray): Scores of the calibration parts, shape (P,).
        jump (float): How quickly bets change side, above 0, at most 1. Default 0.01.
        seed (int): Seed of the draws that break ties. Default 0.

    Raises:
        InputError: A score is NaN or infinite, or there is none.
        ValueError: ``jump`` is out of its range.

    Source:
        Vovk, Petej, Nouretdinov, Ahlberg, Carlsson and Gammerman, "Retrain or not retrain:
        conformal test martingales for change-point detection", 2021.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> martingale = DriftMartingale(rng.random(500))
        >>> max(martingale.update(score) for score in rng.random(500)) < 20
        True
        >>> max(martingale.update(score) for score in 0.3 + 0.7 * rng.random(500)) > 20
        True
    """

    def __init__(self, reference: npt.ArrayLike, jump: float = 0.01, seed: int = 0) -> None:
        if not 0 < jump <= 1:
            raise ValueError(f'jump must be above 0 and at most 1, got {jump}')
        self._scores = np.sort(check_scores(reference, 'reference')).tolist()
        if not self._scores:
            raise InputError('reference: there is no score; give some')
        self._jump = jump
        self._rng = np.random.default_rng(seed)
        # Shares of the wealth by bet, and the logarithm of the wealth: it may grow for years.
        self._shares = [1 / len(_BETS)] * len(_BETS)
        self._log_wealth = 0.0

    @property
    def wealth(self) -> float:
        """What a stake of 1 has become; infinite above the range of floats."""
        return math.exp(self._log_wealth) if self._log_wealth < 700 else math.inf

    def update(self, score: float) -> float:
        """Take the next part's score.

        Args:
            score (float): Its score.

        Returns:
            float: The wealth after it.

        Raises:
            InputError: The score is NaN or infinite.
        """
        score = float(check_scores([score], 'score')[0])
        insort(self._scores, score)
        count, below = len(self._scores), bisect_left(self._scores, score)
        upto = bisect_right(self._scores, score)
        p_value = (count - upto + self._rng.random() * (upto - below)) / count
        spread = [
            ((1 - self._jump) * share + self._jump / len(_BETS)) * (1 + bet * (p_value - 0.5))
            for share, bet in zip(self._shares, _BETS, strict=True)
        ]
        total = sum(spread)
        self._shares = [share / total for share in spread]
        self._log_wealth += math.log(total)
        return self.wealth
