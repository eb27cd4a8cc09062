"""What is right and wrong in single images, for people who look at them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmdefect.evaluation.error_types import type_errors
from mmdefect.evaluation.flat_boxes import flatten_images
from mmdefect.evaluation.image_result import ImageResult
from mmdefect.evaluation.matching import UNMATCHED, find_overlaps, match_detections
from mmdefect.evaluation.score_table import reaches

__all__ = ['ImageErrors', 'describe_errors']


@dataclass(frozen=True, slots=True)
class ImageErrors:
    """What is right and wrong in one image with N ground-truth boxes and M detections.

    Args:
        matches (np.ndarray): Index of the box a detection found, ``UNMATCHED`` (-1) for a false
            alarm, ``IGNORED`` (-2); holds at every score threshold. int64, shape (M,).
        errors (np.ndarray): Index into ``ERROR_TYPES``, -1 where a box is found, ``IGNORED``
            (-2); the same at every score threshold. int64, shape (M,).
        iou (np.ndarray): Highest IoU with any box that counts, whatever its class, shape (M,).
        nearest_truth (np.ndarray): Index of that box, -1 where none overlaps, int64, shape (M,).
        found (np.ndarray): True for boxes found at the score threshold; ignored ones never are.
            Shape (N,).
        truth_iou (np.ndarray): Highest IoU with any detection, whatever its class and score; 0
            for ignored boxes. Shape (N,).
        nearest_detection (np.ndarray): Index of that detection, -1 where none overlaps, int64,
            shape (N,).
        nearest_score (np.ndarray): Its score, NaN where none overlaps, shape (N,).

    Example:
        >>> empty = np.zeros((0, 4)), np.zeros(0, int)
        >>> image = ImageResult('a.png', 8, 8, *empty, np.zeros(0, bool), *empty, np.zeros(0))
        >>> describe_errors([image], 0.5)[0].found.shape
        (0,)
    """

    matches: npt.NDArray[np.int64]
    errors: npt.NDArray[np.int64]
    iou: npt.NDArray[np.float64]
    nearest_truth: npt.NDArray[np.int64]
    found: npt.NDArray[np.bool_]
    truth_iou: npt.NDArray[np.float64]
    nearest_detection: npt.NDArray[np.int64]
    nearest_score: npt.NDArray[np.float64]


def describe_errors(images: Sequence[ImageResult], threshold: float) -> list[ImageErrors]:
    """Say of every box whether it is found and of every detection what is wrong with it.

    Args:
        images (Sequence[ImageResult]): Images; give all at once, it is much faster.
        threshold (float): Score from which a detection finds a box, 0 to 1.

    Returns:
        list[ImageErrors]: One per image; arrays in the order of its boxes and detections.

    Raises:
        ValueError: A score is not finite.

    Example:
        >>> box, label = np.array([[0., 0., 10., 10.]]), np.array([0])
        >>> image = ImageResult('a.png', 20, 20, box, label, np.array([False]), box, label + 1,
        ...                     np.array([.9]))
        >>> from mmdefect.evaluation.error_types import ERROR_TYPES
        >>> errors = describe_errors([image], 0.5)[0]
        >>> ERROR_TYPES[errors.errors[0]], errors.found.tolist(), errors.truth_iou.tolist()
        ('classification', [False], [1.0])
    """
    boxes = flatten_images(images)
    overlaps = find_overlaps(boxes, lowest=0)
    matches = match_detections(boxes, overlaps)
    errors = type_errors(boxes, overlaps, matches)
    own_is_nearer = overlaps.own_iou >= overlaps.other_iou
    nearest = np.where(own_is_nearer, overlaps.own_truth, overlaps.other_truth)
    found = np.zeros(len(boxes.truth), bool)
    found[matches[reaches(boxes.scores, threshold) & (matches >= 0)]] = True
    # Best pair of each box; of equal IoUs the better-scored detection.
    order = np.lexsort((overlaps.pair_found, -overlaps.pair_iou, overlaps.pair_truth))
    truths, first = np.unique(overlaps.pair_truth[order], return_index=True)
    best = order[first]
    truth_iou = np.zeros(len(boxes.truth))
    truth_iou[truths] = overlaps.pair_iou[best]
    detection = np.full(len(boxes.truth), -1, np.int64)
    detection[truths] = boxes.position[overlaps.pair_found[best]]
    score = np.full(len(boxes.truth), np.nan)
    score[truths] = boxes.scores[overlaps.pair_found[best]]

    iou = np.maximum(overlaps.own_iou, overlaps.other_iou)
    starts = np.searchsorted(boxes.image, np.arange(boxes.images + 1))
    described = []
    for index in range(boxes.images):
        own = slice(boxes.truth_start[index], boxes.truth_start[index + 1])
        rows = np.arange(starts[index], starts[index + 1])
        rows = rows[np.argsort(boxes.position[rows])]
        offset = boxes.truth_start[index]
        described.append(
            ImageErrors(
                matches=np.where(matches[rows] >= 0, matches[rows] - offset, matches[rows]),
                errors=errors[rows],
                iou=iou[rows],
                nearest_truth=np.where(nearest[rows] >= 0, nearest[rows] - offset, UNMATCHED),
                found=found[own],
                truth_iou=truth_iou[own],
                nearest_detection=detection[own],
                nearest_score=score[own],
            )
        )
    return described
