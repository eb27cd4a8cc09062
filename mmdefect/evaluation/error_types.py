"""Why detections are wrong and boxes are missed: the error types of TIDE."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mmdefect.evaluation.average_precision import interpolated_precision, rank_by_score
from mmdefect.evaluation.flat_boxes import FlatBoxes
from mmdefect.evaluation.matching import FOUND_IOU, IGNORED, Overlaps

__all__ = [
    'BACKGROUND_IOU',
    'ERROR_TYPES',
    'count_errors',
    'gain_without_errors',
    'type_errors',
]

# In the order of the indices that `type_errors` gives.
ERROR_TYPES = ('classification', 'localisation', 'both', 'duplicate', 'background', 'missed')
_CLASSIFICATION, _LOCALISATION, _BOTH, _DUPLICATE, _BACKGROUND, _MISSED = range(6)
# Below this IoU a detection lies on the background.
BACKGROUND_IOU = 0.1
_NO_ERROR = -1


def type_errors(
    boxes: FlatBoxes, overlaps: Overlaps, matches: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Name the error of every detection; it is the same at every score threshold.

    A false alarm is, by its IoU with the boxes of its image, the first of: ``localisation``
    (best box of its class at 0.1 to 0.5), ``classification`` (a box of another class at 0.5 or
    more), ``duplicate`` (a box of its class at 0.5 or more, which a better-scored detection
    found), ``both`` (a box of another class at 0.1 to 0.5), ``background``.

    Args:
        boxes (FlatBoxes): All boxes, M detections.
        overlaps (Overlaps): Their overlaps.
        matches (np.ndarray): What ``match_detections`` gave at IoU 0.5, int64, shape (M,).

    Returns:
        np.ndarray: Index into ``ERROR_TYPES``; -1 where a box is found; ``IGNORED`` (-2) where
        the detection counts neither way. int64, shape (M,).

    Source:
        Bolya et al., "TIDE: A General Toolbox for Identifying Object Detection Errors", ECCV
        2020, section 2.2; the order is that of its implementation.

    Example:
        >>> from mmdefect.evaluation.flat_boxes import flatten_images
        >>> from mmdefect.evaluation.matching import find_overlaps
        >>> boxes = flatten_images([])
        >>> type_errors(boxes, find_overlaps(boxes), np.zeros(0, int)).tolist()
        []
    """
    own, other = overlaps.own_iou, overlaps.other_iou
    false_alarm = np.select(
        [
            (own >= BACKGROUND_IOU) & (own < FOUND_IOU),
            other >= FOUND_IOU,
            own >= FOUND_IOU,
            other >= BACKGROUND_IOU,
        ],
        [_LOCALISATION, _CLASSIFICATION, _DUPLICATE, _BOTH],
        default=_BACKGROUND,
    )
    return np.select([matches >= 0, matches == IGNORED], [_NO_ERROR, IGNORED], false_alarm)


def count_errors(
    boxes: FlatBoxes,
    overlaps: Overlaps,
    matches: npt.NDArray[np.int64],
    errors: npt.NDArray[np.int64],
    counted: npt.NDArray[np.bool_],
    classes: int,
) -> npt.NDArray[np.int64]:
    """Count the errors of each type: of detections by their class, of misses by the box's class.

    ``missed`` are boxes not found to which no localisation or classification error belongs.

    Args:
        boxes (FlatBoxes): All boxes, M detections.
        overlaps (Overlaps): Their overlaps.
        matches (np.ndarray): What ``match_detections`` gave at IoU 0.5, int64, shape (M,).
        errors (np.ndarray): What :func:`type_errors` gave, int64, shape (M,).
        counted (np.ndarray): True for detections at or above the score threshold, shape (M,).
        classes (int): Number of classes C.

    Returns:
        np.ndarray: int64, shape (C, 6), columns as in ``ERROR_TYPES``.

    Example:
        >>> from mmdefect.evaluation.flat_boxes import flatten_images
        >>> from mmdefect.evaluation.matching import find_overlaps
        >>> boxes = flatten_images([])
        >>> nothing = np.zeros(0, int)
        >>> count_errors(boxes, find_overlaps(boxes), nothing, nothing, nothing > 0, 2).shape
        (2, 6)
    """
    wrong = counted & (errors >= 0)
    cells = boxes.labels[wrong] * 6 + errors[wrong]
    counts = np.bincount(cells, minlength=6 * classes).reshape(classes, 6)
    missed = _missed(boxes, overlaps, matches, errors, counted)
    counts[:, _MISSED] = np.bincount(boxes.truth_labels[missed], minlength=classes)
    return counts


