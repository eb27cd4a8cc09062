"""Non-maximum merging: overlapping boxes grow together instead of dropping out."""

from __future__ import annotations

import torch
from torch import Tensor

from mmdefect.ops.box_fusion import FusedBoxes
from mmdefect.ops.nms import batched_nms
from mmdefect.ops.overlaps import OVERLAPS, as_columns, neighbourhood_order, split_near

__all__ = ['non_max_merging']


def non_max_merging(
    boxes: Tensor,
    scores: Tensor,
    labels: Tensor,
    threshold: float = 0.5,
    metric: str = 'ios',
) -> FusedBoxes:
    """Merge each box into the best box of its class that non-maximum suppression drops it for.

    The merged box is the hull of its members, its score that of the best. Parts of one object in
    several tiles, which overlap each other but not much of the whole, so become one box. Extra
    memory: as :func:`mmdefect.ops.nms`.

    Args:
        boxes (Tensor): Boxes ``x1, y1, x2, y2`` in pixels, floating point, shape (N, 4).
        scores (Tensor): Scores, floating point, shape (N,). Of equal scores, the lower index goes
            first.
        labels (Tensor): Class of each box, integers >= 0, shape (N,).
        threshold (float): Overlap above which boxes are merged, in [0, 1]. Default 0.5.
        metric ('iou' | 'ios'): Overlap: intersection over union, or over the smaller box.
            Default ``'ios'``.

    Returns:
        FusedBoxes: Merged boxes in descending order of score, and where each box went.

    Raises:
        ValueError: As in :func:`mmdefect.ops.batched_nms`.

    Source:
        Akyon et al., "Slicing Aided Hyper Inference and Fine-tuning for Small Object Detection",
        ICIP 2022, whose greedy merging compares with the best box, not with the growing hull.

    Example:
        >>> boxes = torch.tensor([[0.0, 0, 10, 10], [4, 0, 14, 10], [40, 0, 50, 10]])
        >>> merged = non_max_merging(boxes, torch.tensor([0.9, 0.8, 0.7]), torch.zeros(3).long())
        >>> merged.boxes.tolist(), merged.members.tolist()
        ([[0.0, 0.0, 14.0, 10.0], [40.0, 0.0, 50.0, 10.0]], [0, 0, 1])
    """
    leaders = batched_nms(boxes, scores, labels, threshold, metric=metric)
    members = _first_leaders(boxes.float(), labels, leaders, threshold, metric)
    hull = boxes.float()[leaders]
    rows = members[:, None].expand(-1, 2)
    hull[:, :2] = hull[:, :2].scatter_reduce(0, rows, boxes[:, :2].float(), 'amin')
    hull[:, 2:] = hull[:, 2:].scatter_reduce(0, rows, boxes[:, 2:].float(), 'amax')
    return FusedBoxes(hull, scores[leaders].float(), labels[leaders].long(), members)


def _first_leaders(
    boxes: Tensor, labels: Tensor, leaders: Tensor, threshold: float, metric: str
) -> Tensor:
    """Rank of the best leader that each box (N,) overlaps, its own where it is one."""
    threshold = torch.tensor(threshold, dtype=torch.float32).item()
    members = torch.full((len(boxes),), len(leaders), device=boxes.device)
    members[leaders] = torch.arange(len(leaders), device=boxes.device)
    rest = (members == len(leaders)).nonzero().flatten()
    if not len(rest):
        return members
    rest = rest[neighbourhood_order(boxes[rest])]
    best, others = as_columns(boxes[leaders], 0), as_columns(boxes[rest], 0)
    for part, near in split_near(best, others, 0):
        joins = OVERLAPS[metric](best[:, near], others[:, part], 0) > threshold
        joins &= labels[leaders[near], None] == labels[rest[part]]
        # `near` ascends, and leaders stand in descending order of score.
        found = joins.any(0)
        members[rest[part][found]] = near[joins.to(torch.uint8).argmax(0)[found]]
    return members
