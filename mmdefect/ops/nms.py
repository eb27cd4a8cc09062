"""Greedy non-maximum suppression, class-agnostic and class-aware.

The textbook loop visits one box at a time. Here boxes, sorted by score, are resolved in blocks:
within a block, "kept unless a kept better box overlaps it" is iterated to its fixed point, which
is the greedy answer (after t rounds the t best boxes are settled); the winners then strike out
overlapping later boxes, one neighbourhood after the other, each with the winners near it.
"""

from __future__ import annotations

import importlib

import torch
from torch import Tensor

from mmdefect.ops.backends import implementation
from mmdefect.ops.box_checks import check_boxes, check_labels, check_metric
from mmdefect.ops.overlaps import OVERLAPS, as_columns, neighbourhood_order, split_near

__all__ = ['batched_nms', 'nms']

# Boxes resolved at once: few, because most of a block is often struck out by its first ones, but
# more where there are many blocks.
_BLOCK, _LARGEST_BLOCK = 256, 1024


def nms(
    boxes: Tensor,
    scores: Tensor,
    iou_threshold: float,
    offset: int = 0,
    max_num: int = -1,
    metric: str = 'iou',
) -> Tensor:
    """Keep the best of boxes that overlap each other.

    A box is dropped when its IoU with a kept box of higher score is greater than the threshold.
    IoUs are computed in float32 whatever the input type. The IoU of two boxes without area is
    taken as 0. Extra memory of the PyTorch version: about 100 bytes per box plus 20 MiB.

    Args:
        boxes (Tensor): Boxes ``x1, y1, x2, y2`` in pixels, floating point, shape (N, 4).
        scores (Tensor): Scores, floating point, shape (N,). Of equal scores, the lower index goes
            first.
        iou_threshold (float): Overlap above which a box is dropped, in [0, 1].
        offset (int): 0 or 1: the width of a box is ``x2 - x1 + offset``, for boxes whose second
            corner is the last pixel inside. Default 0.
        max_num (int): At most this many boxes, -1 for all. Default -1.
        metric ('iou' | 'ios'): Overlap: intersection over union, or over the smaller box.
            Default ``'iou'``.

    Returns:
        Tensor: Indices of kept boxes, int64, shape (M,), in descending order of score.

    Raises:
        ValueError: Wrong shapes, types or devices; boxes or scores that are not finite; arguments
            out of range.

    Source:
        Girshick et al., "Rich Feature Hierarchies for Accurate Object Detection and Semantic
        Segmentation", CVPR 2014, section 2.2 (greedy, by IoU); the blocks are ours.

    Example:
        >>> boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 10, 10], [20, 20, 30, 30]])
        >>> nms(boxes, torch.tensor([0.8, 0.9, 0.5]), iou_threshold=0.5).tolist()
        [1, 2]
    """
    _check(boxes, scores, iou_threshold, offset, max_num, metric)
    order = scores.sort(descending=True, stable=True).indices
    return order[_suppress(boxes[order].float(), iou_threshold, offset, max_num, metric)]


def batched_nms(
    boxes: Tensor,
    scores: Tensor,
    labels: Tensor,
    iou_threshold: float,
    max_num: int = -1,
    class_agnostic: bool = False,
    metric: str = 'iou',
) -> Tensor:
    """Suppress boxes within each class only.

    Classes are separated by grouping, not by shifting boxes apart: a shift of image size times
    class number costs float32 coordinates their last digits.

    Args:
        boxes (Tensor): Boxes ``x1, y1, x2, y2`` in pixels, floating point, shape (N, 4).
        scores (Tensor): Scores, floating point, shape (N,). Of equal scores, the lower index goes
            first.
        labels (Tensor): Class (or any group, such as image or level) of each box, integers >= 0,
            shape (N,).
        iou_threshold (float): Overlap above which a box is dropped, in [0, 1].
        max_num (int): At most this many boxes over all classes, -1 for all. Default -1.
        class_agnostic (bool): Ignore the labels. Default False.
        metric ('iou' | 'ios'): Overlap, as in :func:`nms`. Default ``'iou'``.

    Returns:
        Tensor: Indices of kept boxes, int64, shape (M,), in descending order of score.

    Raises:
        ValueError: As in :func:`nms`; labels of another shape or device, not integers, negative.

    Source:
        As for :func:`nms`, each class by itself.

    Example:
        >>> boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 10, 10], [1, 1, 10, 10]])
        >>> scores, labels = torch.tensor([0.8, 0.9, 0.7]), torch.tensor([0, 0, 1])
        >>> batched_nms(boxes, scores, labels, iou_threshold=0.5).tolist()
        [1, 2]
    """
    _check(boxes, scores, iou_threshold, 0, max_num, metric)
    check_labels(labels, boxes)
    order = scores.sort(descending=True, stable=True).indices
    candidates = boxes[order].float()
    if class_agnostic or not len(order):
        return order[_suppress(candidates, iou_threshold, 0, max_num, metric)]
    grouped = labels[order].sort(stable=True)
    sizes = grouped.values.unique_consecutive(return_counts=True)[1].tolist()
    kept = [
        group[_suppress(candidates[group], iou_threshold, 0, max_num, metric)]
        for group in grouped.indices.split(sizes)
    ]
    keep = order[torch.cat(kept).sort().values]
    return keep[:max_num] if max_num > 0 else keep


