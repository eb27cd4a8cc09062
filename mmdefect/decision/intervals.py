"""Intervals for shares: Wilson's, the exact one-sided ones, and one for Youden's J."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, ndtri

__all__ = ['exact_lower', 'exact_upper', 'wilson_interval', 'youden_interval']

_Floats = npt.NDArray[np.float64]


def wilson_interval(
    hits: npt.ArrayLike, total: npt.ArrayLike, confidence: float = 0.95
) -> tuple[_Floats, _Floats]:
    """Two-sided score interval of a share.

    Args:
        hits (np.ndarray): Hits, 0 to ``total``, any shape.
        total (np.ndarray): Trials; broadcasts against ``hits``.
        confidence (float): Coverage, between 0 and 1. Default 0.95.

    Returns:
        tuple[np.ndarray, np.ndarray]: Lower and upper ends, of the broadcast shape; NaN where
        there are no trials.

    Source:
        Wilson, "Probable inference, the law of succession, and statistical inference", 1927.

    Example:
        >>> low, high = wilson_interval(57, 59)
        >>> round(float(low), 3), round(float(high), 3)
        (0.885, 0.991)
    """
    hits, total = _counts(hits, total)
    z = ndtri((1 + confidence) / 2)
    with np.errstate(invalid='ignore', divide='ignore'):
        share = hits / total
        centre = (share + z * z / (2 * total)) / (1 + z * z / total)
        half = np.sqrt(share * (1 - share) / total + z * z / (4 * total**2)) * z
        half /= 1 + z * z / total
    # Rounding must not move an end past what was seen.
    return np.clip(np.minimum(centre - half, share), 0, 1), np.clip(
        np.maximum(centre + half, share), 0, 1
    )


def exact_lower(hits: npt.ArrayLike, total: npt.ArrayLike, confidence: float = 0.95) -> _Floats:
    """One-sided exact lower bound of a share.

    Args:
        hits (np.ndarray): Hits, 0 to ``total``, any shape.
        total (np.ndarray): Trials; broadcasts against ``hits``.
        confidence (float): Least probability that the bound holds, between 0 and 1. Default 0.95.

    Returns:
        np.ndarray: The bounds, of the broadcast shape; 0 without hits or trials.

    Source:
        Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of
        the binomial", 1934.

    Example:
        >>> round(float(exact_lower(59, 59)), 4)
        0.9505
    """
    hits, total = _counts(hits, total)
    with np.errstate(invalid='ignore'):
        bound = betaincinv(hits, total - hits + 1, 1 - confidence)
    return np.where(hits > 0, bound, 0.0)


def exact_upper(hits: npt.ArrayLike, total: npt.ArrayLike, confidence: float = 0.95) -> _Floats:
    """One-sided exact upper bound of a share, as :func:`exact_lower`.

    Args:
        hits (np.ndarray): Hits, 0 to ``total``, any shape.
        total (np.ndarray): Trials; broadcasts against ``hits``.
        confidence (float): Least probability that the bound holds, between 0 and 1. Default 0.95.

    Returns:
        np.ndarray: The bounds, of the broadcast shape; 1 if all are hits or without trials.

    Example:
        >>> round(float(exact_upper(0, 59)), 4)
        0.0495
    """
    hits, total = _counts(hits, total)
    return 1 - exact_lower(total - hits, total, confidence)


def youden_interval(
    found: npt.ArrayLike,
    defective: npt.ArrayLike,
    alarms: npt.ArrayLike,
    good: npt.ArrayLike,
    confidence: float = 0.95,
) -> tuple[_Floats, _Floats]:
    """Two-sided interval of recall + specificity - 1, which is 0 for whoever flags blindly.

    Args:
        found (np.ndarray): Defective parts that are flagged, any shape.
        defective (np.ndarray): Defective parts; all broadcast.
        alarms (np.ndarray): Good parts that are flagged.
        good (np.ndarray): Good parts.
        confidence (float): Coverage, between 0 and 1. Default 0.95.

    Returns:
        tuple[np.ndarray, np.ndarray]: Lower and upper ends, of the broadcast shape; NaN where
        there are no defective or no good parts.

    Source:
        Newcombe, "Interval estimation for the difference between independent proportions", 1998,
        method 10.

    Example:
        >>> low, high = youden_interval(6053, 6055, 8618, 8619)
        >>> bool(low < 0 < high)
        True
    """
    found, defective = _counts(found, defective)
    alarms, good = _counts(alarms, good)
    low1, high1 = wilson_interval(found, defective, confidence)
    low2, high2 = wilson_interval(alarms, good, confidence)
    with np.errstate(invalid='ignore', divide='ignore'):
        recall, alarm = found / defective, alarms / good
    lower = recall - alarm - np.hypot(recall - low1, high2 - alarm)
    upper = recall - alarm + np.hypot(high1 - recall, alarm - low2)
    return lower, upper


def _counts(hits: npt.ArrayLike, total: npt.ArrayLike) -> tuple[_Floats, _Floats]:
    first, second = np.broadcast_arrays(np.asarray(hits, float), np.asarray(total, float))
    return first, second
