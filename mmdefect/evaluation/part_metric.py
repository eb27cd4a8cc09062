"""The registered metric of decisions: which parts are flagged at an operating point."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger

from mmdefect.decision import (
    OperatingPoint,
    Pooling,
    count_flagged,
    operating_curve,
    reaches,
)
from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.evaluation.sample_scores import shown_classes
from mmdefect.registry import METRICS
from mmdefect.wording import counted

__all__ = ['PartMetric', 'ScoredImage', 'read_scores']

_KNOWN_KEYS = (
    'max_false_alarms', 'threshold', 'target_recall', 'pool', 'beta', 'collect_device', 'prefix',
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class ScoredImage:
    """What the metric keeps of an image.

    Args:
        part (str): Part id; the path of an image that is its own part.
        scores (np.ndarray): Highest score per class, float64, shape (C,).
        truth (np.ndarray | None): Which classes it shows, bool, shape (C,); None if nobody says.

    Example:
        >>> ScoredImage('part 1', np.array([0.9]), np.array([True])).part
        'part 1'
    """

    part: str
    scores: npt.NDArray[np.float64]
    truth: npt.NDArray[np.bool_] | None


@METRICS.register_module()
class PartMetric(BaseMetric):
    """Recall of defective parts where false alarms are limited, for detectors and classifiers.

    The score of a part is the highest of its classes', that of a class the ``pool``-th highest of
    its images'; a part is defective if any of its images shows a defect. The **operating point**
    is the lowest threshold at which no more than ``max_false_alarms`` of 1,000 good parts are
    flagged. So ``part_recall`` cannot be raised by flagging everything, and
    ``save_best='mmdefect/part_recall'`` chooses the epoch whose model misses fewest defective
    parts at the same price in false alarms. Choose the threshold of the line afterwards, on parts
    that took part in neither (``mmdefect thresholds``): this one is fitted to the parts it is
    measured on.

    Ground truth is the dataset's ``instances``; ignored boxes do not count, and a part with an
    image that has no others is left out, as nobody says whether it is good. Scores are the
    model's ``pred_score`` (C,) of :class:`mmdefect.inference.TiledClassifier`, or the highest per
    class of its ``pred_instances``.

    Args:
        max_false_alarms (float): Good parts of 1,000 that may be flagged. Default 100.
        threshold (float | None): A fixed threshold instead. Default None.
        target_recall (float): Recall for ``part_specificity_at_recall``, above 0, at most 1.
            Default 0.95.
        pool (int): How many images of a part must show a defect, from 1. Default 1.
        beta (float): Weight of recall in F-beta. Default 2.
        collect_device (str): ``cpu`` or ``gpu``, for several ranks. Default ``cpu``.
        prefix (str | None): Prefix of the metric names. Default None, which is ``mmdefect``.
        **unknown: Refused, naming the nearest known key.

    Raises:
        InputError: An unknown key or a value out of range.

    Example:
        >>> PartMetric(max_false_alarm=50)
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: PartMetric: unknown key 'max_false_alarm'; did you mean \
'max_false_alarms'?
    """

    default_prefix = 'mmdefect'

    def __init__(
        self,
        max_false_alarms: float = 100.0,
        threshold: float | None = None,
        target_recall: float = 0.95,
        pool: int = 1,
        beta: float = 2.0,
        collect_device: str = 'cpu',
        prefix: str | None = None,
        **unknown: Any,
    ) -> None:
        reject_unknown_keys('PartMetric', unknown, _KNOWN_KEYS)
        for name, value, fits, wanted in (
            ('max_false_alarms', max_false_alarms, 0 <= max_false_alarms <= 1000, 'in 0..1000'),
            ('threshold', threshold, threshold is None or 0 <= threshold <= 1, 'in 0..1'),
            ('target_recall', target_recall, 0 < target_recall <= 1, 'above 0 and at most 1'),
            ('pool', pool, type(pool) is int and pool > 0, 'a whole number of at least 1'),
            ('beta', beta, 0 < beta < math.inf, 'above 0'),
        ):
            if not fits:
                raise InputError(f'PartMetric: {name} must be {wanted}, got {value!r}')
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.max_false_alarms = max_false_alarms
        self.threshold = threshold
        self.target_recall = target_recall
        self.pooling = Pooling(n=pool)
        self.beta = float(beta)

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep truth and scores of one batch.

        Args:
            data_batch (Any): Not used.
            data_samples (Sequence[dict]): Outputs of the model with ``pred_score`` or
                ``pred_instances``, and the meta keys ``instances`` and ``img_path``, of some
                also ``part_id``.

        Raises:
            InputError: The dataset has no class names, a meta key is missing, or scores do not
                fit the classes.
            ValueError: A score is not finite.
        """
        classes = (self.dataset_meta or {}).get('classes') or ()
        if not classes:
            raise InputError(
                'PartMetric: the dataset has no class names; set metainfo=dict(classes=...)'
            )
        self.results.extend(read_scores(sample, len(classes)) for sample in data_samples)

    def compute_metrics(self, results: list[ScoredImage]) -> dict[str, float]:
        """Pool images into parts and measure the operating point.

        Args:
            results (list[ScoredImage]): All images.

        Returns:
            dict[str, float]: At the operating point ``part_recall``, ``part_precision``,
            ``part_specificity``, ``part_F<beta>``, ``part_threshold`` and
            ``part_no_better_than_flagging_all`` (1 or 0); ``part_prevalence``; over all
            thresholds ``part_AP`` and ``part_specificity_at_recall``, the specificity at the
            highest threshold that reaches ``target_recall``; per class ``part_AP/<class>`` and
            ``part_recall/<class>``, the share of the parts that show it which are flagged, as
            what class ever. NaN where a number is not defined.
        """
        classes = (self.dataset_meta or {})['classes']
        scores, truth = self._parts(results, len(classes))
        highest, defective = scores.max(axis=1, initial=0), truth.any(axis=1)
        threshold = self._operating_threshold(highest, defective)
        flagged = reaches(highest, threshold)
        point = count_flagged(flagged, defective, self.beta)
        metrics = {
            'part_recall': point.recall,
            'part_precision': point.precision,
            'part_specificity': point.specificity,
            f'part_F{self.beta:g}': point.f_beta,
            'part_threshold': threshold,
            'part_no_better_than_flagging_all': _as_number(point.no_better_than_flagging_all),
        }
        for name, shows in zip(classes, truth.T, strict=True):
            metrics[f'part_recall/{name}'] = count_flagged(flagged[shows], shows[shows]).recall
        if math.isnan(threshold):
            # Without good parts there is no limit to their false alarms.
            metrics = dict.fromkeys(metrics, math.nan)
        metrics['part_prevalence'] = point.prevalence
        metrics['part_specificity_at_recall'] = self._specificity(highest, defective)
        metrics['part_AP'] = _average_precision(highest, defective)
        for name, score, shows in zip(classes, scores.T, truth.T, strict=True):
            metrics[f'part_AP/{name}'] = _average_precision(score, shows)
        self._log(point, threshold)
        return metrics

    def _parts(
        self, results: list[ScoredImage], classes: int
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """Scores and truth of the parts, shapes (P, C)."""
        parts: dict[str, list[ScoredImage]] = {}
        for image in results:
            parts.setdefault(image.part, []).append(image)
        parts = {
            part: images
            for part, images in parts.items()
            if all(image.truth is not None for image in images)
        }
        shape = (len(parts), classes)
        scores = [
            self.pooling.pool(np.array([image.scores for image in images]))
            for images in parts.values()
        ]
        truth = [np.any([image.truth for image in images], axis=0) for images in parts.values()]
        return np.array(scores, float).reshape(shape), np.array(truth, bool).reshape(shape)

    def _operating_threshold(
        self, scores: npt.NDArray[np.float64], defective: npt.NDArray[np.bool_]
    ) -> float:
        """The fixed threshold, or the lowest one within the limit of false alarms."""
        if self.threshold is not None:
            return self.threshold
        if defective.all():
            return math.nan
        curve = operating_curve(scores, defective, max(2, len(scores)))
        within = curve.false_alarms_per_1000_good <= self.max_false_alarms
        # No score reaches the next float32 after the highest.
        beyond = float(np.nextafter(np.float32(scores.max()), np.float32(np.inf)))
        return float(curve.threshold[within.argmax()]) if within.any() else beyond

    def _specificity(
        self, scores: npt.NDArray[np.float64], defective: npt.NDArray[np.bool_]
    ) -> float:
        """That of the highest threshold which reaches the target."""
        if not defective.any():
            return math.nan
        curve = operating_curve(scores, defective, max(2, len(scores)))
        return float(curve.specificity[curve.recall >= self.target_recall][-1])

    def _log(self, point: OperatingPoint, threshold: float) -> None:
        low, high = point.recall_interval
        text = (
            f'parts: {point.tp + point.fn} defective, {point.fp + point.tn} good; at threshold '
            f'{threshold:.4f} {point.fn} missed, {point.fp} false alarms: recall '
            f'{point.recall:.4f} (95 % interval {low:.3f} to {high:.3f}), specificity '
            f'{point.specificity:.4f}, precision {point.precision:.4f}'
        )
        if point.no_better_than_flagging_all:
            text += '; no better than flagging all'
        MMLogger.get_current_instance().info(text)


def read_scores(sample: dict, classes: int) -> ScoredImage:
    """Read truth and scores from an output of a model.

    Args:
        sample (dict): As of :meth:`PartMetric.process`.
        classes (int): Number of classes C.

    Returns:
        ScoredImage: One image.

    Raises:
        InputError: A meta key is missing, or scores do not fit the classes.
        ValueError: A score is not finite.

    Example:
        >>> import torch
        >>> sample = dict(img_path='a.png', pred_score=torch.tensor([0.25, 0.5]),
        ...               instances=[dict(bbox_label=1, ignore_flag=0)])
        >>> image = read_scores(sample, 2)
        >>> image.part, image.scores.tolist(), image.truth.tolist()
        ('a.png', [0.25, 0.5], [False, True])
    """
    for key in ('instances', 'img_path'):
        if key not in sample:
            raise InputError(
                f"PartMetric: the meta key '{key}' does not reach the metric; pack with "
                "dict(type='mmdefect.PackInputs') or add it to meta_keys of PackDetInputs"
            )
    shown = shown_classes(sample)
    truth = None if shown is None else np.isin(np.arange(classes), shown)
    if 'pred_score' in sample:
        scores = sample['pred_score'].detach().cpu().double().numpy()
        if scores.shape != (classes,):
            raise InputError(
                f'{sample["img_path"]}: the model gives {counted(scores.size, "score")}, but the '
                f'data set has {counted(classes, "class", "classes")}; set num_classes={classes} '
                'of its head'
            )
    else:
        found = sample['pred_instances']
        scores = np.zeros(classes)
        values = found['scores'].detach().cpu().double().numpy()
        np.maximum.at(scores, found['labels'].detach().cpu().numpy(), values)
    if not np.isfinite(scores).all():
        raise ValueError(
            f'{sample["img_path"]}: a score is not finite; the model has diverged, lower the '
            'learning rate and start from an earlier checkpoint'
        )
    return ScoredImage(str(sample.get('part_id') or sample['img_path']), scores, truth)


def _average_precision(scores: npt.NDArray[np.float64], truth: npt.NDArray[np.bool_]) -> float:
    """Area under precision over recall, equal scores taken together; NaN without positives."""
    if not truth.any():
        return math.nan
    curve = operating_curve(scores, truth, max(2, len(scores)))
    return float(-np.diff(curve.recall, append=0) @ curve.precision)


def _as_number(flag: bool | None) -> float:
    return math.nan if flag is None else float(flag)
