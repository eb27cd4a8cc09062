"""How much a threshold would move with other calibration parts."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mmdefect.decision.threshold_goal import ThresholdGoal

__all__ = ['ThresholdStability', 'threshold_stability']


@dataclass(frozen=True, slots=True)
class ThresholdStability:
    """Spread of a threshold; made by :func:`threshold_stability`.

    Args:
        low (float): Threshold that 5 % of the redraws stay below.
        median (float): The middle one.
        high (float): Threshold that 5 % of the redraws exceed.
        rounds (int): Redraws.
        seed (int): Seed of the draws.

    Example:
        >>> ThresholdStability(0.2, 0.3, 0.4, 200, 0).median
        0.3
    """

    low: float
    median: float
    high: float
    rounds: int
    seed: int


def threshold_stability(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    goal: ThresholdGoal,
    rounds: int = 200,
    seed: int = 0,
) -> ThresholdStability:
    """Draw the parts again with replacement, and find the threshold each time.

    Defective and good parts are drawn apart, so that every redraw carries the same promise. A
    wide spread says that more calibration parts would pay; the certificate holds anyway.

    Args:
        scores (np.ndarray): One score per part, finite, shape (P,).
        labels (np.ndarray): Whether a part is defective, bool or 0 and 1, shape (P,).
        goal (ThresholdGoal): What to promise.
        rounds (int): Redraws, at least 1. Default 200.
        seed (int): Seed of the draws. Default 0.

    Returns:
        ThresholdStability: The spread.

    Raises:
        NotCertifiedError: The parts are too few for the promise.
        ValueError: ``rounds`` is below 1.

    Source:
        Efron, "Bootstrap methods: another look at the jackknife", 1979.

    Example:
        >>> spread = threshold_stability(np.linspace(0, 1, 100), np.ones(100), ThresholdGoal())
        >>> spread.low <= spread.median <= spread.high
        True
    """
    if rounds < 1:
        raise ValueError(f'rounds must be at least 1, got {rounds}')
    # Whether the false alarms stay within their limit does not move the threshold.
    rule = replace(goal, max_false_alarms=None, confidence=goal.recall_confidence)
    values, truth = np.asarray(scores, np.float64), np.asarray(labels).astype(bool)
    defective, good = values[truth], values[~truth]
    rng = np.random.default_rng(seed)
    thresholds = [
        rule.pick(
            np.sort(rng.choice(defective, len(defective))) if len(defective) else defective,
            np.sort(rng.choice(good, len(good))) if len(good) else good,
        )
        for _ in range(rounds)
    ]
    low, median, high = np.quantile(thresholds, [0.05, 0.5, 0.95], method='nearest').tolist()
    return ThresholdStability(low, median, high, rounds, seed)
