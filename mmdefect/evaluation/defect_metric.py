"""The registered metric: COCO AP per class with one detection limit, and its evidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger
from rich.console import Console
from rich.table import Table

from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.evaluation.coco_scores import DetectionScores, ImageResult, score_detections
from mmdefect.registry import METRICS
from mmdefect.structures import EVALUATION_MIN_SCORE

__all__ = ['DefectMetric']


@METRICS.register_module()
class DefectMetric(BaseMetric):
    """COCO AP, AP50, AP75 and AR, overall and per class, with one stated ``max_dets``.

    Ground truth is the dataset's ``instances`` as they stand in the original image, so list
    ``'instances'`` among the meta keys of the packing transform (``mmdefect.PackInputs`` does).
    Ids are renumbered, areas computed; category id 0 and annotation id 0 are ordinary ids.

    Args:
        max_dets (int): Best-scored detections counted per image and class, for every number.
            Default 100.
        evidence_images (int): Images whose boxes are kept in :attr:`evidence`. Default 2000.
        collect_device (str): ``cpu`` or ``gpu``, for several ranks. Default ``cpu``.
        prefix (str | None): Prefix of the metric names. Default None, which is ``mmdefect``.
        **unknown: Refused, naming the nearest known key.

    Raises:
        InputError: An unknown key, or ``max_dets`` below 1.

    Source:
        T.-Y. Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014.

    Example:
        >>> DefectMetric(max_det=300)
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: DefectMetric: unknown key 'max_det'; did you mean 'max_dets'?
    """

    default_prefix = 'mmdefect'

    def __init__(
        self,
        max_dets: int = 100,
        evidence_images: int = 2000,
        collect_device: str = 'cpu',
        prefix: str | None = None,
        **unknown: Any,
    ) -> None:
        known = ('max_dets', 'evidence_images', 'collect_device', 'prefix')
        reject_unknown_keys('DefectMetric', unknown, known)
        if max_dets < 1:
            raise InputError(f'DefectMetric: max_dets must be at least 1, got {max_dets}')
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.max_dets = max_dets
        self.evidence_images = evidence_images
        self.evidence: dict[str, Any] | None = None

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep ground truth and detections of one batch.

        Args:
            data_batch (Any): Not used.
            data_samples (Sequence[dict]): Outputs of the model with ``pred_instances`` and the
                meta keys ``instances``, ``img_path`` and ``ori_shape``.

        Raises:
            InputError: A meta key is missing.
            ValueError: A box or score is not finite.
        """
        for sample in data_samples:
            self.results.append(_image_result(sample))

    def compute_metrics(self, results: list[ImageResult]) -> dict[str, float]:
        """Score the whole data set, print the table and keep the evidence.

        Args:
            results (list[ImageResult]): All images.

        Returns:
            dict[str, float]: ``AP``, ``AP50``, ``AP75``, ``AR`` and, per class,
            ``AP/<class>`` and ``AP50/<class>``; NaN where there is no ground truth.
        """
        classes = list((self.dataset_meta or {}).get('classes', ()))
        if not classes:
            raise InputError(
                'DefectMetric: the dataset has no class names; set metainfo=dict(classes=...)'
            )
        scores = score_detections(results, len(classes), self.max_dets)
        counts = np.zeros((2, len(classes)), dtype=np.int64)
        for image in results:
            counted = image.gt_labels[~image.gt_ignored]
            counts[0] += np.bincount(counted, minlength=len(classes))
            counts[1, np.unique(counted)] += 1
        self.evidence = self._make_evidence(results, classes, scores, counts)
        MMLogger.get_current_instance().info('\n' + _format_table(classes, scores, counts[0]))
        metrics = scores.summary()
        for index, name in enumerate(classes):
            metrics[f'AP/{name}'] = float(scores.ap[index])
            metrics[f'AP50/{name}'] = float(scores.ap50[index])
        return metrics

    def _make_evidence(
        self,
        results: list[ImageResult],
        classes: list[str],
        scores: DetectionScores,
        counts: np.ndarray,
    ) -> dict[str, Any]:
        """What ``evaluation.json`` holds besides epoch, checkpoint and date."""
        return {
            'classes': classes,
            'max_dets': self.max_dets,
            # Of the boxes listed below; the metrics count all detections.
            'min_score': EVALUATION_MIN_SCORE,
            'metrics': {name: _json_number(value) for name, value in scores.summary().items()},
            'per_class': [
                {
                    'name': name,
                    'AP': _json_number(scores.ap[index]),
                    'AP50': _json_number(scores.ap50[index]),
                    'AP75': _json_number(scores.ap75[index]),
                    'AR': _json_number(scores.ar[index]),
                    'boxes': int(counts[0, index]),
                    'images': int(counts[1, index]),
                }
                for index, name in enumerate(classes)
            ],
            'images_total': len(results),
            'images_good': sum(len(image.gt_boxes) == 0 for image in results),
            'pr_curves': [
                {
                    'name': name,
                    'recall': scores.recall_points.round(4).tolist(),
                    'precision': [_json_number(value) for value in scores.precision[index]],
                    'score': [_json_number(value) for value in scores.score[index]],
                }
                for index, name in enumerate(classes)
            ],
            'images': [_image_evidence(image) for image in results[: self.evidence_images]],
        }


