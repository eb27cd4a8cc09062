"""Thresholds that follow the teacher's scores, class by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.dist import all_gather_object, get_world_size
from torch import Tensor

from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.models.pseudo_labels.class_thresholds import ClassThresholds
from mmdefect.models.pseudo_labels.score_mixture import fit_score_mixtures, mixture_thresholds
from mmdefect.registry import MODELS

__all__ = ['MixtureThresholds']


@MODELS.register_module()
class MixtureThresholds(ClassThresholds):
    """Adaptive thresholds: a mixture of a low and a high Gaussian per class.

    The last scores of each class stay in a ring. Every ``interval`` iterations two Gaussians are
    fitted to them, and ``cls`` of the class becomes the lowest score that belongs to the high
    one. ``initial`` and ``rpn`` keep their distance to ``cls``. A class with too few scores, or
    whose two components cannot be told apart, keeps its fixed thresholds.

    The ring, its counters and the thresholds in force are saved in checkpoints, so that a resumed
    training continues with the same numbers. In distributed training every process takes note of
    the scores of all, so that the thresholds agree.

    Args:
        classes (Sequence[str]): Class names in the order of the labels.
        two_stage (bool): Whether the detector has an RPN; the soft teacher fills this in.
        initial (float | Mapping[str, float]): As for :class:`ClassThresholds`. Default 0.4.
        cls (float | Mapping[str, float]): The same. Default 0.35.
        rpn (float | Mapping[str, float] | None): The same. Default None.
        memory (int): Scores kept per class. Default 512.
        least (int): Scores that a class must have before its thresholds move. Default 64.
        interval (int): Iterations between two fits. Default 20.
        posterior (float): Probability of the high component at the threshold, in (0, 1). Default
            0.5.
        lowest_cls (float): ``cls`` goes no lower, in (0, 1). Default 0.15.
        highest_cls (float): Nor higher. Default 0.8.

    Raises:
        InputError: As for :class:`ClassThresholds`; a number is out of range.

    Source:
        Wang et al., "Consistent-Teacher: Towards Reducing Inconsistent Pseudo-targets in
        Semi-supervised Object Detection", CVPR 2023, section 3.4.

    Example:
        >>> thresholds = MixtureThresholds(['dent'], False, memory=8, least=4, interval=1)
        >>> scores = torch.tensor([0.2, 0.2, 0.25, 0.3, 0.6, 0.65, 0.7, 0.7])
        >>> thresholds.observe(scores, torch.zeros(8, dtype=torch.int64))
        >>> thresholds.of('cls').tolist()
        [0.34...]
        >>> thresholds.advance()
        >>> [round(thresholds.of(loss).item(), 2) for loss in ('cls', 'initial')]
        [0.45, 0.5]
    """

    memory: Tensor
    seen: Tensor
    moved: Tensor
    iterations: Tensor

    def __init__(
        self,
        classes: Sequence[str],
        two_stage: bool,
        initial: float | Mapping[str, float] = 0.4,
        cls: float | Mapping[str, float] = 0.35,
        rpn: float | Mapping[str, float] | None = None,
        memory: int = 512,
        least: int = 64,
        interval: int = 20,
        posterior: float = 0.5,
        lowest_cls: float = 0.15,
        highest_cls: float = 0.8,
        **unknown: Any,
    ) -> None:
        own = ('memory', 'least', 'interval', 'posterior', 'lowest_cls', 'highest_cls')
        reject_unknown_keys('MixtureThresholds', unknown, ('initial', 'cls', 'rpn', *own))
        super().__init__(classes, two_stage, initial, cls, rpn)
        for key, value, smallest in (
            ('memory', memory, 2), ('least', least, 2), ('interval', interval, 1),
        ):  # fmt: skip
            if not isinstance(value, int) or value < smallest:
                raise InputError(
                    f'MixtureThresholds: {key} must be an integer >= {smallest}, got {value!r}'
                )
        if least > memory:
            raise InputError(
                f'MixtureThresholds: least must be at most memory, {memory}, got {least}'
            )
        if not 0 < posterior < 1:
            raise InputError(f'MixtureThresholds: posterior must be in (0, 1), got {posterior}')
        if not 0 < lowest_cls <= highest_cls < 1:
            raise InputError(
                'MixtureThresholds: 0 < lowest_cls <= highest_cls < 1 must hold, '
                f'got {lowest_cls} and {highest_cls}'
            )
        self.least, self.interval, self.posterior = least, interval, posterior
        self.limits = (lowest_cls, highest_cls)
        number = len(self.classes)
        self.register_buffer('memory', torch.zeros(number, memory))
        self.register_buffer('seen', torch.zeros(number, dtype=torch.int64))
        # The thresholds `cls` in force; NaN: the fixed one.
        self.register_buffer('moved', torch.full((number,), float('nan')))
        self.register_buffer('iterations', torch.zeros((), dtype=torch.int64))

    def of(self, loss: str) -> Tensor:
        """Thresholds in force.

        Args:
            loss (str): ``'initial'``, ``'cls'`` or ``'rpn'``.

        Returns:
            Tensor: One per class, float32, shape (C,).
        """
        fixed = super().of(loss)
        shifted = self.moved + (fixed - super().of('cls'))
        return torch.where(self.moved.isnan(), fixed, shifted.clamp(0.01, 0.99))

    def bottom(self) -> Tensor:
        """How low the smallest threshold of each class can ever go.

        Returns:
            Tensor: float32, shape (C,).
        """
        lowest = self.fixed.amin(0)
        return torch.minimum(lowest, self.limits[0] + lowest - super().of('cls')).clamp(0.01)

    def observe(self, scores: Tensor, labels: Tensor) -> None:
        """Write the scores of all ranks into the ring; those that are not finite are left out.

        Args:
            scores (Tensor): Scores, shape (K,).
            labels (Tensor): Labels, int64, shape (K,).
        """
        finite = scores.isfinite()
        scores, labels = scores[finite].float(), labels[finite]
        if get_world_size() > 1:
            # Every rank comes here in every iteration, those without a box too.
            gathered = all_gather_object((scores.cpu(), labels.cpu()))
            scores, labels = (
                torch.cat(parts).to(scores.device) for parts in zip(*gathered, strict=True)
            )
        order = labels.argsort(stable=True)
        scores, labels = scores[order], labels[order]
        size = self.memory.shape[1]
        counts = labels.bincount(minlength=len(self.classes))
        rank = torch.arange(len(labels), device=labels.device) - (counts.cumsum(0) - counts)[labels]
        # More scores of a class than the ring holds: the last ones stay.
        chosen = rank >= counts[labels] - size
        rank, labels, scores = rank[chosen], labels[chosen], scores[chosen]
        self.memory[labels, (self.seen[labels] + rank) % size] = scores
        self.seen += counts

    def advance(self) -> None:
        """Begin an iteration; in every ``interval``-th the mixtures are fitted anew."""
        due = self.iterations % self.interval == 0
        self.iterations += 1
        if not due or not (self.seen >= self.least).any():
            return
        places = torch.arange(self.memory.shape[1], device=self.memory.device)
        valid = places < self.seen.clamp(max=len(places))[:, None]
        mixtures = fit_score_mixtures(self.memory, valid)
        found = mixture_thresholds(*mixtures, posterior=self.posterior).clamp(*self.limits)
        self.moved.copy_(torch.where(self.seen >= self.least, found, float('nan')))
