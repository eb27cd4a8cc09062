"""Which classes are taken for which."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mmdefect.evaluation.flat_boxes import FlatBoxes
from mmdefect.evaluation.matching import FOUND_IOU, UNMATCHED, Overlaps, match_greedily

__all__ = ['count_confusions']


def count_confusions(
    boxes: FlatBoxes,
    overlaps: Overlaps,
    matches: npt.NDArray[np.int64],
    counted: npt.NDArray[np.bool_],
    classes: int,
) -> npt.NDArray[np.int64]:
    """Count what each ground-truth box was detected as.

    Boxes found stay with the detection that found them, so the diagonal is the number of boxes
    found. What is left over is matched whatever the class, greedily by score at IoU 0.5.

    Args:
        boxes (FlatBoxes): All boxes, M detections.
        overlaps (Overlaps): Their overlaps.
        matches (np.ndarray): What ``match_detections`` gave at IoU 0.5, int64, shape (M,).
        counted (np.ndarray): True for detections at or above the score threshold, shape (M,).
        classes (int): Number of classes C.

    Returns:
        np.ndarray: int64, shape (C + 1, C + 1): rows are true classes, then detections left
        without a box; columns are detected classes, then boxes left without a detection.

    Example:
        >>> from mmdefect.evaluation.flat_boxes import flatten_images
        >>> from mmdefect.evaluation.matching import find_overlaps
        >>> boxes = flatten_images([])
        >>> nothing = np.zeros(0, int)
        >>> count_confusions(boxes, find_overlaps(boxes), nothing, nothing > 0, 1).tolist()
        [[0, 0], [0, 0]]
    """
    hits = counted & (matches >= 0)
    left = counted & (matches == UNMATCHED)
    unfound = ~boxes.truth_ignored
    unfound[matches[hits]] = False
    usable = left[overlaps.pair_found] & unfound[overlaps.pair_truth]
    usable &= overlaps.pair_iou >= FOUND_IOU
    pairs = overlaps.pair_found[usable], overlaps.pair_truth[usable]
    taken = match_greedily(*pairs, len(boxes.scores), len(boxes.truth))
    taken[hits] = matches[hits]
    paired = taken >= 0
    left &= ~paired
    unfound[taken[paired]] = False
    true = np.concatenate(
        [
            boxes.truth_labels[taken[paired]],
            np.full(left.sum(), classes),
            boxes.truth_labels[unfound],
        ]
    )
    detected = np.concatenate(
        [boxes.labels[paired], boxes.labels[left], np.full(unfound.sum(), classes)]
    )
    cells = np.bincount(true * (classes + 1) + detected, minlength=(classes + 1) ** 2)
    return cells.reshape(classes + 1, classes + 1)
