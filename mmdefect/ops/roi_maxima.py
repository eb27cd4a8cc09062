"""Maxima over RoIAlign samples, and their gradient."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from mmdefect.ops.roi_kernels import rows_by_pixel
from mmdefect.ops.roi_sampling import RoiGrids, bilinear

__all__ = ['NOWHERE', 'maximum', 'maximum_gradient']

# Numbers that maxima are taken over at once, 64 MiB; a sample also needs its four corners.
_VALUES = 1 << 24
_PER_SAMPLE = 16
# Position of "no sample": far outside, so that its gradient is 0.
NOWHERE = -2.0


def maximum(
    features: Tensor,
    grids: RoiGrids,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    places: Tensor | None,
) -> None:
    """Write maxima of features (B, C, H, W) into an output (N, C, h, w) of zeros.

    Args:
        features (Tensor): Feature map.
        grids (RoiGrids): Sample grids of K RoIs on it.
        output (Tensor): Filled, where the RoIs belong; left alone where a RoI has no sample.
        argmax_y (Tensor): Likewise, with the feature row of each maximum.
        argmax_x (Tensor): Likewise, with its column.
        places (Tensor | None): Position of each RoI in the output, int64, shape (K,); None:
            position k for RoI k.
    """
    if not len(grids.batch):
        return
    table = rows_by_pixel(features)
    height, width = grids.feature_shape[2:]
    by_bin = (grids.bins[0], grids.bins[1], table.shape[1])
    for rois, shape in grids.groups():
        rows, columns = shape.samples
        cost = by_bin[0] * by_bin[1] * rows * columns * (_PER_SAMPLE + by_bin[2])
        for part in rois.split(max(1, _VALUES // cost)):
            y, x = grids.positions(part, 0, rows), grids.positions(part, 1, columns)
            # Corners of a sample side by side: (n, h, w, rows, columns, 2, 2).
            *low_high, low_weight, high_weight = bilinear(y, height)
            pixel_rows = (
                torch.stack(low_high, 3).long() + (grids.batch[part] * height)[:, None, None, None]
            )
            row_weights = torch.stack([low_weight, high_weight], 3)
            *low_high, low_weight, high_weight = bilinear(x, width)
            pixel_columns = torch.stack(low_high, 3)
            column_weights = torch.stack([low_weight, high_weight], 3)
            pixels = (pixel_rows * width)[:, :, None, :, None, :, None] + (
                pixel_columns[:, None, :, None, :, None]
            )
            weights = (
                row_weights[:, :, None, :, None, :, None]
                * (column_weights[:, None, :, None, :, None])
            )
            sampled = F.embedding_bag(
                pixels.view(-1, 4),
                table,
                mode='sum',
                per_sample_weights=weights.view(-1, 4).to(table.dtype),
            )
            best, which = sampled.view(len(part), *by_bin[:2], rows * columns, by_bin[2]).max(3)
            row, column = (which // columns).flatten(2), (which % columns).transpose(1, 2)
            best_x = x.gather(2, column.flatten(2)).view_as(column).transpose(1, 2)
            place = part if places is None else places[part]
            for target, values in (
                (output, best),
                (argmax_y, y.gather(2, row).view_as(which)),
                (argmax_x, best_x),
            ):
                target.permute(0, 2, 3, 1)[place] = values.to(target.dtype)


def maximum_gradient(
    grad_output: Tensor,
    grids: RoiGrids,
    argmax_y: Tensor,
    argmax_x: Tensor,
    total: Tensor,
    places: Tensor | None,
) -> None:
    """Add the gradient of :func:`maximum` by the features to zeros (B, C, H, W).

    Each output's goes to the four pixels around its maximum.

    Args:
        grad_output (Tensor): Gradient by the output, shape (N, C, h, w).
        grids (RoiGrids): Sample grids of K RoIs.
        argmax_y (Tensor): Feature row of each maximum, shape (N, C, h, w).
        argmax_x (Tensor): Feature column of each maximum, shape (N, C, h, w).
        total (Tensor): Filled.
        places (Tensor | None): As for :func:`maximum`.
    """
    _, channels, height, width = total.shape
    wide = total if total.dtype == torch.float64 else total.float().contiguous()
    wide = wide.contiguous()
    flat = wide.view(-1)
    step = max(1, _VALUES // max(1, grad_output[:1].numel()) // 4)
    plane = torch.arange(channels, device=total.device)[None, :, None, None]
    for part in torch.arange(len(grids.batch), device=total.device).split(step):
        place = part if places is None else places[part]
        grad = grad_output[place].to(flat.dtype)
        base = (grids.batch[part, None, None, None] * channels + plane) * height
        top, bottom, top_weight, bottom_weight = bilinear(argmax_y[place].float(), height)
        left, right, left_weight, right_weight = bilinear(argmax_x[place].float(), width)
        for row, row_weight in ((top, top_weight), (bottom, bottom_weight)):
            for column, column_weight in ((left, left_weight), (right, right_weight)):
                pixel = (base + row) * width + column
                flat.index_add_(0, pixel.flatten(), (grad * row_weight * column_weight).flatten())
    total.copy_(wide)
