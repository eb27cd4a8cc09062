"""Overlaps of many boxes, and which boxes lie near each other.

Boxes are columns ``x1, y1, x2, y2, area`` of a matrix, so that each coordinate is contiguous.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

__all__ = ['OVERLAPS', 'as_columns', 'ios', 'iou', 'neighbourhood_order', 'split_near']

# Boxes of a neighbourhood, which is compared as a whole.
_NEIGHBOURS = 512
# Box pairs compared at once; a slice of this size stays in the cache of one core.
_PAIRS = 1 << 18


def as_columns(boxes: Tensor, offset: int) -> Tensor:
    """Columns (5, N) of boxes (N, 4); widths are ``x2 - x1 + offset``."""
    areas = (boxes[:, 2] - boxes[:, 0] + offset) * (boxes[:, 3] - boxes[:, 1] + offset)
    return torch.cat([boxes.t(), areas[None]])


def iou(first: Tensor, second: Tensor, offset: int) -> Tensor:
    """Intersection over union of all pairs.

    Args:
        first (Tensor): Columns, shape (5, N).
        second (Tensor): Columns, shape (5, M).
        offset (int): 0 or 1: the width of a box is ``x2 - x1 + offset``.

    Returns:
        Tensor: Shape (N, M); NaN for two boxes without area.

    Example:
        >>> columns = as_columns(torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 2]]), 0)
        >>> iou(columns, columns, 0).tolist()
        [[1.0, 0.5], [0.5, 1.0]]
    """
    inter = _intersections(first, second, offset)
    union = (first[4, :, None] + second[4]).sub_(inter)
    return inter.div_(union)


def ios(first: Tensor, second: Tensor, offset: int) -> Tensor:
    """Intersection over the smaller area, of all pairs.

    Args:
        first (Tensor): Columns, shape (5, N).
        second (Tensor): Columns, shape (5, M).
        offset (int): 0 or 1: the width of a box is ``x2 - x1 + offset``.

    Returns:
        Tensor: Shape (N, M); NaN where one of the two has no area.

    Example:
        >>> columns = as_columns(torch.tensor([[0.0, 0, 4, 4], [0, 0, 8, 2]]), 0)
        >>> ios(columns, columns, 0).tolist()
        [[1.0, 0.5], [0.5, 1.0]]
    """
    smaller = torch.minimum(first[4, :, None], second[4])
    return _intersections(first, second, offset).div_(smaller)


# What operators mean by the name of an overlap.
OVERLAPS = {'iou': iou, 'ios': ios}


def _intersections(first: Tensor, second: Tensor, offset: int) -> Tensor:
    ax1, ay1, ax2, ay2 = first[:4, :, None]
    bx1, by1, bx2, by2 = second[:4, None, :]
    width = torch.minimum(ax2, bx2).sub_(torch.maximum(ax1, bx1))
    height = torch.minimum(ay2, by2).sub_(torch.maximum(ay1, by1))
    if offset:
        width, height = width.add_(offset), height.add_(offset)
    return width.clamp_(min=0).mul_(height.clamp_(min=0))


def neighbourhood_order(boxes: Tensor) -> Tensor:
    """Put boxes that lie near each other next to each other.

    The plane is cut into vertical strips of equally many boxes, and each strip is walked down.

    Args:
        boxes (Tensor): Boxes ``x1, y1, x2, y2``, shape (N, 4).

    Returns:
        Tensor: Positions of the boxes, int64, shape (N,).

    Example:
        >>> neighbourhood_order(torch.tensor([[0.0, 9, 1, 10], [0, 0, 1, 1]])).tolist()
        [1, 0]
    """
    number = len(boxes)
    strips = max(1, round((number / _NEIGHBOURS) ** 0.5))
    x, y = (boxes[:, :2] + boxes[:, 2:]).t()
    strip = torch.empty(number, dtype=torch.int64, device=boxes.device)
    ranks = torch.arange(number, device=boxes.device)
    strip[x.argsort(stable=True)] = ranks * strips // max(1, number)
    order = y.argsort(stable=True)
    return order[strip[order].argsort(stable=True)]


def split_near(first: Tensor, second: Tensor, offset: int) -> Iterator[tuple[slice, Tensor]]:
    """Pair slices of boxes with those of others that may overlap them.

    Args:
        first (Tensor): Columns, shape (5, N), N > 0.
        second (Tensor): Columns in the order of their neighbourhoods, shape (5, M).
        offset (int): 0 or 1, as for :func:`iou`.

    Yields:
        tuple[slice, Tensor]: A slice of the M boxes; the positions of those among the N that may
        overlap any of them, int64, ascending, never none. Other pairs do not overlap.

    Example:
        >>> first = as_columns(torch.tensor([[0.0, 0, 4, 4], [50, 50, 60, 60]]), 0)
        >>> second = as_columns(torch.tensor([[1.0, 1, 2, 2], [3, 3, 9, 9]]), 0)
        >>> [(part, near.tolist()) for part, near in split_near(first, second, 0)]
        [(slice(0, 2, None), [0])]
    """
    number = second.shape[1]
    parts = -(-number // _NEIGHBOURS)
    # A neighbourhood's frame; the last one is filled up with its last box.
    filled = second[:4].index_select(
        1, torch.arange(parts * _NEIGHBOURS, device=second.device).clamp_(max=number - 1)
    )
    low, high = filled.view(4, parts, _NEIGHBOURS).split(2)
    (x1, y1), (x2, y2) = low.amin(2)[..., None], high.amax(2)[..., None]
    near = (torch.minimum(x2, first[2]) - torch.maximum(x1, first[0]) + offset > 0) & (
        torch.minimum(y2, first[3]) - torch.maximum(y1, first[1]) + offset > 0
    )
    which = near.nonzero()[:, 1].split(near.sum(1).tolist())
    for start, chosen in zip(range(0, number, _NEIGHBOURS), which, strict=True):
        if len(chosen):
            stop = min(start + _NEIGHBOURS, number)
            step = max(1, _PAIRS // len(chosen))
            for inner in range(start, stop, step):
                yield slice(inner, min(inner + step, stop)), chosen
