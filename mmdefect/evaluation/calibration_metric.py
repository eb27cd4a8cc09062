"""The registered metric of scores as probabilities, and the temperature that makes them ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger

from mmdefect.decision import fit_temperature, reliability_table
from mmdefect.errors import InputError, strict_keys
from mmdefect.evaluation.defect_metric import read_result
from mmdefect.evaluation.flat_boxes import flatten_images
from mmdefect.evaluation.image_result import ImageResult
from mmdefect.evaluation.matching import UNMATCHED, find_overlaps, match_detections
from mmdefect.registry import METRICS
from mmdefect.wording import counted

__all__ = ['CalibrationMetric']


@METRICS.register_module()
@strict_keys
class CalibrationMetric(BaseMetric):
    """How far the scores of a detector are from the share of its boxes that are right.

    A detection is right when it finds a box of its class (IoU .5, as in
    :class:`mmdefect.evaluation.DefectMetric`). The expected calibration error compares mean score
    and share of right ones in ten bins. A temperature, which divides the logits, is fitted to
    the detections of every other part (image, where they name no ``part_id``); both errors,
    without and with it, are of the parts between them, so that the gain is no result of the fit.
    Multiply the temperature of the head by it (``model.bbox_head.temperature`` of
    :class:`mmdefect.models.SharedTowerHead`); the order of the scores, and so AP, stay as they
    are.

    Ground truth and detections are those of ``DefectMetric``, beside which it stands in a list of
    evaluators.

    Args:
        min_score (float): Detections below are left out, 0 to 1: thousands of them with scores
            near 0 would hide the error of the others. Default 0.05.
        max_dets (int): Best-scored detections per image and class that count, as of
            ``DefectMetric``. Default 100.
        collect_device (str): ``cpu`` or ``gpu``, for several ranks. Default ``cpu``.
        prefix (str | None): Prefix of the metric names. Default None, which is ``calibration``.

    Raises:
        InputError: An unknown key or a value out of range.

    Source:
        Guo et al., "On Calibration of Modern Neural Networks", ICML 2017; of detections: Küppers
        et al., "Multivariate Confidence Calibration for Object Detection", CVPR Workshops 2020.

    Example:
        >>> CalibrationMetric(min_score=2)
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: CalibrationMetric: min_score must be 0 to 1, got 2
    """

    default_prefix = 'calibration'

    def __init__(
        self,
        min_score: float = 0.05,
        max_dets: int = 100,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        if not 0 <= min_score <= 1:
            raise InputError(f'CalibrationMetric: min_score must be 0 to 1, got {min_score}')
        if max_dets < 1:
            raise InputError(f'CalibrationMetric: max_dets must be at least 1, got {max_dets}')
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.min_score = min_score
        self.max_dets = max_dets

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep ground truth and detections of one batch.

        Args:
            data_batch (Any): Not used.
            data_samples (Sequence[dict]): As in ``DefectMetric``.

        Raises:
            InputError: A meta key is missing.
            ValueError: A box or score is not finite.
        """
        self.results.extend(
            (read_result(sample), sample.get('part_id') or sample['img_path'])
            for sample in data_samples
        )

    def compute_metrics(self, results: list[tuple[ImageResult, str]]) -> dict[str, float]:
        """Fit the temperature and measure both errors, and say so in the log.

        Args:
            results (list[tuple[ImageResult, str]]): All images, each with its part.

        Returns:
            dict[str, float]: ``ECE``, ``ECE_scaled`` and ``temperature``; NaN where the
            detections of half the parts are all right, all wrong, or none.
        """
        scores, right, image = self._judge([result for result, _ in results])
        _, part = np.unique([part for _, part in results], return_inverse=True)
        measured = part[image] % 2 == 1
        fitted = ~measured
        before = after = temperature = math.nan
        if measured.any():
            before = reliability_table(scores[measured], right[measured]).ece
            if len(np.unique(right[fitted])) == 2:
                scaling = fit_temperature(scores[fitted], right[fitted])
                temperature = scaling.temperature
                after = reliability_table(scaling.apply(scores[measured]), right[measured]).ece
        MMLogger.get_current_instance().info(
            self._sentence(len(scores), int(right.sum()), before, after, temperature)
        )
        return {'ECE': before, 'ECE_scaled': after, 'temperature': temperature}

    def _sentence(
        self, found: int, right: int, before: float, after: float, temperature: float
    ) -> str:
        if not found:
            return f'no detection from score {self.min_score:g} on: nothing to calibrate yet'
        said = (
            f'{counted(found, "detection")} from score {self.min_score:g} on, {right} of them '
            'right: '
        )
        if math.isnan(before):
            return f'{said}all of them on one half of the parts, too few to calibrate'
        said += f'expected calibration error {before:.3f}; '
        if math.isnan(temperature):
            return (
                f'{said}no temperature can be fitted, as those of every other part are all right, '
                'all wrong or none'
            )
        return (
            f'{said}{after:.3f} at {temperature:.3g} times the temperature, fitted on every other '
            'part and measured on those between'
        )

    def _judge(
        self, results: Sequence[ImageResult]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
        """Score of each detection that counts, whether it is right, and its image."""
        boxes = flatten_images(results, self.max_dets)
        matches = match_detections(boxes, find_overlaps(boxes))
        taken = (matches >= UNMATCHED) & (boxes.scores >= self.min_score)
        # In float32 a sure score may be a hair above 1.
        scores = np.clip(boxes.scores[taken].astype(np.float64), 0, 1)
        return scores, matches[taken] >= 0, boxes.image[taken]
