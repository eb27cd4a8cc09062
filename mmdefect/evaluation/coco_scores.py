"""COCO average precision and recall, with one detection limit for every number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmdefect.evaluation.average_precision import (
    RECALL_POINTS,
    interpolated_precision,
    rank_by_score,
)
from mmdefect.evaluation.flat_boxes import FlatBoxes, flatten_images
from mmdefect.evaluation.image_result import ImageResult
from mmdefect.evaluation.matching import IGNORED, Overlaps, find_overlaps, match_detections

__all__ = ['DetectionScores', 'score_boxes', 'score_detections']

_IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)


@dataclass(frozen=True, slots=True)
class DetectionScores:
    """Average precision and recall over a data set; NaN where there is no ground truth.

    Args:
        ap (np.ndarray): AP averaged over IoU .50 to .95 in steps of .05, per class, shape (C,).
        ap50 (np.ndarray): AP at IoU .50 per class, shape (C,).
        ap75 (np.ndarray): AP at IoU .75 per class, shape (C,).
        ar (np.ndarray): Recall averaged over the same IoU thresholds, per class, shape (C,).
        recall_points (np.ndarray): Recall axis of the curves, shape (101,).
        precision (np.ndarray): Interpolated precision at IoU .50, shape (C, 101).
        score (np.ndarray): Score at each curve point; NaN where recall is not reached,
            shape (C, 101).

    Example:
        >>> import dataclasses
        >>> [field.name for field in dataclasses.fields(DetectionScores)][:2]
        ['ap', 'ap50']
    """

    ap: np.ndarray
    ap50: np.ndarray
    ap75: np.ndarray
    ar: np.ndarray
    recall_points: np.ndarray
    precision: np.ndarray
    score: np.ndarray

    def summary(self) -> dict[str, float]:
        """Average over the classes that have ground truth.

        Returns:
            dict[str, float]: ``AP``, ``AP50``, ``AP75`` and ``AR``; NaN without ground truth.
        """
        values = {'AP': self.ap, 'AP50': self.ap50, 'AP75': self.ap75, 'AR': self.ar}
        return {name: _mean(value) for name, value in values.items()}


def score_detections(
    images: Sequence[ImageResult], num_classes: int, max_dets: int = 100
) -> DetectionScores:
    """Score detections as COCO does, with one detection limit for every number.

    Args:
        images (Sequence[ImageResult]): All images, the defect-free ones included.
        num_classes (int): Number of classes C.
        max_dets (int): Best-scored detections counted per image and class. Default 100.

    Returns:
        DetectionScores: Arrays over the C classes.

    Raises:
        ValueError: ``num_classes`` or ``max_dets`` is below 1.

    Example:
        >>> box, label = np.array([[0., 0., 10., 10.]]), np.array([0])
        >>> image = ImageResult('a.png', 20, 20, box, label, np.array([False]), box, label,
        ...                     np.array([.9]))
        >>> float(score_detections([image], num_classes=1).ap[0].round(6))
        1.0

    Source:
        T.-Y. Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014.
    """
    if num_classes < 1:
        raise ValueError(f'num_classes must be at least 1, got {num_classes}')
    if max_dets < 1:
        raise ValueError(f'max_dets must be at least 1, got {max_dets}')
    boxes = flatten_images(images, max_dets)
    return score_boxes(boxes, find_overlaps(boxes), num_classes)


def score_boxes(boxes: FlatBoxes, overlaps: Overlaps, num_classes: int) -> DetectionScores:
    """Score boxes whose overlaps are known already.

    Args:
        boxes (FlatBoxes): All boxes.
        overlaps (Overlaps): What ``find_overlaps`` gave for them.
        num_classes (int): Number of classes C.

    Returns:
        DetectionScores: Arrays over the C classes.

    Example:
        >>> boxes = flatten_images([])
        >>> score_boxes(boxes, find_overlaps(boxes), 2).ap.tolist()
        [nan, nan]
    """
    truth = np.bincount(boxes.truth_labels[~boxes.truth_ignored], minlength=num_classes)
    order = rank_by_score(boxes.labels, boxes.scores)
    labels = boxes.labels[order]
    ap = np.empty((len(_IOU_THRESHOLDS), num_classes))
    recall = np.empty((len(_IOU_THRESHOLDS), num_classes))
    curves = []
    for index, threshold in enumerate(_IOU_THRESHOLDS):
        matches = match_detections(boxes, overlaps, threshold)[order]
        hits = matches >= 0
        precision, last = interpolated_precision(labels, hits, matches != IGNORED, truth)
        ap[index] = precision.mean(axis=1)
        found = np.bincount(labels[hits], minlength=num_classes)
        recall[index] = np.divide(found, truth, out=np.full(num_classes, np.nan), where=truth > 0)
        curves.append((precision, last))
    curve, reached = curves[0]
    scores = np.full(reached.shape, np.nan)
    scores[reached >= 0] = boxes.scores[order][reached[reached >= 0]]
    return DetectionScores(
        ap=ap.mean(axis=0),
        ap50=ap[0],
        ap75=ap[5],
        ar=recall.mean(axis=0),
        recall_points=RECALL_POINTS,
        precision=curve,
        score=scores,
    )


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float('nan')
