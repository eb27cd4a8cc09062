"""Do scores say how often a part is defective?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmdefect.decision.intervals import wilson_interval
from mmdefect.decision.scored_parts import check_scored

__all__ = ['ReliabilityTable', 'reliability_table']

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ReliabilityTable:
    """Scores against shares in B bins, a reliability diagram; made by :func:`reliability_table`.

    Args:
        edges (np.ndarray): Rising, shape (B + 1,); a score on an edge is in the upper bin.
        parts (np.ndarray): Parts per bin, int64, shape (B,).
        mean_score (np.ndarray): Mean score; NaN in an empty bin. Shape (B,), as below.
        share (np.ndarray): Share of defective parts.
        low (np.ndarray): Lower end of its 95 % interval (Wilson).
        high (np.ndarray): Upper end.
        ece (float): Expected calibration error: mean distance of score and share over the parts.

    Example:
        >>> reliability_table([0.9] * 10, [1] * 9 + [0]).ece < 1e-9
        True
    """

    edges: _Floats
    parts: npt.NDArray[np.int64]
    mean_score: _Floats
    share: _Floats
    low: _Floats
    high: _Floats
    ece: float


def reliability_table(
    scores: npt.ArrayLike, labels: npt.ArrayLike, bins: int = 10
) -> ReliabilityTable:
    """Compare scores with shares of defective parts.

    The error of an uncalibrated detector is no fault: its scores only need to be in the right
    order. Measure a calibration on other parts than it was fitted on.

    Args:
        scores (np.ndarray): One score per part, 0 to 1, shape (P,).
        labels (np.ndarray): Whether a part is defective, bool or 0 and 1, shape (P,).
        bins (int): Bins of equal width, at least 1. Default 10.

    Returns:
        ReliabilityTable: Counts, shares and the error.

    Raises:
        InputError: A score is NaN or not from 0 to 1, or there is no part.
        ValueError: Shapes do not agree, labels are no labels, or ``bins`` is below 1.

    Source:
        Naeini, Cooper and Hauskrecht, "Obtaining well calibrated probabilities using Bayesian
        binning", 2015.

    Example:
        >>> table = reliability_table([0.1, 0.1, 0.8, 0.8], [0, 1, 1, 1], bins=2)
        >>> table.share.tolist(), round(table.ece, 3)
        ([0.5, 1.0], 0.3)
    """
    if bins < 1:
        raise ValueError(f'bins must be at least 1, got {bins}')
    values, truth = check_scored(scores, labels)
    edges = np.linspace(0, 1, bins + 1, dtype=np.float64)
    index = np.minimum(np.searchsorted(edges, values, side='right') - 1, bins - 1)
    parts = np.bincount(index, minlength=bins)
    defective = np.bincount(index, truth, minlength=bins)
    with np.errstate(invalid='ignore'):
        mean_score = np.bincount(index, values, minlength=bins) / parts
        share = defective / parts
    low, high = wilson_interval(defective, parts)
    ece = float(np.nansum(parts * np.abs(mean_score - share)) / len(values))
    return ReliabilityTable(edges, parts, mean_score, share, low, high, ece)
