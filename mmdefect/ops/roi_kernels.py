"""Averages over RoIAlign samples, and their gradient.

Seen channels-last, a feature map is a table with one row per pixel, and the average over a bin
is a weighted sum of rows: exactly what ``embedding_bag`` computes, in parallel and vectorised
over channels, in float32 also for half and bfloat16 rows. The gradient is the same sum with the
roles of bins and pixels exchanged, after a sort of the terms by pixel.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from mmdefect.ops.roi_sampling import BinShape, RoiGrids

__all__ = ['average', 'average_gradient', 'rows_by_pixel']

# Terms (pixel, weight) at once: with the sort of the gradient, some 250 MiB.
_TERMS = 1 << 22
# Gradients by output at once, 256 MiB of float32.
_GRADIENTS = 1 << 26
# Numbers of a block that is summed and then put in its place: 16 MiB of float32, which stay in the
# cache of a CPU and are handed out again for the next block. A GPU wants fewer and larger blocks.
_CPU_BLOCK, _GPU_BLOCK = 1 << 22, 1 << 26


def rows_by_pixel(features: Tensor) -> Tensor:
    """Table (B H W, C) of features (B, C, H, W); no copy if they are channels-last."""
    images, channels = features.shape[:2]
    if features.is_contiguous() and images >= torch.get_num_threads():
        return _transposed(features.view(images, channels, -1)).view(-1, channels)
    return features.permute(0, 2, 3, 1).reshape(-1, channels)


def _transposed(matrices: Tensor) -> Tensor:
    """Contiguous transposes (n, b, a) of contiguous matrices (n, a, b).

    To shuffle channels-last channels is to transpose a matrix per pixel, and PyTorch does that
    with vector instructions, twice as fast as a strided copy.
    """
    number, rows, columns = matrices.shape
    length = rows * columns
    pixels = matrices.as_strided((number, length, 1, 1), (length, 1, length, length))
    return torch.channel_shuffle(pixels, rows).view(number, columns, rows)


def average(features: Tensor, grids: RoiGrids, output: Tensor, places: Tensor | None) -> None:
    """Write averages of features (B, C, H, W) into an output (N, C, h, w) of zeros.

    Args:
        features (Tensor): Feature map.
        grids (RoiGrids): Sample grids of K RoIs on it.
        output (Tensor): Filled, where the RoIs belong; left alone where a RoI has no sample.
        places (Tensor | None): Position of each RoI in the output, int64, shape (K,); None:
            position k for RoI k.
    """
    if not len(grids.batch):
        return
    table = rows_by_pixel(features)
    rows = output.permute(0, 2, 3, 1)
    height, width = grids.bins
    per_block = max(1, _block(table) // (height * width * max(1, table.shape[1])))
    # Neighbouring RoIs read what is in the cache.
    for rois, axes in _axes(grids, grids.by_image):
        place = rois if places is None else places[rois]
        length = axes.length
        step = max(1, min(per_block, _TERMS // (height * width * length)))
        for start in range(0, len(rois), step):
            part = slice(start, start + step)
            pixels, weights = axes.terms(part)
            # All bins have equally many terms: a matrix with a row per bin.
            sums = F.embedding_bag(
                pixels.view(-1, length),
                table,
                mode='sum',
                per_sample_weights=weights.view(-1, length).to(table.dtype),
            )
            where = place[part]
            rows.index_copy_(0, where, sums.view(len(where), height, width, table.shape[1]))


def average_gradient(
    grad_output: Tensor, grids: RoiGrids, total: Tensor, places: Tensor | None
) -> None:
    """Write the gradient of :func:`average` by the features into zeros (B, C, H, W).

    Args:
        grad_output (Tensor): Gradient by the output, shape (N, C, h, w).
        grids (RoiGrids): Sample grids of K RoIs.
        total (Tensor): Filled where a RoI has samples.
        places (Tensor | None): As for :func:`average`.
    """
    channels, height, width = total.shape[1:]
    area, per_roi = height * width, grids.bins[0] * grids.bins[1]
    step = max(1, _block(total) // max(1, channels))
    previous = -1
    for piece in _pieces(grids, per_roi, channels):
        pixels, bins, weights = _terms_by_pixel(grids, piece)
        numbers, sizes = grids.batch[piece].unique_consecutive(return_counts=True)
        images = numbers.tolist()
        first = images[0] * area
        edges = torch.arange(first, (images[-1] + 1) * area + 1, device=pixels.device)
        ends = torch.searchsorted(pixels, edges.to(pixels.dtype)).to(pixels.dtype)
        seen = 0
        # Image by image and block by block, so that sums and what they read stay in the cache.
        for image, rois in zip(images, piece.split(sizes.tolist()), strict=True):
            table = _rows_by_bin(grad_output, rois if places is None else places[rois])
            target = total[image].view(channels, area).t()
            for start in range(0, area, step):
                stop = min(start + step, area)
                bags = ends[image * area - first + start : image * area - first + stop + 1]
                low, high = bags[[0, -1]].tolist()
                if low == high:
                    continue
                sums = F.embedding_bag(
                    bins[low:high] - seen * per_roi,
                    table,
                    bags - low,
                    mode='sum',
                    per_sample_weights=weights[low:high].to(table.dtype),
                    include_last_offset=True,
                )
                if image == previous:
                    target[start:stop] += sums
                else:
                    target[start:stop] = sums
            seen += len(rois)
        previous = images[-1]


def _block(values: Tensor) -> int:
    return _CPU_BLOCK if values.device.type == 'cpu' else _GPU_BLOCK


class _Axes(NamedTuple):
    """Rows of the feature table and weights of n averages, apart by axis.

    Attributes:
        rows (Tensor): First table row of a feature row, shape (n, h, y terms).
        row_weights (Tensor): Float32, shape (n, h, y terms).
        columns (Tensor): Feature columns, shape (n, w, x terms).
        column_weights (Tensor): Float32, shape (n, w, x terms).
    """

    rows: Tensor
    row_weights: Tensor
    columns: Tensor
    column_weights: Tensor

    @property
    def length(self) -> int:
        """Terms of a bin."""
        return self.rows.shape[2] * self.columns.shape[2]

    def terms(self, part: slice) -> tuple[Tensor, Tensor]:
        """Rows of the table and weights of some averages, (n, h, w, terms)."""
        pixels = self._along_y(self.rows[part]) + self._along_x(self.columns[part])
        weights = self._along_y(self.row_weights[part]) * self._along_x(self.column_weights[part])
        return pixels, weights

    # Spread over the other axis first, so that the sums above run over all terms of a bin and
    # not over a few at a time.
    def _along_y(self, values: Tensor) -> Tensor:
        return values[..., None].expand(-1, -1, -1, self.columns.shape[2]).flatten(2)[:, :, None]

    def _along_x(self, values: Tensor) -> Tensor:
        return values[:, :, None].expand(-1, -1, self.rows.shape[2], -1).flatten(2)[:, None]


def _axes(grids: RoiGrids, among: Tensor) -> Iterator[tuple[Tensor, _Axes]]:
    """Yield positions of RoIs whose bins have equally many terms, and these terms by axis.

    The axes of many groups are laid out at once, as long as the longest among them: a call of
    PyTorch costs more than the few numbers of a small group.
    """
    images, _, height, width = grids.feature_shape
    # embedding_bag and sort are faster with int32.
    index = torch.int32 if images * height * width < 2**31 else torch.int64
    for groups in _packed(grids, among):
        rois = torch.cat([members for members, _ in groups])
        first = (grids.batch.index_select(0, rois) * height).view(-1, 1, 1)
        count = grids.samples.index_select(0, rois).prod(1).view(-1, 1, 1)
        rows, columns = {}, {}
        for dense in (True, False):
            layout = grids.runs if dense else grids.corners
            if numbers := [shape.samples[0] for _, shape in groups if shape.dense[0] == dense]:
                pixels, weights = layout(rois, 0, max(numbers))
                rows[dense] = ((pixels + first) * width).to(index), weights / count
            if numbers := [shape.samples[1] for _, shape in groups if shape.dense[1] == dense]:
                pixels, weights = layout(rois, 1, max(numbers))
                columns[dense] = pixels.to(index), weights
        stop = 0
        for members, shape in groups:
            start, stop = stop, stop + len(members)
            part, (rows_of_bin, columns_of_bin) = slice(start, stop), shape.terms
            table_rows, row_weights = rows[shape.dense[0]]
            feature_columns, column_weights = columns[shape.dense[1]]
            yield (
                members,
                _Axes(
                    table_rows[part, :, :rows_of_bin],
                    row_weights[part, :, :rows_of_bin],
                    feature_columns[part, :, :columns_of_bin],
                    column_weights[part, :, :columns_of_bin],
                ),
            )


def _packed(grids: RoiGrids, among: Tensor) -> Iterator[list[tuple[Tensor, BinShape]]]:
    """Yield groups of RoIs, several at a time as long as their axes fit in memory."""
    budget = _TERMS // 8
    pending: list[tuple[Tensor, BinShape]] = []
    count, longest = 0, 0
    for group, shape in grids.groups(among):
        per_roi = 2 * sum(
            bins * samples for bins, samples in zip(grids.bins, shape.samples, strict=True)
        )
        for members in group.split(max(1, budget // per_roi)):
            if pending and (count + len(members)) * max(longest, per_roi) > budget:
                yield pending
                pending, count, longest = [], 0, 0
            pending.append((members, shape))
            count, longest = count + len(members), max(longest, per_roi)
    if pending:
        yield pending


def _pieces(grids: RoiGrids, per_roi: int, channels: int) -> Iterator[Tensor]:
    """Positions of RoIs in the order of their images, as many at once as memory shall hold."""
    if not len(grids.batch):
        return
    order = grids.by_image
    share = per_roi * (grids.bin_terms[order].double() / _TERMS + channels / _GRADIENTS)
    numbers, sizes = share.cumsum(0).floor().unique_consecutive(return_counts=True)
    yield from order.split(sizes.tolist())


def _terms_by_pixel(grids: RoiGrids, piece: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Feature pixel, bin (counted in the order of the piece) and weight of terms, by pixel."""
    per_roi = torch.arange(grids.bins[0] * grids.bins[1], device=piece.device)
    place = torch.empty_like(grids.batch)
    place[piece] = torch.arange(len(piece), device=piece.device)
    parts: list[tuple[Tensor, ...]] = []
    for rois, axes in _axes(grids, piece):
        pixels, weights = axes.terms(slice(None))
        bins = (place[rois, None] * len(per_roi) + per_roi).to(pixels.dtype)
        bins = bins.view(*pixels.shape[:3], 1).expand_as(pixels)
        parts.append((pixels.flatten(), bins.flatten(), weights.flatten()))
    if not parts:
        none = torch.zeros(0, dtype=torch.int32, device=piece.device)
        return none, none, none.float()
    pixels, bins, weights = (torch.cat(values) for values in zip(*parts, strict=True))
    pixels, order = pixels.sort(stable=True)
    return pixels, bins.index_select(0, order), weights.index_select(0, order)


def _rows_by_bin(grad_output: Tensor, places: Tensor) -> Tensor:
    """Table (n h w, C) of gradients by the output (N, C, h, w) at n places."""
    first, last = places[[0, -1]].tolist()
    ascending = last - first + 1 == len(places) and bool((places.diff() == 1).all())
    part = grad_output[first : last + 1] if ascending else grad_output[places]
    return rows_by_pixel(part)
