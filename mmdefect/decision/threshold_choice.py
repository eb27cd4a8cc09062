"""A threshold that certifies a recall, chosen on calibration parts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from mmdefect.decision.certificate import CertifiedRecall, certified_recall
from mmdefect.decision.intervals import exact_lower, exact_upper
from mmdefect.decision.not_certified_error import NotCertifiedError
from mmdefect.decision.operating_point import OperatingPoint, count_flagged
from mmdefect.decision.reaches import reaches
from mmdefect.decision.scored_parts import check_labels, check_scores
from mmdefect.decision.threshold_goal import ThresholdGoal
from mmdefect.decision.training_manifest import TrainingManifest
from mmdefect.errors import InputError
from mmdefect.wording import counted

__all__ = ['ThresholdChoice', 'choose_threshold']


@dataclass(frozen=True, slots=True)
class ThresholdChoice:
    """A threshold with what is proved and what was seen; made by :func:`choose_threshold`.

    Args:
        threshold (float): A part whose score is >= it is flagged.
        goal (ThresholdGoal): What was asked for.
        method (str): How it was found.
        certified (CertifiedRecall): What is proved, with the misses that the rule allowed.
        point (OperatingPoint): What was seen on the calibration parts, in-sample.
        false_alarms_upper (float | None): Upper bound of the false alarms per 1,000 good parts, at
            the confidence of ``certified``; None without good parts, or where they took part in
            the choice (F-beta, costs).
        overlap (str): ``none`` if no calibration part was trained on, ``unknown`` without a
            manifest or with one that is not complete.
        flags_all (bool): Whether a part without any detection is flagged.

    Example:
        >>> choice = choose_threshold(np.linspace(0.3, 1, 59), np.ones(59))
        >>> choice.threshold, round(choice.certified.lower, 4), choice.overlap
        (0.3, 0.9505, 'unknown')
    """

    threshold: float
    goal: ThresholdGoal
    method: str
    certified: CertifiedRecall
    point: OperatingPoint
    false_alarms_upper: float | None
    overlap: Literal['none', 'unknown']
    flags_all: bool

    @property
    def no_better_than_flagging_all(self) -> bool | None:
        """As of :class:`OperatingPoint`; True where a part without detection is flagged."""
        return True if self.flags_all else self.point.no_better_than_flagging_all


def choose_threshold(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    target_recall: float = 0.95,
    confidence: float = 0.95,
    *,
    max_false_alarms: float | None = None,
    beta: float | None = None,
    cost_miss: float | None = None,
    cost_alarm: float | None = None,
    prevalence: float | None = None,
    part_ids: Sequence[str | None] | None = None,
    image_hashes: Sequence[Iterable[str]] | None = None,
    training: TrainingManifest | None = None,
) -> ThresholdChoice:
    """Choose the threshold that certifies a recall of parts, by a rule fixed beforehand.

    The rule is the largest order statistic of the defective parts' scores that satisfies the
    exact binomial bound: with probability ``confidence`` over the draw of the calibration parts,
    the recall on parts from the same line is at least ``target_recall``. Nothing is assumed about
    the scores; the parts must be drawn independently. With ``beta`` or costs the best threshold up
    to that one is taken, which keeps the promise (see :class:`ThresholdGoal`). The recall needs no
    good parts; only statements about false alarms are refused without them.

    Args:
        scores (np.ndarray): One score per part, finite, 0 where nothing was detected, shape (P,).
        labels (np.ndarray): Whether a part is defective, bool or 0 and 1, shape (P,).
        target_recall (float): Recall to certify, between 0 and 1. Default 0.95.
        confidence (float): Least probability that the promise holds, between 0 and 1. Default
            0.95.
        max_false_alarms (float | None): False alarms per 1,000 good parts to certify as well.
            Default None.
        beta (float | None): Take the highest F-beta. Default None.
        cost_miss (float | None): Take the lowest expected cost: cost of a miss. Default None.
        cost_alarm (float | None): Cost of a false alarm. Default None.
        prevalence (float | None): Share of defective parts on the line, for F-beta and costs.
            Default None, as among these parts.
        part_ids (Sequence[str | None] | None): Part ids, different ones. Default None.
        image_hashes (Sequence[Iterable[str]] | None): SHA-256 of the images of each part. Default
            None.
        training (TrainingManifest | None): What the model was trained on. Default None, unknown.

    Returns:
        ThresholdChoice: Threshold, proof and what was seen.

    Raises:
        NotCertifiedError: Too few parts for the promise, or parts that were trained on; it names
            the largest recall that can be certified. An ``InputError``.
        InputError: A score is NaN or infinite, or a part stands twice.
        ValueError: An argument is out of its range, or lengths do not agree.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> labels = np.arange(400) < 200
        >>> scores = np.clip(rng.normal(np.where(labels, 0.7, 0.2), 0.1), 0, 1)
        >>> choice = choose_threshold(scores, labels, target_recall=0.95)
        >>> choice.certified.n_missed, choice.point.recall, choice.no_better_than_flagging_all
        (4, 0.98, False)
    """
    goal = ThresholdGoal(
        target_recall, confidence, max_false_alarms, beta, cost_miss, cost_alarm, prevalence
    )
    values = check_scores(scores)
    defective = check_labels(labels, len(values))
    overlap = _check_overlap(goal, defective, part_ids, image_hashes, training)
    threshold = goal.pick(np.sort(values[defective]), np.sort(values[~defective]))
    point = count_flagged(reaches(values, threshold), defective, beta or 2.0)
    count, good = int(defective.sum()), point.fp + point.tn
    # Good parts that took part in the choice prove nothing about it.
    bounded = good > 0 and beta is None and cost_miss is None
    upper = float(exact_upper(point.fp, max(good, 1), goal.recall_confidence))
    return ThresholdChoice(
        threshold=threshold,
        goal=goal,
        method=goal.method,
        certified=certified_recall(count, goal.misses(count), goal.recall_confidence),
        point=point,
        false_alarms_upper=1000 * upper if bounded else None,
        overlap=overlap,
        flags_all=bool(reaches(0, threshold)) and values.min() >= 0,
    )


def _check_overlap(
    goal: ThresholdGoal,
    defective: npt.NDArray[np.bool_],
    part_ids: Sequence[str | None] | None,
    image_hashes: Sequence[Iterable[str]] | None,
    training: TrainingManifest | None,
) -> Literal['none', 'unknown']:
    """Refuse parts that stand twice or were trained on."""
    count = len(defective)
    for name, given in (('part_ids', part_ids), ('image_hashes', image_hashes)):
        if given is not None and len(given) != count:
            raise ValueError(f'{name} must have length {count}, got {len(given)}')
    names = [None] * count if part_ids is None else list(part_ids)
    known = [name for name in names if name is not None]
    if len(set(known)) < len(known):
        twice = next(name for index, name in enumerate(known) if name in known[:index])
        raise InputError(f'part {twice!r} stands twice; pool the scores of its images first')
    if training is None or (part_ids is None and image_hashes is None):
        return 'unknown'
    seen = np.array(training.seen(names, image_hashes or [()] * count), bool)
    if not seen.any():
        return 'none' if training.complete else 'unknown'
    left = int((defective & ~seen).sum())
    largest = float(exact_lower(left, left, goal.recall_confidence))
    first = int(seen.argmax())
    raise NotCertifiedError(
        f'the model was trained on {seen.sum()} of {counted(count, "calibration part")}, such as '
        f'{names[first] if names[first] is not None else f"number {first}"!r}, so their scores '
        f'prove nothing; leave them out: {counted(left, "other defective part")} can certify a '
        f'recall of {largest:.4f} at most',
        largest,
    )
