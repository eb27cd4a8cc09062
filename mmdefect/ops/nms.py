"""Greedy non-maximum suppression, class-agnostic and class-aware.

The textbook loop visits one box at a time. Here boxes, sorted by score, are resolved in blocks:
within a block, "kept unless a kept better box overlaps it" is iterated to its fixed point, which
is the greedy answer (after t rounds the t best boxes are settled); the winners then strike out
overlapping later boxes, a slice at a time.
"""

from __future__ import annotations

import importlib

import torch
from torch import Tensor

from mmdefect.ops.backends import implementation

__all__ = ['batched_nms', 'nms']

_BLOCK = 256
# Box pairs compared at once; a slice of this size stays in the cache of one core.
_PAIRS = 1 << 18


def nms(
    boxes: Tensor,
    scores: Tensor,
    iou_threshold: float,
    offset: int = 0,
    max_num: int = -1,
) -> Tensor:
    """Keep the best of boxes that overlap each other.

    A box is dropped when its IoU with a kept box of higher score is greater than the threshold.
    IoUs are computed in float32 whatever the input type. The IoU of two boxes without area is
    taken as 0. Extra memory of the PyTorch version: about 80 bytes per box plus 5 MiB.

    Args:
        boxes (Tensor): Boxes ``x1, y1, x2, y2`` in pixels, shape (N, 4).
        scores (Tensor): Scores, shape (N,). Of equal scores, the lower index goes first.
        iou_threshold (float): Overlap above which a box is dropped, in [0, 1].
        offset (int): 0 or 1: the width of a box is ``x2 - x1 + offset``, for boxes whose second
            corner is the last pixel inside. Default 0.
        max_num (int): At most this many boxes, -1 for all. Default -1.

    Returns:
        Tensor: Indices of kept boxes, int64, shape (M,), in descending order of score.

    Raises:
        ValueError: Wrong shapes, boxes or scores that are not finite, arguments out of range.

    Source:
        Girshick et al., "Rich Feature Hierarchies for Accurate Object Detection and Semantic
        Segmentation", CVPR 2014, section 2.2 (greedy, by IoU); the blocks are ours.

    Example:
        >>> boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 10, 10], [20, 20, 30, 30]])
        >>> nms(boxes, torch.tensor([0.8, 0.9, 0.5]), iou_threshold=0.5).tolist()
        [1, 2]
    """
    _check(boxes, scores, iou_threshold, offset, max_num)
    order = scores.sort(descending=True, stable=True).indices
    return order[_suppress(boxes[order].float(), iou_threshold, offset, max_num)]


def batched_nms(
    boxes: Tensor,
    scores: Tensor,
    labels: Tensor,
    iou_threshold: float,
    max_num: int = -1,
    class_agnostic: bool = False,
) -> Tensor:
    """Suppress boxes within each class only.

    Classes are separated by grouping, not by shifting boxes apart: a shift of image size times
    class number costs float32 coordinates their last digits.

    Args:
        boxes (Tensor): Boxes ``x1, y1, x2, y2`` in pixels, shape (N, 4).
        scores (Tensor): Scores, shape (N,). Of equal scores, the lower index goes first.
        labels (Tensor): Class (or any group, such as image or level) of each box, integers,
            shape (N,).
        iou_threshold (float): Overlap above which a box is dropped, in [0, 1].
        max_num (int): At most this many boxes over all classes, -1 for all. Default -1.
        class_agnostic (bool): Ignore the labels. Default False.

    Returns:
        Tensor: Indices of kept boxes, int64, shape (M,), in descending order of score.

    Raises:
        ValueError: As in :func:`nms`; labels of another shape or not integers.

    Source:
        As for :func:`nms`, each class by itself.

    Example:
        >>> boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 10, 10], [1, 1, 10, 10]])
        >>> scores, labels = torch.tensor([0.8, 0.9, 0.7]), torch.tensor([0, 0, 1])
        >>> batched_nms(boxes, scores, labels, iou_threshold=0.5).tolist()
        [1, 2]
    """
    _check(boxes, scores, iou_threshold, 0, max_num)
    if labels.shape != scores.shape:
        raise ValueError(f'labels must be of shape ({len(boxes)},), got {tuple(labels.shape)}')
    if labels.is_floating_point() or labels.is_complex():
        raise ValueError(f'labels must be integers, got {labels.dtype}')
    order = scores.sort(descending=True, stable=True).indices
    candidates = boxes[order].float()
    if class_agnostic or not len(order):
        return order[_suppress(candidates, iou_threshold, 0, max_num)]
    grouped = labels[order].sort(stable=True)
    sizes = grouped.values.unique_consecutive(return_counts=True)[1].tolist()
    kept = [
        group[_suppress(candidates[group], iou_threshold, 0, max_num)]
        for group in grouped.indices.split(sizes)
    ]
    keep = order[torch.cat(kept).sort().values]
    return keep[:max_num] if max_num > 0 else keep


