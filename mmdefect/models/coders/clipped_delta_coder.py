"""Offsets of boxes from priors, within bounds."""

from __future__ import annotations

from numbers import Real
from typing import Any

from mmdet.models.task_modules.coders import DeltaXYWHBBoxCoder
from torch import Tensor

from mmdefect.errors import InputError, constructor_keys, reject_unknown_keys
from mmdefect.registry import TASK_UTILS

__all__ = ['ClippedDeltaCoder']


@TASK_UTILS.register_module()
class ClippedDeltaCoder(DeltaXYWHBBoxCoder):
    """MMDetection's ``DeltaXYWHBBoxCoder`` whose offsets are clipped, in training and prediction.

    The best prior of an odd box may be far from its size, and its offsets then outweigh those of
    all others. Targets are clipped to ``max_delta``, and predictions to the same bound before
    they are decoded, so a prior cannot move further than it was taught. The loss reads the
    predictions as they are: beyond the bound they still get a gradient that leads back.

    Args:
        max_delta (float): Largest offset after division by ``target_stds``, above 0. At stds
            (.1, .1, .2, .2) 8 is .8 prior sides for the centre, and a factor of 5 for the
            sides. Default 8.
        **kwargs: As for ``DeltaXYWHBBoxCoder``: ``target_means``, ``target_stds``,
            ``clip_border``, ``add_ctr_clamp``, ``ctr_clamp``, ``use_box_type``.

    Raises:
        InputError: A key is unknown or ``max_delta`` is not above 0.

    Source:
        Girshick et al., "Rich Feature Hierarchies for Accurate Object Detection and Semantic
        Segmentation", CVPR 2014, appendix C (offsets).

    Example:
        >>> import torch
        >>> coder = ClippedDeltaCoder(max_delta=0.5)
        >>> prior, box = torch.tensor([[0.0, 0, 10, 10]]), torch.tensor([[9.0, 1, 19, 11]])
        >>> coder.encode(prior, box).tolist()
        [[0.5, 0.10000000149011612, 0.0, 0.0]]
    """

    def __init__(self, max_delta: float = 8.0, **kwargs: Any) -> None:
        name = type(self).__name__
        known = ('max_delta', *constructor_keys(DeltaXYWHBBoxCoder))
        reject_unknown_keys(name, kwargs, known)
        if not (isinstance(max_delta, Real) and max_delta > 0):
            raise InputError(f'{name}: max_delta must be above 0, got {max_delta!r}')
        super().__init__(**kwargs)
        self.max_delta = max_delta

    def encode(self, bboxes: Any, gt_bboxes: Any) -> Tensor:
        """Offsets of boxes from priors.

        Args:
            bboxes (Tensor | BaseBoxes): Priors, shape (N, 4).
            gt_bboxes (Tensor | BaseBoxes): Boxes, shape (N, 4).

        Returns:
            Tensor: Offsets within ``max_delta``, shape (N, 4).
        """
        deltas: Tensor = super().encode(bboxes, gt_bboxes)
        return deltas.clamp(-self.max_delta, self.max_delta)

    def decode(self, bboxes: Any, pred_bboxes: Tensor, *args: Any, **kwargs: Any) -> Any:
        """Boxes of offsets.

        Args:
            bboxes (Tensor | BaseBoxes): Priors, shape (N, 4).
            pred_bboxes (Tensor): Offsets, shape (N, 4 C).
            *args: As for ``DeltaXYWHBBoxCoder.decode``.
            **kwargs: Likewise.

        Returns:
            Tensor | BaseBoxes: Boxes, shape (N, 4 C).
        """
        clipped = pred_bboxes.clamp(-self.max_delta, self.max_delta)
        return super().decode(bboxes, clipped, *args, **kwargs)
