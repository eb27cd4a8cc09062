"""Numbers about pseudo labels, for the log."""

from __future__ import annotations

import logging
from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.logging import print_log
from mmengine.structures import InstanceData
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.models.pseudo_labels.class_thresholds import ClassThresholds
from mmdefect.ops.overlaps import as_columns, iou
from mmdefect.registry import MODELS

__all__ = ['PseudoLabelStatistics']


@MODELS.register_module()
class PseudoLabelStatistics:
    """What the teacher finds, what is kept of it, and how right it is where that is known.

    The entries join the losses, are logged and drawn, and nothing learns from them. All but the
    thresholds are of the last ``window`` iterations: ratios of single ones would mostly be 0, 1 or
    undefined. A ratio without a denominator is not logged.

    ======================================  =====================================================
    entry                                   meaning
    ======================================  =====================================================
    ``pseudo/count/<class>``                boxes of the classification loss, per iteration
    ``pseudo/kept_ratio/<class>``           their share of the teacher's boxes above the floor
    ``pseudo/score_mean``, ``_median``,     scores of the teacher's boxes above the floor
    ``_best``
    ``pseudo/score_mean/<class>``,          the same of one class
    ``pseudo/score_median/<class>``
    ``pseudo/stage/floor``                  the teacher's boxes above the floor, per iteration
    ``pseudo/stage/<loss>``                 those from its threshold on: ``initial``, ``cls``,
                                            ``rpn``
    ``pseudo/threshold/<class>``            ``cls`` in force
    ``pseudo/clean_images``                 share of images without any pseudo box
    ``pseudo/ignored_images``               share of images that take no part
    ``pseudo/positives/<class>``            positive RoIs or, in a one-stage detector, anchors,
                                            per iteration
    ``pseudo/positives/level_<i>``          positive anchors of each level, per iteration
    ``pseudo/consensus_rate``,              share of the boxes that two or more views had a vote
    ``pseudo/consensus_rate/<class>``       on which these confirm
    ``pseudo/consensus_judged``,            such boxes, and boxes added to views that missed
    ``_added``                              them, per iteration
    ``pseudo/precision/<class>``            share of these boxes that match hidden ground truth
    ``pseudo/recall/<class>``               share of the hidden ground truth that they match
    ======================================  =====================================================

    A match has the same class and an IoU of at least .5, one to one. Hidden ground truth is used
    here and nowhere else. After ``quiet`` iterations in a row without a pseudo box a warning says
    why, once.

    Args:
        classes (Sequence[str]): Class names; the soft teacher fills them in.
        hidden_truth (bool): Whether the unlabelled images come with ground truth, which the
            pipeline of the teacher's branch has loaded. Default False.
        window (int): Iterations. Default 50.
        quiet (int): Iterations. Default 1000.

    Raises:
        InputError: A key is unknown or a number is out of range.

    Example:
        >>> statistics = PseudoLabelStatistics(['dent'])
        >>> boxes = InstanceData(
        ...     bboxes=torch.zeros(2, 4), scores=torch.tensor([0.5, 0.1]),
        ...     labels=torch.tensor([0, 0]), images=torch.tensor([0, 0]))
        >>> kept = boxes[:1]
        >>> kept.for_cls = torch.tensor([True])
        >>> fixed, learned = ClassThresholds(['dent'], False), torch.tensor([True])
        >>> logged = statistics.summarise(boxes, kept, fixed, learned)
        >>> logged['pseudo/kept_ratio/dent'], logged['pseudo/count/dent']
        (tensor(0.5000), tensor(1.))
    """

    def __init__(
        self,
        classes: Sequence[str],
        hidden_truth: bool = False,
        window: int = 50,
        quiet: int = 1000,
        **unknown: Any,
    ) -> None:
        known = ('hidden_truth', 'window', 'quiet')
        reject_unknown_keys('PseudoLabelStatistics', unknown, known)
        for key, value in (('window', window), ('quiet', quiet)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(
                    f'PseudoLabelStatistics: {key} must be an integer >= 1, got {value!r}'
                )
        self.classes, self.hidden_truth = tuple(classes), hidden_truth
        # None: TrainingGuardHook warns.
        self.quiet: int | None = quiet
        self._recent: dict[str, deque[np.ndarray]] = defaultdict(lambda: deque(maxlen=window))
        self._knows_truth = False
        self._without = 0
        self._best = np.zeros(len(self.classes))

    def summarise(
        self,
        candidates: InstanceData,
        kept: InstanceData,
        thresholds: ClassThresholds,
        learned: Tensor,
    ) -> dict[str, Tensor]:
        """Describe the boxes of an iteration.

        Args:
            candidates (InstanceData): The teacher's boxes above the floor: ``scores``, ``labels``.
            kept (InstanceData): Those above the smallest threshold, with ``for_cls`` and
                ``images``.
            thresholds (ClassThresholds): In force.
            learned (Tensor): Whether each image takes part, bool, shape (B,).

        Returns:
            dict[str, Tensor]: Scalars.
        """
        taught = kept[kept.for_cls]
        counts, images = self._count(taught.labels), len(learned)
        clean = images - len(kept.images.unique())
        entries = {
            **self._ratio('kept_ratio', counts, self._count(candidates.labels)),
            **self._per_class('count', self._window('count', counts).mean(0)),
            **self._per_class('threshold', thresholds.of('cls').cpu().numpy()),
        }
        entries.update(self._scores(candidates))
        passed = {'floor': len(candidates)}
        for loss in thresholds.losses:
            if f'for_{loss}' in kept:
                passed[loss] = int(kept.get(f'for_{loss}').sum())
        means = self._window('stages', np.array(list(passed.values()))).mean(0)
        for stage, mean in zip(passed, means, strict=True):
            entries[f'pseudo/stage/{stage}'] = torch.tensor(float(mean))
        parts = self._window('images', np.array([clean, images - int(learned.sum()), images]))
        clean, ignored = parts[:, :2].sum(0) / parts[:, 2].sum()
        entries['pseudo/clean_images'] = torch.tensor(float(clean))
        entries['pseudo/ignored_images'] = torch.tensor(float(ignored))
        self._warn(candidates, len(taught), thresholds)
        return entries

    def judge(self, kept: InstanceData, truth: Sequence[InstanceData]) -> dict[str, Tensor]:
        """Compare pseudo boxes with hidden ground truth.

        Args:
            kept (InstanceData): ``bboxes`` in pixels of the teacher's images, ``labels``,
                ``images`` and ``for_cls``.
            truth (Sequence[InstanceData]): ``bboxes`` and ``labels`` of each image.

        Returns:
            dict[str, Tensor]: Precision and recall of each class; nothing before the first box of
            hidden ground truth, as images may simply be unlabelled.

        Raises:
            InputError: An image has no boxes loaded.
        """
        taught = kept[kept.for_cls]
        hits, there = np.zeros((2, len(self.classes)))
        for image, real in enumerate(truth):
            if 'bboxes' not in real:
                raise InputError(
                    'PseudoLabelStatistics: hidden_truth=True, but the unlabelled images come '
                    'without boxes; load annotations in their pipeline or set it to False'
                )
            there += self._count(real.labels)
            hits += self._matches(taught[taught.images == image], real)
        self._knows_truth |= bool(there.any())
        if not self._knows_truth:
            return {}
        counts = self._count(taught.labels)
        return {**self._ratio('precision', hits, counts), **self._ratio('recall', hits, there)}

    def positives(self, per_class: Tensor, per_level: Tensor) -> dict[str, Tensor]:
        """Name the counts of positives.

        Args:
            per_class (Tensor): Shape (C,).
            per_level (Tensor): Shape (L,).

        Returns:
            dict[str, Tensor]: Scalars.
        """
        classes = self._window('positives', per_class.cpu().numpy()).mean(0)
        levels = self._window('levels', per_level.cpu().numpy()).mean(0)
        return {
            **self._per_class('positives', classes),
            **{
                f'pseudo/positives/level_{level}': torch.tensor(float(count))
                for level, count in enumerate(levels)
            },
        }

    def votes(self, judged: np.ndarray, confirmed: np.ndarray, added: int) -> dict[str, Tensor]:
        """Describe what the views of the parts said of each other's boxes.

        Args:
            judged (np.ndarray): Boxes of each class that two or more views had a vote on, (C,).
            confirmed (np.ndarray): Those of them that these confirm, (C,).
            added (int): Boxes added to views that missed them.

        Returns:
            dict[str, Tensor]: Scalars.
        """
        entries = self._ratio('consensus_rate', confirmed, judged)
        agreed, asked = np.sum(self._recent['consensus_rate'], axis=(0, 2))
        if asked:
            entries['pseudo/consensus_rate'] = torch.tensor(float(agreed / asked))
        numbers = self._window('votes', np.array([judged.sum(), added])).mean(0)
        for name, mean in zip(('judged', 'added'), numbers, strict=True):
            entries[f'pseudo/consensus_{name}'] = torch.tensor(float(mean))
        return entries

    def _scores(self, candidates: InstanceData) -> dict[str, Tensor]:
        """Mean, median and best score, over all classes and of each that has any."""
        scores = np.concatenate(self._keep('scores', candidates.scores.cpu().numpy()))
        labels = np.concatenate(self._keep('labels', candidates.labels.cpu().numpy()))
        if not len(scores):
            return {}
        entries = {'pseudo/score_best': torch.tensor(float(scores.max()))}
        for name, middle in (('score_mean', np.mean), ('score_median', np.median)):
            entries[f'pseudo/{name}'] = torch.tensor(float(middle(scores)))
            for label in np.unique(labels):
                value = torch.tensor(float(middle(scores[labels == label])))
                entries[f'pseudo/{name}/{self.classes[label]}'] = value
        return entries

    def _matches(self, boxes: InstanceData, real: InstanceData) -> np.ndarray:
        """Matched ground truth of each class in one image."""
        hits = np.zeros(len(self.classes))
        if not len(boxes) or not len(real):
            return hits
        places = getattr(real.bboxes, 'tensor', real.bboxes).float()
        overlaps = iou(as_columns(boxes.bboxes.float(), 0), as_columns(places, 0), 0)
        overlaps = overlaps.nan_to_num(0) * (boxes.labels[:, None] == real.labels)
        # As many pairs from .5 on as there can be, the better ones first.
        value = ((overlaps >= 0.5) * (1 + overlaps)).cpu().numpy()
        rows, columns = linear_sum_assignment(value, maximize=True)
        matched = columns[value[rows, columns] > 0]
        return hits + self._count(real.labels[torch.from_numpy(matched).to(real.labels.device)])

    def _count(self, labels: Tensor) -> np.ndarray:
        return labels.bincount(minlength=len(self.classes)).cpu().numpy().astype(np.float64)

    def _keep(self, name: str, values: np.ndarray) -> deque[np.ndarray]:
        self._recent[name].append(values)
        return self._recent[name]

    def _window(self, name: str, values: np.ndarray) -> np.ndarray:
        """Values of the last iterations, one row each."""
        return np.stack(self._keep(name, values))

    def _ratio(self, name: str, part: np.ndarray, whole: np.ndarray) -> dict[str, Tensor]:
        part, whole = self._window(name, np.stack([part, whole])).sum(0)
        share = np.full(part.shape, np.nan)
        np.divide(part, whole, out=share, where=whole > 0)
        return self._per_class(name, share)

    def _per_class(self, name: str, values: np.ndarray) -> dict[str, Tensor]:
        return {
            f'pseudo/{name}/{label}': torch.tensor(float(value))
            for label, value in zip(self.classes, values, strict=True)
            if np.isfinite(value)
        }

    def _warn(self, candidates: InstanceData, taught: int, thresholds: ClassThresholds) -> None:
        """After many iterations without a pseudo box, say why: once."""
        if self.quiet is None or self._without < 0:
            return
        if taught:
            self._without, self._best[:] = 0, 0
            return
        self._without += 1
        scores, labels = candidates.scores.cpu().numpy(), candidates.labels.cpu().numpy()
        np.maximum.at(self._best, labels, scores)
        if self._without < self.quiet:
            return
        self._without = -1
        best = int(self._best.argmax())
        if not self._best[best]:
            reason = (
                'the teacher finds nothing at all above the score floor; train it longer on '
                'labelled images first (burn-in)'
            )
        else:
            reason = (
                f'its best score was {self._best[best]:.3f} ({self.classes[best]}), the threshold '
                f'of that class is {thresholds.of("cls")[best].item():.3f}; lower the thresholds '
                'or train longer on labelled images first (burn-in)'
            )
        print_log(
            f'no pseudo label for {self.quiet} iterations: {reason}',
            logger='current',
            level=logging.WARNING,
        )
