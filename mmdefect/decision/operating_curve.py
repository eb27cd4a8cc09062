"""What every threshold would do to parts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmdefect.decision.reaches import reaches

__all__ = ['OperatingCurve', 'operating_curve']

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class OperatingCurve:
    """Measures at T rising thresholds; made by :func:`operating_curve`.

    Args:
        threshold (np.ndarray): Thresholds, shape (T,), as all others.
        recall (np.ndarray): Share of the defective parts that are flagged.
        precision (np.ndarray): Share of the flagged parts that are defective.
        specificity (np.ndarray): Share of the good parts that pass; NaN without good parts.
        f_beta (np.ndarray): Weighted harmonic mean of precision and recall.
        false_alarms_per_1000_good (np.ndarray): Of 1,000 good parts, those flagged.

    Example:
        >>> operating_curve([0.2, 0.8], [0, 1]).threshold.tolist()
        [0.2, 0.8]
    """

    threshold: _Floats
    recall: _Floats
    precision: _Floats
    specificity: _Floats
    f_beta: _Floats
    false_alarms_per_1000_good: _Floats


def operating_curve(
    scores: npt.ArrayLike, labels: npt.ArrayLike, points: int = 101, beta: float = 2.0
) -> OperatingCurve:
    """Measure at thresholds spread evenly over the scores that occur.

    Args:
        scores (np.ndarray): One score per part, finite, shape (P,).
        labels (np.ndarray): Whether a part is defective, bool or 0 and 1, shape (P,).
        points (int): Most thresholds, at least 2. Default 101.
        beta (float): Weight of recall in F-beta. Default 2.

    Returns:
        OperatingCurve: Lowest and highest score, and others between; empty without parts.

    Raises:
        ValueError: ``points`` is below 2.

    Example:
        >>> curve = operating_curve([0.1, 0.4, 0.4, 0.9], [0, 0, 1, 1])
        >>> curve.recall.tolist(), curve.specificity.tolist()
        ([1.0, 1.0, 0.5], [0.0, 0.5, 1.0])
    """
    if points < 2:
        raise ValueError(f'points must be at least 2, got {points}')
    values, truth = np.asarray(scores, np.float64), np.asarray(labels).astype(bool)
    thresholds = np.unique(values)
    if len(thresholds) > points:
        thresholds = thresholds[np.linspace(0, len(thresholds) - 1, points).round().astype(int)]
    found = _reaching(values[truth], thresholds)
    alarms = _reaching(values[~truth], thresholds)
    with np.errstate(invalid='ignore', divide='ignore'):
        recall, alarm_share = found / truth.sum(), alarms / (~truth).sum()
        weighted = (1 + beta**2) * found
        return OperatingCurve(
            threshold=thresholds,
            recall=recall,
            precision=found / (found + alarms),
            specificity=1 - alarm_share,
            f_beta=weighted / (weighted + beta**2 * (truth.sum() - found) + alarms),
            false_alarms_per_1000_good=1000 * alarm_share,
        )


def _reaching(scores: _Floats, thresholds: _Floats) -> npt.NDArray[np.intp]:
    """How many scores reach each threshold; few thresholds, so one pass for each."""
    return np.array([reaches(scores, x).sum() for x in thresholds], np.intp)
