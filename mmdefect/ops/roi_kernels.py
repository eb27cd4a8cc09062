"""Sums and maxima over RoIAlign samples, and their gradients.

Seen channels-last, a feature map is a table with one row per pixel, and the average over a bin
is a weighted sum of rows: exactly what ``embedding_bag`` computes, in parallel and vectorised
over channels. The gradient is the same sum with the roles of bins and pixels exchanged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from mmdefect.ops.roi_sampling import RoiGrids, bilinear

# Terms (pixel, weight) summed at once: 32 MiB; with the sort of backward, some 250 MiB.
_TERMS = 1 << 22
# Numbers that a maximum is taken over at once, 64 MiB; a sample also needs its four corners.
_VALUES = 1 << 24
_PER_SAMPLE = 16
# Position of "no sample": far outside, so that its gradient is 0.
_NOWHERE = -2.0


def rows_by_pixel(features: Tensor) -> Tensor:
    """Table (B H W, C) of features (B, C, H, W); no copy if they are channels-last."""
    return features.permute(0, 2, 3, 1).reshape(-1, features.shape[1])


def widened(values: Tensor) -> Tensor:
    """Values in the type that sums are taken in: float32, or float64 if they are."""
    return values if values.dtype == torch.float64 else values.float()


class _Corners:
    """Rows and columns around the samples, with their weights; a sample has two of each.

    Args:
        grids (RoiGrids): Sample grids of K RoIs.
        averaging (bool): Whether weights are divided by the samples in a bin.
    """

    def __init__(self, grids: RoiGrids, averaging: bool) -> None:
        images, _, height, width = grids.feature_shape
        # embedding_bag is faster with int32.
        index = torch.int32 if images * height * width < 2**31 else torch.int64
        low, high, low_weight, high_weight = bilinear(grids.y, height)
        first = (grids.batch * height)[:, None, None, None]
        self._rows = ((torch.stack([low, high], 2) + first) * width).to(index)
        self._row_weights = torch.stack([low_weight, high_weight], 2)
        if averaging:
            self._row_weights /= grids.count[:, None, None, None]
        low, high, low_weight, high_weight = bilinear(grids.x, width)
        self._columns = torch.stack([low, high], 2).to(index)
        self._column_weights = torch.stack([low_weight, high_weight], 2)

    def of(self, rois: Tensor, rows: int, columns: int) -> tuple[Tensor, Tensor]:
        """Pixels of the feature table and weights, (n, h, w, 2, rows, 2, columns)."""
        pixel_rows = self._rows[rois, :, :, :rows][:, :, None, :, :, None, None]
        pixel_columns = self._columns[rois, :, :, :columns][:, None, :, None, None]
        row_weights = self._row_weights[rois, :, :, :rows][:, :, None, :, :, None, None]
        column_weights = self._column_weights[rois, :, :, :columns][:, None, :, None, None]
        return pixel_rows + pixel_columns, row_weights * column_weights


@dataclass(frozen=True)
class _Terms:
    """Weighted rows of the feature table that make up the bins of some RoIs.

    Attributes:
        rois (Tensor): Positions of the RoIs, shape (n,).
        pixels (Tensor): Row of the feature table of each term, shape (E,), bin after bin.
        weights (Tensor): Weight of each term, float32, shape (E,).
        lengths (Tensor): Terms in each bin, shape (n h w,).
    """

    rois: Tensor
    pixels: Tensor
    weights: Tensor
    lengths: Tensor


def _average_terms(grids: RoiGrids) -> Iterator[_Terms]:
    """Terms of all bins, a bounded number at a time."""
    corners = _Corners(grids, averaging=True)
    pending: list[_Terms] = []
    used = 0
    for rois, rows, columns in grids.groups(_TERMS, 4):
        pixels, weights = corners.of(rois, rows, columns)
        if pending and used + pixels.numel() > _TERMS:
            yield _joined(pending)
            pending, used = [], 0
        bins = len(rois) * grids.y.shape[1] * grids.x.shape[1]
        lengths = rois.new_full((bins,), 4 * rows * columns, dtype=pixels.dtype)
        pending.append(_Terms(rois, pixels.flatten(), weights.flatten(), lengths))
        used += pixels.numel()
    if pending:
        yield _joined(pending)


def _joined(parts: list[_Terms]) -> _Terms:
    if len(parts) == 1:
        return parts[0]
    return _Terms(
        rois=torch.cat([part.rois for part in parts]),
        pixels=torch.cat([part.pixels for part in parts]),
        weights=torch.cat([part.weights for part in parts]),
        lengths=torch.cat([part.lengths for part in parts]),
    )


def _weighted_sums(table: Tensor, rows: Tensor, offsets: Tensor, weights: Tensor) -> Tensor:
    return F.embedding_bag(
        rows,
        table,
        offsets,
        mode='sum',
        per_sample_weights=weights.to(table.dtype),
        include_last_offset=True,
    )


def average(table: Tensor, grids: RoiGrids) -> Tensor:
    """Output (K, h, w, C)."""
    shape = (len(grids.batch), grids.y.shape[1], grids.x.shape[1], table.shape[1])
    output: Tensor | None = None
    for terms in _average_terms(grids):
        ends = terms.lengths.cumsum(0, dtype=terms.pixels.dtype)
        sums = _weighted_sums(table, terms.pixels, F.pad(ends, (1, 0)), terms.weights)
        block = sums.view(-1, *shape[1:])
        if len(block) == shape[0] and torch.equal(
            terms.rois, torch.arange(shape[0], device=table.device)
        ):
            return block
        if output is None:
            output = table.new_zeros(shape)
        output.index_copy_(0, terms.rois, block)
    return table.new_zeros(shape) if output is None else output


def average_gradient(grad_output: Tensor, grids: RoiGrids) -> Tensor:
    """Gradient (B, H, W, C): for each pixel, the weighted sum over the bins it went into."""
    images, channels, height, width = grids.feature_shape
    gradients = widened(grad_output.permute(0, 2, 3, 1).reshape(-1, channels))
    per_roi = torch.arange(grids.y.shape[1] * grids.x.shape[1], device=gradients.device)
    total: Tensor | None = None
    for terms in _average_terms(grids):
        pixels, order = terms.pixels.sort()
        every = torch.arange(images * height * width + 1, device=pixels.device, dtype=pixels.dtype)
        ends = torch.searchsorted(pixels, every).to(pixels.dtype)
        bins = (terms.rois[:, None] * len(per_roi) + per_roi).flatten().to(pixels.dtype)
        rows = bins.repeat_interleave(terms.lengths)[order]
        sums = _weighted_sums(gradients, rows, ends, terms.weights[order])
        total = sums if total is None else total.add_(sums)
    if total is None:
        total = gradients.new_zeros((images * height * width, channels))
    return total.view(images, height, width, channels)


def maximum(table: Tensor, grids: RoiGrids) -> tuple[Tensor, Tensor, Tensor]:
    """Output, rows and columns of the maxima, (K, h, w, C) each."""
    shape = (len(grids.batch), grids.y.shape[1], grids.x.shape[1], table.shape[1])
    output = table.new_zeros(shape)
    argmax_y = torch.full(shape, _NOWHERE, device=table.device)
    argmax_x = torch.full(shape, _NOWHERE, device=table.device)
    corners = _Corners(grids, averaging=False)
    for rois, rows, columns in grids.groups(_VALUES, _PER_SAMPLE + shape[3]):
        # The four corners of a sample side by side.
        grouped = (t.permute(0, 1, 2, 4, 6, 3, 5) for t in corners.of(rois, rows, columns))
        pixels, weights = (terms.flatten() for terms in grouped)
        ends = torch.arange(0, len(pixels) + 1, 4, device=table.device, dtype=pixels.dtype)
        sampled = _weighted_sums(table, pixels, ends, weights)
        sampled = sampled.view(len(rois), *shape[1:3], rows * columns, shape[3])
        output[rois], which = sampled.max(3)
        row, column = (which // columns).flatten(2), (which % columns).transpose(1, 2)
        argmax_y[rois] = grids.y[rois].gather(2, row).view_as(which)
        x = grids.x[rois].gather(2, column.flatten(2)).view_as(column)
        argmax_x[rois] = x.transpose(1, 2)
    return output, argmax_y, argmax_x


def maximum_gradient(
    grad_output: Tensor, grids: RoiGrids, argmax_y: Tensor, argmax_x: Tensor
) -> Tensor:
    """Gradient (B, C, H, W): each output's goes to the four pixels around its maximum."""
    batch = grids.batch
    _, channels, height, width = grids.feature_shape
    total = widened(grad_output.new_zeros(grids.feature_shape))
    flat = total.view(-1)
    step = max(1, _VALUES // max(1, grad_output[:1].numel()) // 4)
    plane = torch.arange(channels, device=batch.device)[None, :, None, None]
    for start in range(0, len(batch), step):
        part = slice(start, start + step)
        grad = grad_output[part]
        base = (batch[part, None, None, None] * channels + plane) * height
        top, bottom, top_weight, bottom_weight = bilinear(argmax_y[part].float(), height)
        left, right, left_weight, right_weight = bilinear(argmax_x[part].float(), width)
        for row, row_weight in ((top, top_weight), (bottom, bottom_weight)):
            for column, column_weight in ((left, left_weight), (right, right_weight)):
                pixel = (base + row) * width + column
                share = widened(grad) * (row_weight * column_weight)
                flat.index_add_(0, pixel.flatten(), share.flatten())
    return total
