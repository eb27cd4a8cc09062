"""Soft non-maximum suppression.

The textbook loop takes the best box, lowers all others, and so on. Here boxes are taken from a
block of the leading ones, whose mutual weights stand in one matrix, as long as they stay above
the best box outside the block, which can only fall; then what was taken lowers the rest, one
neighbourhood after the other.
"""

from __future__ import annotations

import importlib

import torch
from torch import Tensor

from mmdefect.ops.backends import implementation
from mmdefect.ops.box_checks import check_boxes
from mmdefect.ops.overlaps import as_columns, iou, neighbourhood_order, split_near

__all__ = ['soft_nms']

_METHODS = ('naive', 'linear', 'gaussian')
_BLOCK = 1024


def soft_nms(
    boxes: Tensor,
    scores: Tensor,
    iou_threshold: float = 0.3,
    sigma: float = 0.5,
    min_score: float = 1e-3,
    method: str = 'linear',
    offset: int = 0,
) -> tuple[Tensor, Tensor]:
    """Lower the scores of boxes that overlap better ones instead of dropping them.

    The best box is taken, the others' scores are multiplied by a weight that falls with their IoU
    with it, boxes below ``min_score`` are dropped, and so on. As in mmcv, the very first box is
    kept whatever its score. Runs on the CPU, one step per kept box, in float32. Extra memory of
    the PyTorch version: about 150 bytes per box plus 40 MiB.

    Args:
        boxes (Tensor): Boxes ``x1, y1, x2, y2`` in pixels, floating point, shape (N, 4).
        scores (Tensor): Scores, floating point, >= 0, shape (N,). Of equal scores, the lower index
            goes first.
        iou_threshold (float): IoU from which (inclusive) ``'naive'`` and ``'linear'`` act, in
            [0, 1]. Default 0.3.
        sigma (float): Width of ``'gaussian'``, positive. Default 0.5.
        min_score (float): Boxes whose lowered score is below are dropped. Default 1e-3.
        method (str): Weight: ``'naive'`` 0, ``'linear'`` ``1 - iou``, ``'gaussian'``
            ``exp(-iou**2 / sigma)`` at any overlap. Default ``'linear'``.
        offset (int): 0 or 1: the width of a box is ``x2 - x1 + offset``. Default 0.

    Returns:
        tuple[Tensor, Tensor]: Boxes with lowered scores, float32, shape (M, 5), in descending
        order of score; their indices in the input, int64, shape (M,).

    Raises:
        ValueError: Wrong shapes, types or devices; boxes or scores that are not finite; scores
            below 0; arguments out of range.

    Source:
        Bodla et al., "Soft-NMS: Improving Object Detection With One Line of Code", ICCV 2017.

    Example:
        >>> boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 8], [20, 20, 30, 30]])
        >>> dets, inds = soft_nms(boxes, torch.tensor([0.9, 0.8, 0.7]))
        >>> inds.tolist(), [round(score, 2) for score in dets[:, 4].tolist()]
        ([0, 2, 1], [0.9, 0.7, 0.16])
    """
    _check(boxes, scores, iou_threshold, sigma, min_score, method, offset)
    boxes_cpu, scores_cpu = boxes.detach().float().cpu(), scores.detach().float().cpu()
    backend = implementation('soft_nms', boxes.device.type, len(boxes))
    if backend == 'mmcv' and _is_plain(boxes_cpu, scores_cpu):
        dets, inds = importlib.import_module('mmcv.ops').soft_nms(
            boxes_cpu, scores_cpu, iou_threshold, sigma, min_score, method, offset
        )
    else:
        weight = _Weight(iou_threshold, sigma, method, offset)
        dets, inds = _soft_nms(boxes_cpu, scores_cpu, min_score, weight)
    return dets.to(boxes.device), inds.to(boxes.device)


def _is_plain(boxes: Tensor, scores: Tensor) -> bool:
    """Whether mmcv's answer is ours.

    Among equal scores its order is that of a list which it reorders as it goes, and boxes without
    area make its scores NaN.
    """
    has_area = bool((boxes[:, 2:] > boxes[:, :2]).all())
    return len(boxes) > 0 and has_area and len(scores.unique()) == len(boxes)