def _missed(
    boxes: FlatBoxes,
    overlaps: Overlaps,
    matches: npt.NDArray[np.int64],
    errors: npt.NDArray[np.int64],
    counted: npt.NDArray[np.bool_],
) -> npt.NDArray[np.bool_]:
    missed = ~boxes.truth_ignored
    missed[matches[counted & (matches >= 0)]] = False
    missed[overlaps.own_truth[counted & (errors == _LOCALISATION)]] = False
    missed[overlaps.other_truth[counted & (errors == _CLASSIFICATION)]] = False
    return missed


def gain_without_errors(
    boxes: FlatBoxes,
    overlaps: Overlaps,
    matches: npt.NDArray[np.int64],
    errors: npt.NDArray[np.int64],
    classes: int,
) -> npt.NDArray[np.float64]:
    """AP50 that each class would gain if an oracle mended all errors of one type (dAP50).

    Over all scores. Mending moves the box (localisation) or changes the class (classification)
    of the best-scored such detection of each box not found yet, and removes the others; it
    removes detections of the other types; it takes missed boxes out of the ground truth. A class
    left without ground truth has AP50 1 if it has no false alarm, else 0. Each oracle works on
    its own, as in the paper; TIDE's implementation lets only one of the first two mend a box.

    Args:
        boxes (FlatBoxes): All boxes, M detections.
        overlaps (Overlaps): Their overlaps.
        matches (np.ndarray): What ``match_detections`` gave at IoU 0.5, int64, shape (M,).
        errors (np.ndarray): What :func:`type_errors` gave, int64, shape (M,).
        classes (int): Number of classes C.

    Returns:
        np.ndarray: 0 to 1, negative in rare cases (a mended detection of low score); NaN for
        classes without boxes. Shape (C, 6), columns as in ``ERROR_TYPES``.

    Source:
        Bolya et al., "TIDE: A General Toolbox for Identifying Object Detection Errors", ECCV
        2020, section 2.3.

    Example:
        >>> from mmdefect.evaluation.flat_boxes import flatten_images
        >>> from mmdefect.evaluation.matching import find_overlaps
        >>> boxes = flatten_images([])
        >>> nothing = np.zeros(0, int)
        >>> gain_without_errors(boxes, find_overlaps(boxes), nothing, nothing, 2).shape
        (2, 6)
    """
    truth = np.bincount(boxes.truth_labels[~boxes.truth_ignored], minlength=classes)
    order = rank_by_score(boxes.labels, boxes.scores)
    hits, counted = matches >= 0, errors != IGNORED

    def ap50(
        labels: npt.NDArray[np.int64],
        order: npt.NDArray[np.int64],
        hits: npt.NDArray[np.bool_],
        counted: npt.NDArray[np.bool_],
        truth: npt.NDArray[np.int64] = truth,
    ) -> npt.NDArray[np.float64]:
        curve, _ = interpolated_precision(labels[order], hits[order], counted[order], truth)
        return curve.mean(axis=1)

    mended = np.empty((classes, 6))
    for index in (_BOTH, _DUPLICATE, _BACKGROUND):
        mended[:, index] = ap50(boxes.labels, order, hits, counted & (errors != index))
    unfound = ~boxes.truth_ignored
    unfound[matches[hits]] = False
    for index, target in (
        (_LOCALISATION, overlaps.own_truth),
        (_CLASSIFICATION, overlaps.other_truth),
    ):
        wrong = np.flatnonzero(errors == index)
        wrong = wrong[unfound[target[wrong]]]
        # A lower index is a higher score, so the first detection of each box is the best.
        best = wrong[np.unique(target[wrong], return_index=True)[1]]
        new_hits, new_counted, labels = hits.copy(), counted & (errors != index), boxes.labels
        new_hits[best] = new_counted[best] = True
        new_order = order
        if index == _CLASSIFICATION:
            labels = labels.copy()
            labels[best] = boxes.truth_labels[target[best]]
            new_order = rank_by_score(labels, boxes.scores)
        mended[:, index] = ap50(labels, new_order, new_hits, new_counted)
    before = ap50(boxes.labels, order, hits, counted)
    everything = np.ones(len(errors), bool)
    missed = boxes.truth_labels[_missed(boxes, overlaps, matches, errors, everything)]
    false_alarms = np.bincount(boxes.labels[errors >= 0], minlength=classes)
    nothing_left = np.where(false_alarms > 0, 0.0, 1.0)
    left = truth - np.bincount(missed, minlength=classes)
    stretched = ap50(boxes.labels, order, hits, counted, left)
    mended[:, _MISSED] = np.where(left > 0, stretched, nothing_left)
    return mended - before[:, None]
