"""Overlaps of priors with the boxes near them, a few at a time.

Priors of a dense detector come in raster order, so a run of them covers a small part of the image
and meets few boxes. Overlaps are computed for these only, in slices that stay in the cache; those
of all other pairs are zero. Each number is bit for bit the one of MMDetection's ``bbox_overlaps``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ['BLOCK', 'NearBoxes', 'block_rows', 'near_boxes', 'overlaps']

# Priors of a run that meets the same boxes.
BLOCK = 64
# Elements of one temporary: on a CPU a slice stays in the cache of one core.
_ELEMENTS = {'cpu': 1 << 17}
_ELEMENTS_ON_GPU = 1 << 22
# Pairs of a block and a box that are compared at once.
_PAIRS = 1 << 20
# Divisors smaller than this are taken for this, as in MMDetection.
_SMALLEST = 1e-6
# Coordinates from here on may overflow, and then even far boxes do not have an overlap of zero.
_HUGE = 1e18


class NearBoxes(NamedTuple):
    """Blocks of priors, each with the boxes that may overlap it.

    Attributes:
        blocks (Tensor): Numbers of the blocks, int64, shape (B,).
        boxes (Tensor): Positions of each block's boxes, int64, ascending, shape (B, M); a block
            with fewer has its last one several times.
    """

    blocks: Tensor
    boxes: Tensor


def block_rows(blocks: Tensor, number: int) -> Tensor:
    """Positions of the priors of blocks.

    Args:
        blocks (Tensor): Numbers of blocks, int64, shape (B,).
        number (int): Priors in all, N.

    Returns:
        Tensor: int64, shape (B, BLOCK); the last block is filled up with the last prior.

    Example:
        >>> block_rows(torch.tensor([1]), 66)[0, :4].tolist()
        [64, 65, 65, 65]
    """
    rows = blocks[:, None] * BLOCK + torch.arange(BLOCK, device=blocks.device)
    return rows.clamp_(max=number - 1)


def near_boxes(priors: Tensor, boxes: Tensor) -> Iterator[NearBoxes]:
    """Find the boxes that blocks of priors may overlap.

    Args:
        priors (Tensor): Boxes ``x1, y1, x2, y2``, shape (N, 4), N > 0; those that lie near each
            other should follow each other.
        boxes (Tensor): Likewise, shape (K, 4), K > 0.

    Yields:
        NearBoxes: As many blocks as one slice of overlaps takes. Every pair with an overlap other
        than zero is in exactly one of them, but for pairs that stand there several times.

    Example:
        >>> priors = torch.tensor([[0.0, 0, 4, 4], [2, 0, 6, 4]])
        >>> [near] = near_boxes(priors, torch.tensor([[50.0, 50, 60, 60], [3, 3, 9, 9]]))
        >>> near.blocks.tolist(), near.boxes.tolist()
        ([0], [[1]])
    """
    elements = _ELEMENTS.get(priors.device.type, _ELEMENTS_ON_GPU)
    x1, y1, x2, y2 = _frames(priors).t()[..., None]
    everywhere = not (_ordinary(priors) and _ordinary(boxes))
    low, high = boxes[:, :2].t(), boxes[:, 2:].t()
    step = max(1, _PAIRS // len(boxes))
    for start in range(0, len(x1), step):
        part = slice(start, start + step)
        near = (x2[part] > low[0]) & (high[0] > x1[part])
        near &= (y2[part] > low[1]) & (high[1] > y1[part])
        if everywhere:
            near.fill_(True)
        number = near.sum(1)
        counts, order = number.sort(descending=True, stable=True)
        first = number.cumsum(0)[order] - counts
        chosen = near.nonzero()[:, 1]
        most = counts.tolist()
        done = 0
        while done < len(most) and most[done]:
            width = most[done]
            group = slice(done, done + max(1, elements // (width * BLOCK)))
            done = group.stop
            inner = torch.arange(width, device=priors.device)
            # Blocks without a box may close the group: they take part with any box.
            inner = torch.minimum(inner, counts[group, None] - 1).clamp_(min=0)
            place = (first[group, None] + inner).clamp_(max=len(chosen) - 1)
            yield NearBoxes(order[group] + start, chosen[place])


def overlaps(first: Tensor, second: Tensor, over: str = 'union') -> Tensor:
    """Overlaps of boxes in groups.

    Args:
        first (Tensor): Boxes, shape (B, M, 4).
        second (Tensor): Priors, shape (B, P, 4).
        over (str): What the intersection is divided by: ``'union'``, or the area of ``'first'``
            or ``'second'``. Default ``'union'``.

    Returns:
        Tensor: Shape (B, M, P).

    Example:
        >>> box, prior = torch.tensor([[[0.0, 0, 4, 4]]]), torch.tensor([[[0.0, 0, 4, 2]]])
        >>> overlaps(box, prior).item(), overlaps(box, prior, 'second').item()
        (0.5, 1.0)
    """
    # One contiguous tensor per coordinate; the arithmetic and its order are MMDetection's.
    ax1, ay1, ax2, ay2 = first.permute(2, 0, 1).contiguous()[..., None]
    bx1, by1, bx2, by2 = second.permute(2, 0, 1).contiguous()[:, :, None]
    area_a, area_b = (ax2 - ax1) * (ay2 - ay1), (bx2 - bx1) * (by2 - by1)
    width = torch.minimum(ax2, bx2).sub_(torch.maximum(ax1, bx1)).clamp_(min=0)
    height = torch.minimum(ay2, by2).sub_(torch.maximum(ay1, by1)).clamp_(min=0)
    common = width.mul_(height)
    if over == 'union':
        divisor = torch.add(area_a, area_b, out=height).sub_(common)
    else:
        divisor = area_a if over == 'first' else area_b
    return common.div_(divisor.clamp_(min=_SMALLEST))


def _ordinary(boxes: Tensor) -> bool:
    """Whether all coordinates are finite and far from overflow."""
    low, high = boxes.aminmax()
    return bool((low > -_HUGE) & (high < _HUGE))


def _frames(priors: Tensor) -> Tensor:
    """What each block of priors covers, ``x1, y1, x2, y2``, shape (blocks, 4)."""
    whole = len(priors) // BLOCK * BLOCK
    parts = [priors[:whole].view(-1, BLOCK, 4), priors[whole:].unsqueeze(0)]
    return torch.cat(
        [
            torch.cat([part[..., :2].amin(1), part[..., 2:].amax(1)], 1)
            for part in parts
            if part.shape[1] and len(part)
        ]
    )
