"""Boxes that a tile shows only in part, where another tile shows the whole."""

from __future__ import annotations

import torch
from torch import Tensor

from mmdefect.ops.overlaps import as_columns, neighbourhood_order, split_near

__all__ = ['CUT_MARGIN', 'drop_cut_boxes']

# A box that ends this near, in pixels, to a side of its tile is taken for cut.
CUT_MARGIN = 2.0
# Share of a cut box that a whole one must cover to stand for it.
_COVER = 0.7
# Share of its score that the whole one must have.
_SCORE = 0.5


def drop_cut_boxes(
    boxes: Tensor, scores: Tensor, labels: Tensor, cut: Tensor
) -> tuple[Tensor, Tensor]:
    """Drop boxes cut by an inner tile side where a whole box stands for them.

    A whole box stands for a cut one of its class if it covers 70 % of it and has at least half
    its score. Of several the best does, and takes the higher of the two scores: no image loses
    its highest score.

    Args:
        boxes (Tensor): ``xyxy`` in pixels, float32, shape (N, 4).
        scores (Tensor): Shape (N,).
        labels (Tensor): Classes, integers, shape (N,).
        cut (Tensor): Whether an inner side cuts the box, bool, shape (N,).

    Returns:
        tuple[Tensor, Tensor]: Indices of kept boxes, int64, ascending, shape (M,); scores of all,
        shape (N,).

    Example:
        >>> boxes = torch.tensor([[0.0, 0, 30, 9], [20, 0, 30, 9]])
        >>> kept, scores = drop_cut_boxes(boxes, torch.tensor([.75, .875]),
        ...                               torch.zeros(2).long(), torch.tensor([False, True]))
        >>> kept.tolist(), scores.tolist()
        ([0], [0.875, 0.875])
    """
    parts, whole = cut.nonzero().flatten(), (~cut).nonzero().flatten()
    everyone = torch.arange(len(boxes))
    if not len(parts) or not len(whole):
        return everyone, scores
    # Best first, so that the first that stands for a box is the best.
    whole = whole[scores[whole].sort(descending=True, stable=True).indices]
    parts = parts[neighbourhood_order(boxes[parts])]
    first, second = as_columns(boxes[whole], 0), as_columns(boxes[parts], 0)
    stands = torch.full((len(parts),), -1)
    for part, near in split_near(first, second, 0):
        mine, others = parts[part], whole[near]
        fits = _intersections(first[:, near], second[:, part]) >= _COVER * second[4, part]
        fits &= labels[others, None] == labels[mine]
        fits &= scores[others, None] >= _SCORE * scores[mine]
        stands[part] = torch.where(fits.any(0), others[fits.to(torch.uint8).argmax(0)], -1)
    found = stands >= 0
    kept = torch.ones(len(boxes), dtype=torch.bool)
    kept[parts[found]] = False
    raised = scores.scatter_reduce(0, stands[found], scores[parts[found]], 'amax')
    return everyone[kept], raised


def _intersections(first: Tensor, second: Tensor) -> Tensor:
    """Areas that columns (5, N) and (5, M) have in common, (N, M)."""
    x1, y1 = torch.maximum(first[:2, :, None], second[:2, None])
    x2, y2 = torch.minimum(first[2:4, :, None], second[2:4, None])
    return (x2 - x1).clamp_(min=0) * (y2 - y1).clamp_(min=0)