def _check(
    boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int, max_num: int, metric: str
) -> None:
    check_boxes(boxes, scores)
    check_metric(metric)
    if not 0 <= iou_threshold <= 1:
        raise ValueError(f'iou_threshold must be in [0, 1], got {iou_threshold}')
    if offset not in (0, 1):
        raise ValueError(f'offset must be 0 or 1, got {offset}')
    if max_num == 0 or max_num < -1:
        raise ValueError(f'max_num must be -1 or positive, got {max_num}')


def _suppress(boxes: Tensor, threshold: float, offset: int, max_num: int, metric: str) -> Tensor:
    """Positions kept of boxes (N, 4) float32 in descending order of score, ascending."""
    # All back ends compare in float32, so that a box exactly on the threshold gets one answer.
    threshold = torch.tensor(threshold, dtype=torch.float32).item()
    backend = implementation('nms', boxes.device.type, len(boxes))
    compiled = metric == 'iou' and not (backend == 'torchvision' and offset)
    if backend == 'mmdefect' or not compiled or not len(boxes):
        keep = _suppress_blocks(boxes, threshold, offset, max_num, metric)
    else:
        # Ranks instead of scores: compiled versions need not keep the order of equal scores.
        ranks = torch.arange(len(boxes), 0, -1, dtype=torch.float32, device=boxes.device)
        if backend == 'mmcv':
            function = importlib.import_module('mmcv._ext').nms
            keep = function(boxes, ranks, iou_threshold=threshold, offset=offset)
        else:
            keep = importlib.import_module('torchvision.ops').nms(boxes, ranks, threshold)
    return keep[:max_num] if max_num > 0 else keep


def _suppress_blocks(
    boxes: Tensor, threshold: float, offset: int, max_num: int, metric: str
) -> Tensor:
    columns, overlap = as_columns(boxes, offset), OVERLAPS[metric]
    size = min(max(_BLOCK, len(boxes) // 64), _LARGEST_BLOCK)
    if len(boxes) <= size:
        return _resolve(_overlaps(columns, threshold, offset, metric)).nonzero().flatten()
    alive = torch.ones(len(boxes), dtype=torch.bool, device=boxes.device)
    rest = neighbourhood_order(boxes)
    kept: list[Tensor] = [rest[:0]]
    found, start = 0, 0
    while not 0 < max_num <= found:
        members = alive[start:].nonzero().flatten()[:size] + start
        if not len(members):
            break
        block = columns[:, members]
        wins = _resolve(_overlaps(block, threshold, offset, metric))
        winners = block[:, wins]
        kept.append(members[wins])
        found += winners.shape[1]
        start = int(members[-1]) + 1
        rest = rest[alive[rest] & (rest >= start)]
        if len(rest):
            hit = torch.zeros(len(rest), dtype=torch.bool, device=boxes.device)
            others = columns[:, rest]
            for part, near in split_near(winners, others, offset):
                # The overlap of boxes without area is NaN, which is greater than nothing.
                close = overlap(winners[:, near], others[:, part], offset) > threshold
                hit[part] = close.any(0)
            alive[rest[hit]] = False
    return torch.cat(kept)


def _overlaps(block: Tensor, threshold: float, offset: int, metric: str) -> Tensor:
    """Whether an earlier box overlaps a later one, (N, N), of columns (5, N)."""
    parts, overlap = block.split(_BLOCK, dim=1), OVERLAPS[metric]
    return torch.cat([overlap(part, block, offset) > threshold for part in parts]).triu_(1)


def _resolve(suppresses: Tensor) -> Tensor:
    """Greedy answer (N,) from "box i, if kept, drops box j", (N, N), strictly upper triangular."""
    pressure = suppresses.float()
    keep = torch.ones(len(pressure), dtype=torch.bool, device=pressure.device)
    while True:
        updated = keep.float() @ pressure == 0
        if torch.equal(updated, keep):
            return keep
        keep = updated
