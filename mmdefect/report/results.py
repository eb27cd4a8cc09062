"""The boxes of an evaluation file as arrays, as the evaluation takes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mmdefect.evaluation.image_errors import describe_errors
from mmdefect.evaluation.image_result import ImageResult
from mmdefect.report.evaluation import EvaluatedImage

__all__ = ['image_result', 'match_images']


def image_result(image: EvaluatedImage) -> ImageResult:
    """Turn the rows of one image into arrays.

    Args:
        image (EvaluatedImage): The image.

    Returns:
        ImageResult: The same boxes.

    Example:
        >>> image = EvaluatedImage(path='a.png', width=9, height=9,
        ...     ground_truth=[(0, 0, 4, 4, 0, 0)], detections=[])
        >>> image_result(image).gt_boxes.tolist()
        [[0.0, 0.0, 4.0, 4.0]]
    """
    truth = np.asarray(image.ground_truth, np.float64).reshape(-1, 6)
    found = np.asarray(image.detections, np.float64).reshape(-1, 6)
    return ImageResult(
        path=image.path,
        width=image.width,
        height=image.height,
        gt_boxes=truth[:, :4],
        gt_labels=truth[:, 4].astype(np.int64),
        gt_ignored=truth[:, 5] != 0,
        boxes=found[:, :4],
        labels=found[:, 4].astype(np.int64),
        scores=found[:, 5],
    )


def match_images(images: Sequence[EvaluatedImage]) -> list[npt.NDArray[np.int64]]:
    """Match the detections of images to their ground truth at IoU 0.5.

    Args:
        images (Sequence[EvaluatedImage]): The images.

    Returns:
        list[np.ndarray]: Per image int64, shape (detections,): index of the box found, -1 for a
        false alarm, -2 where the detection counts neither way.

    Example:
        >>> image = EvaluatedImage(path='a.png', width=9, height=9,
        ...     ground_truth=[(0, 0, 4, 4, 0, 0)], detections=[(0, 0, 4, 4, 0, 0.5)])
        >>> match_images([image])[0].tolist()
        [0]
    """
    results = [image_result(image) for image in images]
    return [errors.matches for errors in describe_errors(results, threshold=0)]