def _check(
    boxes: Tensor,
    scores: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: str,
    offset: int,
) -> None:
    check_boxes(boxes, scores)
    if not 0 <= iou_threshold <= 1:
        raise ValueError(f'iou_threshold must be in [0, 1], got {iou_threshold}')
    if not sigma > 0:
        raise ValueError(f'sigma must be positive, got {sigma}')
    if min_score != min_score:
        raise ValueError(f'min_score must be a number, got {min_score}')
    if method not in _METHODS:
        raise ValueError(f'method must be one of {", ".join(_METHODS)}, got {method!r}')
    if offset not in (0, 1):
        raise ValueError(f'offset must be 0 or 1, got {offset}')
    if len(scores) and scores.min() < 0:
        row = int(scores.argmin())
        raise ValueError(f'scores must be >= 0, got {float(scores[row])} at index {row}')


class _Weight:
    """Factor of the scores of boxes given better ones, (N, M) from columns (5, N) and (5, M)."""

    def __init__(self, iou_threshold: float, sigma: float, method: str, offset: int) -> None:
        self._threshold, self._sigma, self._method = iou_threshold, sigma, method
        self.offset = offset
        # Then also boxes that do not overlap at all are lowered, to 0.
        self.acts_everywhere = method == 'naive' and iou_threshold == 0

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        # Two boxes without area give 0 / 0.
        overlap = iou(first, second, self.offset).nan_to_num_(nan=0.0)
        if self._method == 'gaussian':
            return overlap.square_().div_(-self._sigma).exp_()
        weight = torch.zeros_like(overlap) if self._method == 'naive' else 1 - overlap
        return torch.where(overlap >= self._threshold, weight, 1.0)


def _soft_nms(
    boxes: Tensor, scores: Tensor, min_score: float, weight: _Weight
) -> tuple[Tensor, Tensor]:
    scores, columns = scores.clone(), as_columns(boxes, weight.offset)
    order = neighbourhood_order(boxes)
    left = scores >= min_score
    if len(boxes):  # as in mmcv, the very first box is kept whatever its score
        left[scores.argmax()] = True
    kept = [order[:0]]
    while left.any():
        rest = left.nonzero().flatten()
        ranked = rest[scores[rest].sort(descending=True, stable=True).indices]
        # In the order of the input, so that the lower index goes first among equals.
        members, outside = ranked[:_BLOCK].sort().values, ranked[_BLOCK:]
        block, values = columns[:, members], scores[members]
        limit, ties = -1.0, 0
        if len(outside):
            limit, ties = float(scores[outside[0]]), int((members < outside[0]).sum())
        taken = _take(values, weight(block, block), limit, ties, min_score)
        scores[members] = values
        kept.append(members[taken])
        left[members] = False
        if len(outside):
            _lower(scores, columns, order[left[order]], block[:, taken], weight)
        left[members] = True
        left[kept[-1]] = False
        left &= scores >= min_score
    indices = torch.cat(kept)
    return torch.cat([boxes[indices], scores[indices, None]], 1), indices


def _take(values: Tensor, weights: Tensor, limit: float, ties: int, min_score: float) -> list[int]:
    """Take boxes of a block, and lower its other scores (N,) by their mutual weights (N, N).

    Stops below the minimum, or at the score of a box outside: at ``limit`` only the first
    ``ties`` go before it.
    """
    taken: list[int] = []
    final: list[float] = []
    min_score = min(min_score, float(values.max()))
    while True:
        best, which = (value.item() for value in values.max(0))
        position = int(which)
        if best < max(limit, min_score) or (best == limit and position >= ties):
            break
        taken.append(position)
        final.append(best)
        values *= weights[position]
        # Never again, whatever lowers it.
        values[position] = -1.0
        weights[:, position] = 1.0
    values[taken] = torch.tensor(final)
    return taken


def _lower(scores: Tensor, columns: Tensor, others: Tensor, taken: Tensor, weight: _Weight) -> None:
    """Lower the scores of other boxes, in the order of neighbourhoods, by those taken (5, T)."""
    if weight.acts_everywhere:
        scores[others] = 0.0
        return
    for part, near in split_near(taken, columns[:, others], weight.offset):
        target = others[part]
        values = scores[target]
        # One after the other, as the textbook loop does: a product of weights rounds otherwise.
        for factors in weight(taken[:, near], columns[:, target]):
            values *= factors
        scores[target] = values
