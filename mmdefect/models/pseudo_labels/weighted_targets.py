"""Weights of single boxes in the losses of heads with anchors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from mmdet.models.dense_heads import AnchorHead
from mmdet.utils import reduce_mean
from mmengine.dist import get_world_size
from mmengine.structures import InstanceData
from torch import Tensor

__all__ = ['TargetCounts', 'can_weigh_targets', 'weighted_targets']


@dataclass
class TargetCounts:
    """What a head was given to learn.

    Args:
        per_level (Tensor): Positive anchors of each level, int64.
        per_class (Tensor): Positive anchors of each class of the head, int64.
    """

    per_level: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64))
    per_class: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.int64))


def can_weigh_targets(head: Any) -> bool:
    """Whether a head takes its targets as MMDetection's ``AnchorHead`` does.

    Args:
        head (Any): A dense head.

    Returns:
        bool: True for RPN and RetinaNet heads and what inherits their targets.
    """
    return (
        isinstance(head, AnchorHead)
        and type(head)._get_targets_single is AnchorHead._get_targets_single
    )


@contextmanager
def weighted_targets(
    head: AnchorHead, boxes: Sequence[InstanceData], learned: Sequence[bool]
) -> Iterator[TargetCounts]:
    """Let the weights of boxes act in the losses that a head computes inside.

    Assigners of MMDetection read boxes and labels only. Here the targets that the head makes are
    multiplied, for each positive anchor, by the weights of the box it was assigned to. An anchor
    of a box that is not of the classification loss becomes background there, with 1 less the
    box's score as its weight: the softer, the surer the teacher. Of an ignorable box it takes no
    part.

    The classification loss of MMDetection's own heads is divided by what takes part (images left
    out do not count), averaged over the ranks of a distributed training.

    Args:
        head (AnchorHead): Its ``get_targets`` is replaced inside the context.
        boxes (Sequence[InstanceData]): Per image, in the order of the boxes that the head gets as
            ground truth: ``cls_weights``, ``reg_weights``, ``scores``, float32, shape (K,), and
            ``for_cls`` and ``ignorable``, bool.
        learned (Sequence[bool]): Whether the image takes part at all.

    Yields:
        TargetCounts: Filled when the head has made its targets.
    """
    counts = TargetCounts()
    original = head.get_targets
    own_divisor = type(head).get_targets is not AnchorHead.get_targets

    def get_targets(*args: Any, return_sampling_results: bool = False, **kwargs: Any) -> tuple:
        targets = original(*args, return_sampling_results=True, **kwargs)
        labels, label_weights, box_targets, box_weights, divisor, sampled, *rest = targets
        sizes = [level.shape[1] for level in labels]
        labels, label_weights, box_weights = (
            torch.cat(part, 1) for part in (labels, label_weights, box_weights)
        )
        positive = (labels >= 0) & (labels < head.num_classes)
        _weigh(positive, labels, label_weights, box_weights, sampled, boxes, head.num_classes)
        taught = (labels >= 0) & (labels < head.num_classes)
        used = positive & (taught | (label_weights > 0) | (box_weights[..., 0] > 0))
        counts.per_level = torch.stack([level.sum() for level in used.split(sizes, 1)])
        counts.per_class = labels[taught].bincount(minlength=head.num_classes)
        left_out = (positive & ~used).sum(1)
        taking_part = torch.as_tensor(learned, device=labels.device)
        label_weights[~taking_part] = 0
        box_weights[~taking_part] = 0
        if own_divisor:
            # It has counted all positives.
            less = reduce_mean(left_out.sum().float()).item()
            divisor = max(divisor - less, 1 / get_world_size())
        else:
            parts = left_out.new_tensor([part.avg_factor for part in sampled]) - left_out
            divisor = max(reduce_mean(parts[taking_part].sum().float()).item(), 1.0)
        split = (part.split(sizes, 1) for part in (labels, label_weights, box_weights))
        labels, label_weights, box_weights = (list(levels) for levels in split)
        results = (labels, label_weights, box_targets, box_weights, divisor)
        return (*results, sampled, *rest) if return_sampling_results else (*results, *rest)

    head.get_targets = get_targets
    try:
        yield counts
    finally:
        del head.get_targets


def _weigh(
    positive: Tensor,
    labels: Tensor,
    label_weights: Tensor,
    box_weights: Tensor,
    sampled: Sequence[Any],
    boxes: Sequence[InstanceData],
    background: int,
) -> None:
    """Multiply the targets of positive anchors in place, image by image in one go."""
    starts = torch.tensor([0, *(len(image) for image in boxes)]).cumsum(0).tolist()
    # Both are ordered by image, then by anchor.
    assigned = torch.cat(
        [part.pos_assigned_gt_inds + start for part, start in zip(sampled, starts, strict=False)]
    )
    if not len(assigned):
        return
    flat = InstanceData.cat(list(boxes))
    places = positive.nonzero(as_tuple=True)
    box_weights[places] *= flat.reg_weights[assigned, None]
    taught = flat.for_cls[assigned]
    label_weights[places] *= torch.where(
        taught,
        flat.cls_weights[assigned],
        (1 - flat.scores[assigned]) * ~flat.ignorable[assigned],
    )
    labels[places] = torch.where(taught, labels[places], background)
