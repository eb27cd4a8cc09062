"""How tightly boxes are found, and how that depends on their size."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mmdefect.evaluation.flat_boxes import FlatBoxes
from mmdefect.evaluation.matching import UNMATCHED, Overlaps

__all__ = ['IOU_EDGES', 'SIZE_EDGES', 'best_ious', 'count_ious', 'count_sizes', 'mean_ious']

# Edges of the IoU bins; below 0.1 a detection lies on the background.
IOU_EDGES = np.arange(2, 21) / 20
# Edges of the size bins, the square root of the area in pixels; the last one is open.
SIZE_EDGES = np.array([0, 8, 16, 32, 64, 96, 128, 256, np.inf])


def best_ious(
    boxes: FlatBoxes,
    overlaps: Overlaps,
    matches: npt.NDArray[np.int64],
    counted: npt.NDArray[np.bool_],
) -> npt.NDArray[np.float64]:
    """IoU of each ground-truth box with the detection that belongs to it.

    For a box that is found, this is the IoU with the detection that found it, 0.5 or more. For
    one that is not, it is the highest IoU of the detections that found nothing and have it as
    the best box of their class, below 0.5; 0 without any.

    Args:
        boxes (FlatBoxes): N ground-truth boxes and M detections.
        overlaps (Overlaps): Their overlaps.
        matches (np.ndarray): What ``match_detections`` gave at IoU 0.5, int64, shape (M,).
        counted (np.ndarray): True for detections at or above the score threshold, shape (M,).

    Returns:
        np.ndarray: 0 to 1, shape (N,).

    Example:
        >>> from mmdefect.evaluation.flat_boxes import flatten_images
        >>> from mmdefect.evaluation.matching import find_overlaps
        >>> boxes = flatten_images([])
        >>> best_ious(boxes, find_overlaps(boxes), np.zeros(0, int), np.zeros(0, bool)).tolist()
        []
    """
    best = np.zeros(len(boxes.truth))
    loose = np.flatnonzero(counted & (matches == UNMATCHED) & (overlaps.own_truth >= 0))
    np.maximum.at(best, overlaps.own_truth[loose], overlaps.own_iou[loose])
    found, truth = overlaps.pair_found, overlaps.pair_truth
    hits = counted[found] & (matches[found] == truth)
    best[truth[hits]] = overlaps.pair_iou[hits]
    return best


def count_ious(
    ious: npt.NDArray[np.float64], labels: npt.NDArray[np.int64], classes: int
) -> npt.NDArray[np.int64]:
    """Count IoUs per class in the bins of ``IOU_EDGES``; a value on an edge is in the upper bin.

    Args:
        ious (np.ndarray): IoUs, those below 0.1 are left out, shape (N,).
        labels (np.ndarray): Class indices, int64, shape (N,).
        classes (int): Number of classes C.

    Returns:
        np.ndarray: int64, shape (C, 18).

    Example:
        >>> counts = count_ious(np.array([0.05, 0.5, 1.0]), np.array([0, 0, 0]), 1)
        >>> counts[0, [0, 7, 8, 17]].tolist()
        [0, 0, 1, 1]
    """
    return _count(ious, labels, classes, IOU_EDGES[:-1])


def mean_ious(
    ious: npt.NDArray[np.float64],
    labels: npt.NDArray[np.int64],
    found: npt.NDArray[np.bool_],
    classes: int,
) -> npt.NDArray[np.float64]:
    """Mean IoU of the boxes found.

    Args:
        ious (np.ndarray): What :func:`best_ious` gave, shape (N,).
        labels (np.ndarray): Class indices of the boxes, int64, shape (N,).
        found (np.ndarray): True for boxes found, shape (N,).
        classes (int): Number of classes C.

    Returns:
        np.ndarray: Per class, then over all boxes; NaN where none is found. Shape (C + 1,).

    Example:
        >>> found = np.array([True, True, False])
        >>> mean_ious(np.array([0.5, 0.75, 0.2]), np.array([0, 0, 0]), found, 1).tolist()
        [0.625, 0.625]
    """
    counts = np.bincount(labels[found], minlength=classes)
    sums = np.bincount(labels[found], weights=ious[found], minlength=classes)
    counts, sums = np.append(counts, counts.sum()), np.append(sums, sums.sum())
    return np.divide(sums, counts, out=np.full(classes + 1, np.nan), where=counts > 0)


def count_sizes(
    boxes: npt.NDArray[np.float64], labels: npt.NDArray[np.int64], classes: int
) -> npt.NDArray[np.int64]:
    """Count boxes per class in the bins of ``SIZE_EDGES``; a size on an edge is in the upper bin.

    Args:
        boxes (np.ndarray): xyxy in pixels of the image as it is on disk, shape (N, 4).
        labels (np.ndarray): Class indices, int64, shape (N,).
        classes (int): Number of classes C.

    Returns:
        np.ndarray: int64, shape (C, 8).

    Example:
        >>> count_sizes(np.array([[0., 0., 4., 16.]]), np.array([0]), 1)[0, :3].tolist()
        [0, 1, 0]
    """
    sizes = np.sqrt((boxes[:, 2:] - boxes[:, :2]).clip(min=0).prod(axis=1))
    return _count(sizes, labels, classes, SIZE_EDGES[:-1])


def _count(
    values: npt.NDArray[np.float64],
    labels: npt.NDArray[np.int64],
    classes: int,
    lower_edges: npt.NDArray[np.float64],
) -> npt.NDArray[np.int64]:
    bins = np.searchsorted(lower_edges, values, side='right')
    cells = labels * (len(lower_edges) + 1) + bins
    counts = np.bincount(cells, minlength=classes * (len(lower_edges) + 1))
    return counts.reshape(classes, -1)[:, 1:]
