"""Ground truth and detections of one image, as the evaluation takes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ['ImageResult']


@dataclass(frozen=True, slots=True)
class ImageResult:
    """Ground truth and detections of one image, boxes as xyxy in pixels of the upright image.

    Args:
        path (str): Image file.
        width (int): Image width in pixels.
        height (int): Image height in pixels.
        gt_boxes (np.ndarray): Ground-truth boxes, shape (N, 4).
        gt_labels (np.ndarray): Their class indices, shape (N,).
        gt_ignored (np.ndarray): True for crowd or difficult boxes, shape (N,).
        boxes (np.ndarray): Detected boxes, shape (M, 4).
        labels (np.ndarray): Their class indices, shape (M,).
        scores (np.ndarray): Their scores, shape (M,).

    Example:
        >>> empty = np.zeros((0, 4)), np.zeros(0, int)
        >>> ImageResult('a.png', 8, 8, *empty, np.zeros(0, bool), *empty, np.zeros(0)).width
        8
    """

    path: str
    width: int
    height: int
    gt_boxes: np.ndarray
    gt_labels: np.ndarray
    gt_ignored: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
