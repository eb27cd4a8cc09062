"""Positives per class and pyramid level, counted while a model trains.

MMDetection is not changed: the ``assign`` methods of the assigners in a model are wrapped.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mmdefect.engine.check.head_positives import HeadPositives
from mmdefect.engine.check.prior_levels import prior_levels

__all__ = ['PositiveCounter']


class PositiveCounter:
    """Counts what the assigners of a model do, before any sampling.

    Works for heads with an assigner: anchors (RetinaNet, ATSS, RPN, SSD), points (RTMDet,
    YOLOX), proposals (RoI heads), queries (DETR); heads without one that have ``get_targets``
    (FCOS) tell positives but not which boxes got none. An RPN, which knows only "object", is
    told the classes of its boxes. Of a semi-supervised model the student is looked at, on
    labelled images.

    Args:
        classes (Sequence[str]): Class names in label order.

    Attributes:
        seconds (float): Time spent on counting.

    Example:
        >>> PositiveCounter(['rust']).heads()
        []
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self.seconds = 0.0
        self._heads: dict[str, HeadPositives] = {}
        # Label of each box of the batch in work, by its coordinates.
        self._labels: dict[bytes, int] = {}
        self._level_priors: dict[str, list[torch.Tensor]] = {}
        self._counting = True

    def heads(self) -> list[HeadPositives]:
        """What has been counted.

        Returns:
            list[HeadPositives]: One per head, in the order of the model.
        """
        return list(self._heads.values())

    def attach(self, model: torch.nn.Module) -> None:
        """Count from now on.

        Args:
            model (nn.Module): A detector; its assigners count as long as it lives.
        """
        from mmdet.models.task_modules.assigners import BaseAssigner

        # Functions, not methods: EMAHook copies the model, and would copy their owner along.
        model.data_preprocessor.register_forward_hook(
            lambda module, inputs, output: self._remember_labels(output)
        )
        if hasattr(model, 'loss_by_gt_instances'):
            self._counting = False
            _wrap(model, 'loss_by_gt_instances', self._while_counting)
        for name, module in model.named_modules():
            if name.partition('.')[0] == 'teacher' and hasattr(model, 'student'):
                continue
            assigners = [*_assigners(module, BaseAssigner)]
            generator = getattr(module, 'prior_generator', None)
            if generator is not None and (assigners or hasattr(module, 'get_targets')):
                self._level_priors[name] = []
                _wrap(generator, 'grid_priors', self._remember_priors(name))
            for suffix, assigner in assigners:
                _wrap(assigner, 'assign', self._count(name, suffix, module, assigner.assign))
            if not assigners and generator is not None and hasattr(module, 'get_targets'):
                _wrap(module, 'get_targets', self._count_targets(name, module))

    def _remember_labels(self, output: Any) -> None:
        samples = output.get('data_samples') if isinstance(output, Mapping) else None
        branches = samples.values() if isinstance(samples, Mapping) else [samples]
        self._labels = {}
        for sample in (sample for branch in branches for sample in branch or ()):
            truth = getattr(sample, 'gt_instances', None)
            if truth is not None and 'bboxes' in truth and 'labels' in truth:
                keys = _box_keys(truth.bboxes)
                self._labels.update(zip(keys, truth.labels.tolist(), strict=True))

    def _while_counting(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            self._counting = True
            try:
                return original(*args, **kwargs)
            finally:
                self._counting = False

        return run

    def _remember_priors(self, name: str) -> Callable[..., Any]:
        def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
            def run(*args: Any, **kwargs: Any) -> Any:
                levels = original(*args, **kwargs)
                self._level_priors[name] = [getattr(level, 'tensor', level) for level in levels]
                return levels

            return run

        return wrap

    def _count(
        self, name: str, suffix: str, module: torch.nn.Module, assign: Callable[..., Any]
    ) -> Callable[..., Any]:
        signature = inspect.signature(assign)

        def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
            def run(*args: Any, **kwargs: Any) -> Any:
                result = original(*args, **kwargs)
                if self._counting:
                    start = time.perf_counter()
                    given = signature.bind(*args, **kwargs).arguments
                    self._add(name, suffix, module, given, result.gt_inds)
                    self.seconds += time.perf_counter() - start
                return result

            return run

        return wrap

    def _add(
        self,
        name: str,
        suffix: str,
        module: torch.nn.Module,
        given: Mapping[str, Any],
        gt_inds: torch.Tensor,
    ) -> None:
        """Add the result of one image."""
        truth = given['gt_instances']
        labels = self._true_labels(truth, module)
        owner = gt_inds.detach().cpu().numpy()
        positive = np.flatnonzero(owner > 0)
        owner = owner[positive] - 1
        priors = getattr(given.get('pred_instances'), 'priors', None)
        levels, names = self._levels(name, module, priors, positive)
        head = self._head(name + suffix, module, names)
        if head.missed is None:
            head.missed = np.zeros(len(self.classes), np.int64)
        known = (labels >= 0) & (labels < len(self.classes))
        got = np.bincount(owner, minlength=len(labels))
        np.add.at(head.boxes, labels[known], 1)
        np.add.at(head.missed, labels[known & (got == 0)], 1)
        kept = known[owner]
        np.add.at(head.positives, (labels[owner][kept], levels[kept]), 1)

    def _true_labels(self, truth: Any, module: torch.nn.Module) -> NDArray[np.int64]:
        """Labels of the boxes; an RPN sees 0 for all, and is told by coordinates."""
        labels = [int(label) for label in truth.labels.tolist()]
        if getattr(module, 'num_classes', None) == 1 and len(self.classes) > 1:
            keys = _box_keys(truth.bboxes)
            labels = [self._labels.get(key, -1) for key in keys]
        return np.array(labels, np.int64).reshape(-1)

    def _levels(
        self, name: str, module: torch.nn.Module, priors: Any, positive: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], list[str]]:
        """Levels of the positives, and the names of all levels."""
        priors = getattr(priors, 'tensor', priors)
        extractor = getattr(module, 'bbox_roi_extractor', None)
        if isinstance(extractor, torch.nn.ModuleList):
            extractor = extractor[0]
        if extractor is not None and hasattr(extractor, 'map_roi_levels') and priors is not None:
            strides = extractor.featmap_strides
            chosen = priors[torch.as_tensor(positive, device=priors.device)]
            rois = torch.cat([chosen.new_zeros(len(chosen), 1), chosen.reshape(-1, 4)], dim=1)
            levels = extractor.map_roi_levels(rois.float(), len(strides)).cpu().numpy()
            return levels.astype(np.int64), [f'stride {_stride(value)}' for value in strides]
        level_priors = self._level_priors.get(name)
        if not level_priors or priors is None:
            return np.zeros(len(positive), np.int64), ['all']
        found = prior_levels(priors, level_priors)
        if found is None:
            return np.zeros(len(positive), np.int64), ['all']
        return found[positive], _level_names(module, len(level_priors))

    def _head(self, name: str, module: torch.nn.Module, levels: list[str]) -> HeadPositives:
        count = len(self.classes)
        head = self._heads.get(name)
        if head is None:
            roi = hasattr(module, 'bbox_roi_extractor')
            dense = getattr(module, 'prior_generator', None) is not None
            zeros = np.zeros(count, np.int64)
            head = HeadPositives(
                name=name,
                kind='roi' if roi else 'dense' if dense else 'other',
                classes=self.classes,
                boxes=zeros,
                missed=None,
                positives=np.zeros((count, len(levels)), np.int64),
                levels=levels,
            )
            self._heads[name] = head
        if len(head.levels) != len(levels):
            # Levels could not be told in one image: count without them from here on.
            head.positives = head.positives.sum(axis=1, keepdims=True)
            head.levels = ['all']
        return head

    def _count_targets(self, name: str, module: torch.nn.Module) -> Callable[..., Any]:
        def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
            def run(*args: Any, **kwargs: Any) -> Any:
                targets = original(*args, **kwargs)
                labels = _label_levels(targets, len(self._level_priors[name]))
                if self._counting and labels is not None:
                    head = self._head(name, module, _level_names(module, len(labels)))
                    for level, values in enumerate(labels):
                        counts = torch.bincount(values.reshape(-1), minlength=len(self.classes))
                        head.positives[:, level] += counts[: len(self.classes)].cpu().numpy()
                    # The batch in work is that whose labels were remembered.
                    known = [label for label in self._labels.values() if label >= 0]
                    head.boxes += np.bincount(known, minlength=len(self.classes))
                return targets

            return run

        return wrap


