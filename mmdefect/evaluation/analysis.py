"""Everything that is measured on one data set, from one matching of its boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmdefect.evaluation.coco_scores import DetectionScores, score_boxes
from mmdefect.evaluation.confusion import count_confusions
from mmdefect.evaluation.error_types import (
    ERROR_TYPES,
    count_errors,
    gain_without_errors,
    type_errors,
)
from mmdefect.evaluation.flat_boxes import FlatBoxes, flatten_images
from mmdefect.evaluation.image_result import ImageResult
from mmdefect.evaluation.iou_distribution import best_ious, count_ious, count_sizes, mean_ious
from mmdefect.evaluation.matching import Overlaps, find_overlaps, match_detections
from mmdefect.evaluation.score_table import ScoreTable, count_scores, reaches

__all__ = ['Analysis', 'analyse_boxes', 'analyse_images']


@dataclass(frozen=True, slots=True)
class Analysis:
    """Numbers over all images of a data set with C classes.

    Args:
        images (int): Images.
        class_images (np.ndarray): Images with a box of each class, int64, shape (C,).
        scores (DetectionScores): Average precision and recall.
        table (ScoreTable): Counts at every score threshold; its ``truth`` are the boxes.
        threshold (float): Score threshold of the numbers below: the one of the highest F1.
        iou_counts (np.ndarray): Boxes per class and bin of ``IOU_EDGES``, int64, shape (C, 18).
        mean_iou (np.ndarray): Mean IoU of the boxes found, per class, then over all; NaN where
            none is found. Shape (C + 1,).
        size_truth (np.ndarray): Boxes per class and bin of ``SIZE_EDGES``, int64, shape (C, 8).
        size_found (np.ndarray): Those of them that are found, int64, shape (C, 8).
        error_counts (np.ndarray): Errors per class and type of ``ERROR_TYPES``, int64, shape
            (C, 6).
        error_gain (np.ndarray): AP50 gained by mending all errors of a type, over all scores;
            NaN for classes without boxes. Shape (C, 6).
        confusion (np.ndarray): True class by detected class, int64, shape (C + 1, C + 1).

    Example:
        >>> analyse_images([], 2, 100).confusion.shape
        (3, 3)
    """

    images: int
    class_images: npt.NDArray[np.int64]
    scores: DetectionScores
    table: ScoreTable
    threshold: float
    iou_counts: npt.NDArray[np.int64]
    mean_iou: npt.NDArray[np.float64]
    size_truth: npt.NDArray[np.int64]
    size_found: npt.NDArray[np.int64]
    error_counts: npt.NDArray[np.int64]
    error_gain: npt.NDArray[np.float64]
    confusion: npt.NDArray[np.int64]

    @property
    def at(self) -> int:
        """Column of the score table that holds the threshold."""
        return round(100 * self.threshold)

    def box_shares(self) -> npt.NDArray[np.float64]:
        """Share of the boxes that each class has.

        Returns:
            np.ndarray: 0 to 1; NaN without any box. Shape (C,).
        """
        truth = self.table.truth
        return truth / truth.sum() if truth.any() else np.full(len(truth), np.nan)

    def mean_gain(self) -> npt.NDArray[np.float64]:
        """Mean of ``error_gain`` over the classes that have boxes.

        Returns:
            np.ndarray: NaN without any such class. Shape (6,).
        """
        known = self.error_gain[self.table.truth > 0]
        return known.mean(axis=0) if len(known) else np.full(len(ERROR_TYPES), np.nan)


def analyse_images(images: Sequence[ImageResult], classes: int, max_dets: int) -> Analysis:
    """Match the boxes of all images once and measure everything on the result.

    Memory grows with boxes, not with pairs of boxes; see ``find_overlaps``.

    Args:
        images (Sequence[ImageResult]): All images, the defect-free ones included.
        classes (int): Number of classes C.
        max_dets (int): Best-scored detections counted per image and class, in every number.

    Returns:
        Analysis: The numbers.

    Raises:
        ValueError: A score is not finite, or a label is not below ``classes``.

    Example:
        >>> box, label = np.array([[0., 0., 10., 10.]]), np.array([0])
        >>> image = ImageResult('a.png', 20, 20, box, label, np.array([False]), box, label,
        ...                     np.array([.9]))
        >>> analysis = analyse_images([image], 1, 100)
        >>> analysis.mean_iou.tolist(), analysis.confusion.tolist()
        ([1.0, 1.0], [[1, 0], [0, 0]])
    """
    boxes = flatten_images(images, max_dets)
    return analyse_boxes(boxes, find_overlaps(boxes), classes)


def analyse_boxes(boxes: FlatBoxes, overlaps: Overlaps, classes: int) -> Analysis:
    """Measure everything on boxes whose overlaps are known already.

    Args:
        boxes (FlatBoxes): All boxes.
        overlaps (Overlaps): How they overlap.
        classes (int): Number of classes C.

    Returns:
        Analysis: The numbers.

    Raises:
        ValueError: A label is not below ``classes``.

    Example:
        >>> boxes = flatten_images([])
        >>> analyse_boxes(boxes, find_overlaps(boxes), 2).images
        0
    """
    for name, values in (('ground truth', boxes.truth_labels), ('a detection', boxes.labels)):
        if not ((values >= 0) & (values < classes)).all():
            raise ValueError(
                f'labels of {name} must be 0 to {classes - 1}, got {values.min()} to {values.max()}'
            )
    matches = match_detections(boxes, overlaps)
    table = count_scores(boxes, matches, classes)
    threshold = table.best_threshold()
    counted = reaches(boxes.scores, threshold)
    found = np.zeros(len(boxes.truth), bool)
    found[matches[counted & (matches >= 0)]] = True
    relevant = ~boxes.truth_ignored
    labels = boxes.truth_labels
    ious = best_ious(boxes, overlaps, matches, counted)
    errors = type_errors(boxes, overlaps, matches)
    seen = np.unique(boxes.truth_image()[relevant] * classes + labels[relevant]) % max(classes, 1)
    return Analysis(
        images=boxes.images,
        class_images=np.bincount(seen, minlength=classes),
        scores=score_boxes(boxes, overlaps, classes),
        table=table,
        threshold=threshold,
        iou_counts=count_ious(ious[relevant], labels[relevant], classes),
        mean_iou=mean_ious(ious, labels, found, classes),
        size_truth=count_sizes(boxes.truth[relevant], labels[relevant], classes),
        size_found=count_sizes(boxes.truth[found], labels[found], classes),
        error_counts=count_errors(boxes, overlaps, matches, errors, counted, classes),
        error_gain=gain_without_errors(boxes, overlaps, matches, errors, classes),
        confusion=count_confusions(boxes, overlaps, matches, counted, classes),
    )
