"""What recall a number of defective parts proves."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass

from scipy.special import bdtr

from mmdefect.decision.intervals import exact_lower

__all__ = ['CertifiedRecall', 'allowed_misses', 'certified_recall', 'parts_needed']

# Room for rounding when a probability lies exactly on the limit.
_ROUNDING = 1 + 1e-12


@dataclass(frozen=True, slots=True)
class CertifiedRecall:
    """What is proved about the recall; made by :func:`certified_recall`.

    Args:
        n_defective (int): Defective parts looked at.
        n_missed (int): Those of them that were missed.
        confidence (float): Least probability that the bound holds.
        recall (float): Share that was found.
        lower (float): Lower bound of the recall on parts from the same line.

    Example:
        >>> certified_recall(59, 0, 0.95).recall
        1.0
    """

    n_defective: int
    n_missed: int
    confidence: float
    recall: float
    lower: float


def certified_recall(n_defective: int, n_missed: int, confidence: float = 0.95) -> CertifiedRecall:
    """Lower bound of the recall at a threshold that was fixed before these parts were looked at.

    One-sided and exact, whatever the scores look like; it needs parts drawn independently from
    what the line makes. For a threshold chosen on the same parts take
    :func:`mmdefect.decision.choose_threshold`, which fixes the number of misses beforehand.

    Args:
        n_defective (int): Defective parts, at least 1.
        n_missed (int): Those of them that were missed, 0 to ``n_defective``.
        confidence (float): Least probability that the bound holds, between 0 and 1. Default 0.95.

    Returns:
        CertifiedRecall: The bound as ``lower``, 0 to 1.

    Raises:
        ValueError: A number is out of its range.

    Source:
        Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of
        the binomial", 1934.

    Example:
        >>> [round(certified_recall(n, 0, 0.95).lower, 4) for n in (59, 149, 299)]
        [0.9505, 0.9801, 0.99]
    """
    _check_share('confidence', confidence)
    if not (n_defective >= 1 and float(n_defective).is_integer()):
        raise ValueError(f'n_defective must be a whole number from 1, got {n_defective}')
    if not (0 <= n_missed <= n_defective and float(n_missed).is_integer()):
        raise ValueError(f'n_missed must be a whole number from 0 to {n_defective}, got {n_missed}')
    found = int(n_defective) - int(n_missed)
    return CertifiedRecall(
        n_defective=int(n_defective),
        n_missed=int(n_missed),
        confidence=float(confidence),
        recall=found / n_defective,
        lower=float(exact_lower(found, n_defective, confidence)),
    )


def allowed_misses(n_defective: int, target_recall: float, confidence: float = 0.95) -> int | None:
    """Most misses among so many defective parts that still prove a recall.

    Args:
        n_defective (int): Defective parts, from 0.
        target_recall (float): Recall to prove, between 0 and 1.
        confidence (float): Least probability that it is right, between 0 and 1. Default 0.95.

    Returns:
        int | None: The number; None if not even 0 misses prove it.

    Raises:
        ValueError: A share is not between 0 and 1.

    Example:
        >>> [allowed_misses(n, 0.95) for n in (58, 59, 92, 93)]
        [None, 0, 0, 1]
    """
    _check_share('target_recall', target_recall)
    _check_share('confidence', confidence)
    # The probability of so few misses, were the recall just missed, rises with their number.
    fits = bisect_right(
        range(n_defective),
        (1 - confidence) * _ROUNDING,
        key=lambda missed: bdtr(missed, n_defective, 1 - target_recall),
    )
    return fits - 1 if fits else None


def parts_needed(target_recall: float, confidence: float = 0.95) -> int:
    """Fewest defective parts that prove a recall when none is missed.

    Args:
        target_recall (float): Recall to prove, between 0 and 1.
        confidence (float): Least probability that it is right, between 0 and 1. Default 0.95.

    Returns:
        int: The number of parts.

    Raises:
        ValueError: A share is not between 0 and 1.

    Example:
        >>> [parts_needed(recall) for recall in (0.95, 0.98, 0.99)]
        [59, 149, 299]
    """
    _check_share('target_recall', target_recall)
    _check_share('confidence', confidence)
    return max(1, math.ceil(math.log1p(-confidence) / math.log(target_recall) - 1e-9))


def _check_share(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ValueError(f'{name} must be between 0 and 1, got {value}')
