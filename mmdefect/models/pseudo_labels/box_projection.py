"""Boxes of several images from one augmentation into another, all at once."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ['project_boxes']


def project_boxes(boxes: Tensor, matrices: Tensor, shapes: Tensor) -> Tensor:
    """Map boxes through homographies, take the hulls, cut them at the image borders.

    MMDetection goes through the original image and takes the hull there too; two hulls of rotated
    boxes are larger than one.

    Args:
        boxes (Tensor): Boxes ``x1, y1, x2, y2`` in pixels, float32, shape (K, 4).
        matrices (Tensor): Homography of each box, float32, shape (K, 3, 3).
        shapes (Tensor): ``h, w`` of the image each box goes to, shape (K, 2).

    Returns:
        Tensor: Boxes, float32, shape (K, 4).

    Example:
        >>> flip = torch.tensor([[[-1.0, 0, 64], [0, 1, 0], [0, 0, 1]]])
        >>> project_boxes(torch.tensor([[50.0, 0, 80, 9]]), flip, torch.tensor([[64, 64]]))
        tensor([[ 0.,  0., 14.,  9.]])
    """
    corners = boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].view(-1, 4, 2)
    # Written out: a matrix product under autocast would round coordinates.
    x, y = corners[..., 0], corners[..., 1]
    rows = [
        matrices[:, row, 0, None] * x + matrices[:, row, 1, None] * y + matrices[:, row, 2, None]
        for row in range(3)
    ]
    x, y = rows[0] / rows[2], rows[1] / rows[2]
    x = torch.stack([x.amin(1), x.amax(1)], 1).clamp(min=0).minimum(shapes[:, 1:])
    y = torch.stack([y.amin(1), y.amax(1)], 1).clamp(min=0).minimum(shapes[:, :1])
    return torch.stack([x, y], 2).flatten(1)
