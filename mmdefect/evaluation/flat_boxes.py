"""All boxes of a data set in flat arrays, so that nothing loops over images or boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmdefect.evaluation.image_result import ImageResult

__all__ = ['FlatBoxes', 'flatten_images']


@dataclass(frozen=True, slots=True)
class FlatBoxes:
    """N ground-truth boxes and M detections of a data set, each sorted by image.

    Within an image detections fall by score, equal scores in the order given; so of two
    detections of one image the one with the lower index comes first wherever the order counts.

    Args:
        images (int): Number of images.
        truth (np.ndarray): Ground-truth boxes, xyxy in pixels, float64, shape (N, 4).
        truth_labels (np.ndarray): Their class indices, int64, shape (N,).
        truth_ignored (np.ndarray): True for crowd or difficult boxes, shape (N,).
        truth_start (np.ndarray): Index of the first box of each image, then N, int64, shape
            (images + 1,).
        boxes (np.ndarray): Detected boxes, xyxy in pixels, float64, shape (M, 4).
        labels (np.ndarray): Their class indices, int64, shape (M,).
        scores (np.ndarray): Their scores, float64, shape (M,).
        image (np.ndarray): Their images, int64, shape (M,).
        position (np.ndarray): Their places in the arrays of their image, int64, shape (M,).

    Example:
        >>> flatten_images([]).scores.shape
        (0,)
    """

    images: int
    truth: npt.NDArray[np.float64]
    truth_labels: npt.NDArray[np.int64]
    truth_ignored: npt.NDArray[np.bool_]
    truth_start: npt.NDArray[np.int64]
    boxes: npt.NDArray[np.float64]
    labels: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]
    image: npt.NDArray[np.int64]
    position: npt.NDArray[np.int64]

    def truth_image(self) -> npt.NDArray[np.int64]:
        """Image of each ground-truth box.

        Returns:
            np.ndarray: int64, shape (N,).
        """
        return np.repeat(np.arange(self.images), np.diff(self.truth_start))


def flatten_images(images: Sequence[ImageResult], max_dets: int | None = None) -> FlatBoxes:
    """Join the boxes of all images, best-scored detections of each image first.

    Args:
        images (Sequence[ImageResult]): All images, the defect-free ones included.
        max_dets (int | None): Best-scored detections kept per image and class. Default None: all.

    Returns:
        FlatBoxes: The joined arrays.

    Raises:
        ValueError: A score is not finite.

    Example:
        >>> box, label = np.array([[0., 0., 10., 10.]] * 2), np.array([0, 0])
        >>> image = ImageResult('a.png', 20, 20, box, label, np.array([False] * 2), box, label,
        ...                     np.array([.1, .9]))
        >>> flatten_images([image]).position.tolist()
        [1, 0]
    """
    counts = np.array([len(image.scores) for image in images], np.int64)
    truths = np.array([len(image.gt_labels) for image in images], np.int64)
    scores = _join([image.scores for image in images], np.float64)
    if not np.isfinite(scores).all():
        raise ValueError('scores must be finite, got NaN or infinity')
    image = np.repeat(np.arange(len(images)), counts)
    position = np.arange(len(scores)) - np.repeat(counts.cumsum() - counts, counts)
    labels = _join([image.labels for image in images], np.int64)
    order = np.lexsort((-scores, image))
    if max_dets is not None and counts.max(initial=0) > max_dets:
        order = order[_rank(image[order], labels[order]) < max_dets]
    return FlatBoxes(
        images=len(images),
        truth=_join([image.gt_boxes for image in images], np.float64).reshape(-1, 4),
        truth_labels=_join([image.gt_labels for image in images], np.int64),
        truth_ignored=_join([image.gt_ignored for image in images], np.bool_),
        truth_start=np.concatenate([[0], truths.cumsum()]),
        boxes=_join([image.boxes for image in images], np.float64).reshape(-1, 4)[order],
        labels=labels[order],
        scores=scores[order],
        image=image[order],
        position=position[order],
    )


def _join(parts: list[np.ndarray], dtype: type) -> np.ndarray:
    return np.concatenate(parts).astype(dtype, copy=False) if parts else np.zeros(0, dtype)


def _rank(image: npt.NDArray[np.int64], labels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Place of each detection among those of its image and class, from 0."""
    order = np.lexsort((labels, image))
    image, labels = image[order], labels[order]
    new = np.ones(len(order), bool)
    new[1:] = (image[1:] != image[:-1]) | (labels[1:] != labels[:-1])
    starts = np.flatnonzero(new)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order)) - starts[new.cumsum() - 1]
    return rank
