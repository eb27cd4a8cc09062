"""The one comparison of scores with thresholds that all decisions share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ['reaches']


def reaches(scores: npt.ArrayLike, threshold: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Which scores count at a threshold: those >= it.

    Compared in float32, in which models compute: a score written with the digits that identify a
    float32 counts the same before and after. Whatever is >= in float64 is so here too. NaN never
    counts; who decides about parts refuses it first.

    Args:
        scores (np.ndarray): Scores, any shape.
        threshold (np.ndarray): Threshold, or thresholds that broadcast against the scores.

    Returns:
        np.ndarray: True where the score counts, bool, of the broadcast shape.

    Example:
        >>> reaches([0.3, 0.29, 0.28], 0.29).tolist()
        [True, True, False]
        >>> bool(reaches(np.float32(0.29), 0.29))
        True
    """
    return np.asarray(scores, np.float32) >= np.asarray(threshold, np.float32)
