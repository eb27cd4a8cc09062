"""The registered metric: COCO AP per class with one detection limit, and its evidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger

from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.evaluation.analysis import Analysis, analyse_images
from mmdefect.evaluation.evidence import describe_analysis
from mmdefect.evaluation.image_result import ImageResult
from mmdefect.evaluation.log_tables import log_text
from mmdefect.registry import METRICS

__all__ = ['DefectMetric', 'name_numbers', 'read_result']


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
        InputError: An unknown key, ``max_dets`` below 1 or ``evidence_images`` below 0.

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
        if evidence_images < 0:
            raise InputError(
                f'DefectMetric: evidence_images must be 0 or more, got {evidence_images}'
            )
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
            self.results.append(read_result(sample))

    def compute_metrics(self, results: list[ImageResult]) -> dict[str, float]:
        """Measure the whole data set, print the tables and keep the evidence.

        Args:
            results (list[ImageResult]): All images.

        Returns:
            dict[str, float]: ``AP``, ``AP50``, ``AP75``, ``AR``; at the score threshold of the
            highest F1 ``precision``, ``recall``, ``F1``, ``mean_IoU`` and
            ``false_alarms_per_good_image``; per class, under ``<name>/<class>``, ``AP``, ``AP50``,
            ``precision``, ``recall`` and ``F1``; NaN where a number is not defined.

        Raises:
            InputError: The dataset has no class names.
        """
        classes = list((self.dataset_meta or {}).get('classes', ()))
        if not classes:
            raise InputError(
                'DefectMetric: the dataset has no class names; set metainfo=dict(classes=...)'
            )
        analysis = analyse_images(results, len(classes), self.max_dets)
        self.evidence = describe_analysis(
            analysis, results, classes, self.max_dets, self.evidence_images
        )
        MMLogger.get_current_instance().info('\n' + log_text(analysis, classes))
        return name_numbers(analysis, classes)


def name_numbers(analysis: Analysis, classes: Sequence[str]) -> dict[str, float]:
    """Give the numbers of an analysis the names they have in the log.

    Args:
        analysis (Analysis): The numbers.
        classes (Sequence[str]): Class names by index.

    Returns:
        dict[str, float]: As :meth:`DefectMetric.compute_metrics` returns them.

    Example:
        >>> from mmdefect.evaluation.analysis import analyse_images
        >>> list(name_numbers(analyse_images([], 1, 100), ['rust']))[-2:]
        ['recall/rust', 'F1/rust']
    """
    scores, table, at = analysis.scores, analysis.table, analysis.at
    precision, recall, f1 = (
        share[:, at] for share in (table.precision(), table.recall(), table.f1())
    )
    metrics = {
        **scores.summary(),
        'precision': float(precision[-1]),
        'recall': float(recall[-1]),
        'F1': float(f1[-1]),
        'mean_IoU': float(analysis.mean_iou[-1]),
        'false_alarms_per_good_image': float(table.false_alarms_per_good_image()[at]),
    }
    for index, name in enumerate(classes):
        metrics[f'AP/{name}'] = float(scores.ap[index])
        metrics[f'AP50/{name}'] = float(scores.ap50[index])
        metrics[f'precision/{name}'] = float(precision[index])
        metrics[f'recall/{name}'] = float(recall[index])
        metrics[f'F1/{name}'] = float(f1[index])
    return metrics


def read_result(sample: dict) -> ImageResult:
    """Read ground truth and detections from an output of a model.

    Args:
        sample (dict): With ``pred_instances`` and the meta keys ``instances``, ``img_path`` and
            ``ori_shape``.

    Returns:
        ImageResult: Boxes in the pixels of the original image.

    Raises:
        InputError: A meta key is missing.
        ValueError: A box or score is not finite.

    Example:
        >>> read_result({'img_path': 'a.png'})
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: DefectMetric: the meta key 'instances' does not reach ...
    """
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