def _check(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int, max_num: int) -> None:
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f'boxes must be of shape (N, 4), got {tuple(boxes.shape)}')
    if scores.shape != boxes.shape[:1]:
        raise ValueError(f'scores must be of shape ({len(boxes)},), got {tuple(scores.shape)}')
    if not 0 <= iou_threshold <= 1:
        raise ValueError(f'iou_threshold must be in [0, 1], got {iou_threshold}')
    if offset not in (0, 1):
        raise ValueError(f'offset must be 0 or 1, got {offset}')
    if max_num == 0 or max_num < -1:
        raise ValueError(f'max_num must be -1 or positive, got {max_num}')
    for name, values in (('boxes', boxes), ('scores', scores)):
        finite = values.isfinite()
        if not finite.all():
            row = int((~finite).nonzero()[0, 0])
            raise ValueError(f'{name} must be finite, got {values[row].tolist()} at index {row}')


def _suppress(boxes: Tensor, threshold: float, offset: int, max_num: int) -> Tensor:
    """Positions kept of boxes (N, 4) float32 in descending order of score, ascending."""
    # All back ends compare in float32, so that a box exactly on the threshold gets one answer.
    threshold = torch.tensor(threshold, dtype=torch.float32).item()
    backend = implementation('nms', boxes.device.type)
    if backend == 'mmdefect' or not len(boxes) or (backend == 'torchvision' and offset):
        keep = _suppress_blocks(boxes, threshold, offset, max_num)
    else:
        # Ranks instead of scores: compiled versions need not keep the order of equal scores.
        ranks = torch.arange(len(boxes), 0, -1, dtype=torch.float32, device=boxes.device)
        if backend == 'mmcv':
            keep = importlib.import_module('mmcv.ops').nms(boxes, ranks, threshold, offset)[1]
        else:
            keep = importlib.import_module('torchvision.ops').nms(boxes, ranks, threshold)
    return keep[:max_num] if max_num > 0 else keep


def _suppress_blocks(boxes: Tensor, threshold: float, offset: int, max_num: int) -> Tensor:
    areas = (boxes[:, 2] - boxes[:, 0] + offset) * (boxes[:, 3] - boxes[:, 1] + offset)
    rest = torch.cat([boxes.t(), areas[None]])
    positions = torch.arange(len(boxes), device=boxes.device)
    kept: list[Tensor] = [positions[:0]]
    found = 0
    while len(positions) and not 0 < max_num <= found:
        block = rest[:, :_BLOCK]
        wins = _resolve(_overlaps(block, block, threshold, offset).triu_(1))
        winners = block[:, wins]
        kept.append(positions[:_BLOCK][wins])
        found += winners.shape[1]
        rest, positions = rest[:, _BLOCK:], positions[_BLOCK:]
        if len(positions):
            slices = rest.split(max(1, _PAIRS // winners.shape[1]), dim=1)
            hit = [_overlaps(winners, part, threshold, offset).any(0) for part in slices]
            alive = (~torch.cat(hit)).nonzero().flatten()
            rest, positions = rest[:, alive], positions[alive]
    return torch.cat(kept)


def _overlaps(first: Tensor, second: Tensor, threshold: float, offset: int) -> Tensor:
    """Whether IoU > threshold, (N, M), of columns ``x1, y1, x2, y2, area`` (5, N) and (5, M)."""
    ax1, ay1, ax2, ay2, area_a = first[:, :, None]
    bx1, by1, bx2, by2, area_b = second[:, None, :]
    width = torch.minimum(ax2, bx2).sub_(torch.maximum(ax1, bx1))
    height = torch.minimum(ay2, by2).sub_(torch.maximum(ay1, by1))
    if offset:
        width, height = width.add_(offset), height.add_(offset)
    inter = width.clamp_(min=0).mul_(height.clamp_(min=0))
    union = (area_a + area_b).sub_(inter)
    # Two boxes without area give 0 / 0, and NaN is greater than nothing.
    return inter.div_(union) > threshold


def _resolve(suppresses: Tensor) -> Tensor:
    """Greedy answer (N,) from "box i, if kept, drops box j", (N, N), strictly upper triangular."""
    pressure = suppresses.float()
    keep = torch.ones(len(pressure), dtype=torch.bool, device=pressure.device)
    while True:
        updated = keep.float() @ pressure == 0
        if torch.equal(updated, keep):
            return keep
        keep = updated
