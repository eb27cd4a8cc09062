"""COCO average precision from plain arrays, backed by faster-coco-eval.

Category and annotation ids are numbered from 1 in here: COCOeval takes a matched annotation
with id 0 for "no match", and perfect detections then score far below 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ['DetectionScores', 'ImageResult', 'score_detections']

_IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)


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
    recall_points = np.linspace(0.0, 1.0, 101)
    nothing = np.full(num_classes, np.nan)
    if not any(len(image.gt_boxes) for image in images):
        curves = np.full((num_classes, 101), np.nan)
        return DetectionScores(nothing, nothing, nothing, nothing, recall_points, curves, curves)

    evaluation = _run_coco_evaluation(images, num_classes, max_dets)
    # precision: (IoU thresholds, recall points, classes, area ranges, detection limits)
    precision = np.asarray(evaluation['precision'], dtype=np.float64)[..., 0, -1]
    scores = np.asarray(evaluation['scores'], dtype=np.float64)[..., 0, -1]
    recall = np.asarray(evaluation['recall'], dtype=np.float64)[..., 0, -1]
    # COCO marks "no ground truth" by -1.
    precision[precision < 0] = np.nan
    recall[recall < 0] = np.nan
    curve, curve_scores = precision[0].T, scores[0].T.copy()
    curve_scores[~(curve > 0)] = np.nan
    return DetectionScores(
        ap=precision.mean(axis=(0, 1)),
        ap50=precision[0].mean(axis=0),
        ap75=precision[5].mean(axis=0),
        ar=recall.mean(axis=0),
        recall_points=recall_points,
        precision=curve,
        score=curve_scores,
    )


def _run_coco_evaluation(
    images: Sequence[ImageResult], num_classes: int, max_dets: int
) -> dict[str, Any]:
    from faster_coco_eval import COCO, COCOeval_faster

    truth = COCO(_coco_dataset(images, num_classes), print_function=_silent)
    found = truth.loadRes(_coco_detections(images))
    evaluator = COCOeval_faster(truth, found, 'bbox', print_function=_silent)
    evaluator.params.iouThrs = _IOU_THRESHOLDS
    evaluator.params.areaRng = [[0, 1e10]]
    evaluator.params.areaRngLbl = ['all']
    evaluator.params.maxDets = [max_dets]
    evaluator.evaluate()
    evaluator.accumulate()
    return evaluator.eval


def _coco_dataset(images: Sequence[ImageResult], num_classes: int) -> dict[str, Any]:
    annotations = []
    for image_id, image in enumerate(images, start=1):
        sizes = image.gt_boxes[:, 2:] - image.gt_boxes[:, :2]
        boxes = np.concatenate([image.gt_boxes[:, :2], sizes], axis=1).tolist()
        for box, label, ignored in zip(
            boxes, image.gt_labels.tolist(), image.gt_ignored.tolist(), strict=True
        ):
            annotations.append(
                {
                    'id': len(annotations) + 1,
                    'image_id': image_id,
                    'category_id': label + 1,
                    'bbox': box,
                    'area': box[2] * box[3],
                    'iscrowd': int(ignored),
                }
            )
    return {
        'images': [
            {'id': index, 'width': image.width, 'height': image.height}
            for index, image in enumerate(images, start=1)
        ],
        'categories': [{'id': i, 'name': str(i)} for i in range(1, num_classes + 1)],
        'annotations': annotations,
    }


def _coco_detections(images: Sequence[ImageResult]) -> np.ndarray:
    """Rows of image id, x, y, w, h, score, category id, shape (K, 7)."""
    rows = [
        np.column_stack(
            [
                np.full(len(image.boxes), image_id),
                image.boxes[:, :2],
                image.boxes[:, 2:] - image.boxes[:, :2],
                image.scores,
                image.labels + 1,
            ]
        )
        for image_id, image in enumerate(images, start=1)
    ]
    return np.concatenate(rows).astype(np.float64) if rows else np.zeros((0, 7))


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float('nan')


def _silent(*_: Any) -> None:
    """COCO's progress texts are not for our users."""