def _image_result(sample: dict) -> ImageResult:
    for key in ('instances', 'img_path', 'ori_shape'):
        if key not in sample:
            raise InputError(
                f"DefectMetric: the meta key '{key}' does not reach the metric; pack with "
                "dict(type='mmdefect.PackInputs') or add it to meta_keys of PackDetInputs"
            )
    predictions = sample['pred_instances']
    boxes = predictions['bboxes'].detach().float().cpu().numpy()
    scores = predictions['scores'].detach().float().cpu().numpy()
    if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
        raise ValueError(
            f'{sample["img_path"]}: a detection is not finite; the model has diverged, '
            'lower the learning rate and start from an earlier checkpoint'
        )
    instances = sample['instances']
    return ImageResult(
        path=str(sample['img_path']),
        width=int(sample['ori_shape'][1]),
        height=int(sample['ori_shape'][0]),
        gt_boxes=np.array([item['bbox'] for item in instances], np.float32).reshape(-1, 4),
        gt_labels=np.array([item['bbox_label'] for item in instances], np.int64),
        gt_ignored=np.array([item.get('ignore_flag', 0) for item in instances], bool),
        boxes=boxes,
        labels=predictions['labels'].detach().cpu().numpy(),
        scores=scores,
    )


def _image_evidence(image: ImageResult) -> dict[str, Any]:
    truth = np.column_stack([image.gt_boxes, image.gt_labels, image.gt_ignored])
    shown = image.scores >= EVALUATION_MIN_SCORE
    found = np.column_stack([image.boxes, image.labels, image.scores])[shown]
    return {
        'path': image.path,
        'width': image.width,
        'height': image.height,
        'ground_truth': [
            [*row[:4], int(row[4]), int(row[5])] for row in truth.astype(float).round(2).tolist()
        ],
        'detections': [
            [*row[:4], int(row[4]), row[5]] for row in found.astype(float).round(4).tolist()
        ],
    }


def _json_number(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 6)


def _format_table(classes: list[str], scores: DetectionScores, boxes: np.ndarray) -> str:
    table = Table('class', 'boxes', 'AP', 'AP50', 'AP75', 'AR')
    rows = zip(classes, boxes, scores.ap, scores.ap50, scores.ap75, scores.ar, strict=True)
    for name, count, *values in rows:
        table.add_row(name, str(count), *(f'{value:.3f}' for value in values))
    table.add_section()
    table.add_row('all', str(boxes.sum()), *(f'{value:.3f}' for value in scores.summary().values()))
    for column in table.columns[1:]:
        column.justify = 'right'
    console = Console(width=100, no_color=True, force_terminal=False)
    with console.capture() as capture:
        console.print(table)
    return capture.get()