def _wrap(owner: Any, name: str, wrapper: Callable[..., Any]) -> None:
    object.__setattr__(owner, name, wrapper(getattr(owner, name)))


def _assigners(module: torch.nn.Module, kind: type) -> Iterator[tuple[str, Any]]:
    """Assigners of one module, with a suffix where there are several stages."""
    for value in vars(module).values():
        if isinstance(value, kind):
            yield '', value
        elif isinstance(value, (list, tuple)) and value and isinstance(value[0], kind):
            yield from ((f' stage {stage}', item) for stage, item in enumerate(value, start=1))


def _box_keys(boxes: Any) -> list[bytes]:
    values = getattr(boxes, 'tensor', boxes).detach().float().cpu().numpy()
    return [row.tobytes() for row in np.ascontiguousarray(values)]


def _level_names(module: torch.nn.Module, count: int) -> list[str]:
    strides = getattr(module.prior_generator, 'strides', None)
    if strides is None or len(strides) != count:
        return [f'level {number}' for number in range(count)]
    return [f'stride {_stride(value)}' for value in strides]


def _stride(value: Any) -> int:
    return int(value[0] if isinstance(value, (list, tuple)) else value)


def _label_levels(targets: Any, count: int) -> Sequence[torch.Tensor] | None:
    """The labels among the targets: whole numbers, one tensor per level."""
    for part in targets if isinstance(targets, tuple) else ():
        if (
            isinstance(part, (list, tuple))
            and len(part) == count > 0
            and all(isinstance(item, torch.Tensor) and item.dtype == torch.int64 for item in part)
        ):
            return part
    return None
