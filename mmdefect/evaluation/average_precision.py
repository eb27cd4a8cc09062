"""COCO's interpolated precision, per class, from detections that are already matched."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ['RECALL_POINTS', 'interpolated_precision', 'rank_by_score']

# Recalls at which COCO reads the precision.
RECALL_POINTS = np.linspace(0.0, 1.0, 101)


def rank_by_score(
    labels: npt.NDArray[np.int64], scores: npt.NDArray[np.float64]
) -> npt.NDArray[np.int64]:
    """Order detections by class, then by falling score; equal scores stay as they are.

    Args:
        labels (np.ndarray): Class indices, int64, shape (M,).
        scores (np.ndarray): Scores, shape (M,).

    Returns:
        np.ndarray: Indices, int64, shape (M,).

    Example:
        >>> rank_by_score(np.array([1, 0, 0]), np.array([0.9, 0.1, 0.5])).tolist()
        [2, 1, 0]
    """
    return np.lexsort((-scores, labels))


def interpolated_precision(
    labels: npt.NDArray[np.int64],
    hits: npt.NDArray[np.bool_],
    counted: npt.NDArray[np.bool_],
    truth: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Highest precision at or beyond each of 101 recalls; its mean is the average precision.

    Args:
        labels (np.ndarray): Class index of each detection, in the order of
            :func:`rank_by_score`, int64, shape (M,).
        hits (np.ndarray): True where it found a box, shape (M,).
        counted (np.ndarray): True where it counts at all, shape (M,).
        truth (np.ndarray): Boxes to find per class, int64, shape (C,).

    Returns:
        tuple[np.ndarray, np.ndarray]: Precision, shape (C, 101): 0 where the recall is not
        reached, NaN for classes without boxes; and the detection that reaches the recall, -1
        where none does, int64, shape (C, 101).

    Source:
        Lin et al., "Microsoft COCO: Common Objects in Context", 2014 (evaluation protocol).

    Example:
        >>> hits = np.array([True, False, True])
        >>> curve, _ = interpolated_precision(np.zeros(3, int), hits, np.ones(3, bool),
        ...                                   np.array([2]))
        >>> curve[0, [0, 50, 51, 100]].round(3).tolist()
        [1.0, 1.0, 0.667, 0.667]
    """
    classes = len(truth)
    rank = counted.cumsum()
    starts = np.searchsorted(labels, np.arange(classes))
    before = np.concatenate([[0], rank])[starts]
    found = np.flatnonzero(hits & counted)
    bounds = np.searchsorted(labels[found], np.arange(classes + 1))
    precision = np.zeros((classes, 101))
    reached = np.full((classes, 101), -1, np.int64)
    for index in range(classes):
        if not truth[index]:
            precision[index] = np.nan
            continue
        own = found[bounds[index] : bounds[index + 1]]
        number = np.arange(1, len(own) + 1)
        values = number / (rank[own] - before[index])
        values = np.maximum.accumulate(values[::-1])[::-1]
        places = np.searchsorted(number / truth[index], RECALL_POINTS, side='left')
        known = places < len(own)
        precision[index, known] = values[places[known]]
        reached[index, known] = own[places[known]]
    return precision, reached
