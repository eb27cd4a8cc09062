"""Soft non-maximum suppression."""

from __future__ import annotations

import importlib

import torch
from torch import Tensor

from mmdefect.ops.backends import implementation

__all__ = ['soft_nms']

_METHODS = ('naive', 'linear', 'gaussian')


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
    kept whatever its score. Equal scores are taken in the order of a working list that starts in
    input order; taking a box swaps it with the list's front, and a dropped one's place is filled
    from the list's end. Runs on the CPU, one step per kept box, in float32.

    Args:
        boxes (Tensor): Boxes ``x1, y1, x2, y2`` in pixels, shape (N, 4).
        scores (Tensor): Scores, shape (N,).
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
        ValueError: Wrong shapes, boxes or scores that are not finite, arguments out of range.

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
    if len(boxes) and implementation('soft_nms', boxes.device.type) == 'mmcv':
        dets, inds = importlib.import_module('mmcv.ops').soft_nms(
            boxes_cpu, scores_cpu, iou_threshold, sigma, min_score, method, offset
        )
    else:
        dets, inds = _soft_nms(
            boxes_cpu, scores_cpu, iou_threshold, sigma, min_score, method, offset
        )
    return dets.to(boxes.device), inds.to(boxes.device)


def _check(
    boxes: Tensor,
    scores: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: str,
    offset: int,
) -> None:
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f'boxes must be of shape (N, 4), got {tuple(boxes.shape)}')
    if scores.shape != boxes.shape[:1]:
        raise ValueError(f'scores must be of shape ({len(boxes)},), got {tuple(scores.shape)}')
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
    for name, values in (('boxes', boxes), ('scores', scores)):
        if not values.isfinite().all():
            row = int((~values.isfinite()).nonzero()[0, 0])
            raise ValueError(f'{name} must be finite, got {values[row].tolist()} at index {row}')


def _soft_nms(
    boxes: Tensor,
    scores: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: str,
    offset: int,
) -> tuple[Tensor, Tensor]:
    areas = (boxes[:, 2] - boxes[:, 0] + offset) * (boxes[:, 3] - boxes[:, 1] + offset)
    # One column per box: x1, y1, x2, y2, score, area; reordered as a whole.
    work = torch.cat([boxes.t(), scores[None], areas[None]])
    inds = torch.arange(len(boxes))
    taken_columns: list[Tensor] = []
    taken_inds: list[Tensor] = []
    while len(inds):
        best = int(work[4].argmax())
        column, index = work[:, best].clone(), inds[best].clone()
        taken_columns.append(column)
        taken_inds.append(index)
        # The front moves into the place of the best box and leaves the list.
        work[:, best], inds[best] = work[:, 0], inds[0]
        work, inds = work[:, 1:], inds[1:]
        work[4] *= _weights(column, work, iou_threshold, sigma, method, offset)
        alive = work[4] >= min_score
        if not alive.all():
            places = _refill(alive)
            work, inds = work[:, places], inds[places]
    if not taken_inds:
        return boxes.new_zeros((0, 5)), inds
    return torch.stack(taken_columns)[:, :5].contiguous(), torch.stack(taken_inds)


def _weights(
    best: Tensor, others: Tensor, iou_threshold: float, sigma: float, method: str, offset: int
) -> Tensor:
    """Weights (N,) of other boxes (6, N) given the best one (6,)."""
    x1, y1, x2, y2, _, area = best
    width = (torch.minimum(x2, others[2]) - torch.maximum(x1, others[0]) + offset).clamp_(min=0)
    height = (torch.minimum(y2, others[3]) - torch.maximum(y1, others[1]) + offset).clamp_(min=0)
    inter = width * height
    # Two boxes without area give 0 / 0.
    iou = (inter / (area + others[5] - inter)).nan_to_num_(nan=0.0)
    if method == 'gaussian':
        return torch.exp(-(iou * iou) / sigma)
    weight = torch.zeros_like(iou) if method == 'naive' else 1 - iou
    return torch.where(iou >= iou_threshold, weight, 1.0)


def _refill(alive: Tensor) -> Tensor:
    """Order (M,) of the M living entries of a list (N,): gaps are filled from the end."""
    count = int(alive.sum())
    places = torch.arange(count)
    places[~alive[:count]] = alive[count:].nonzero().flatten().flip(0) + count
    return places
