"""Where RoIAlign samples a feature map.

The samples of a bin are a grid of rows by columns, so rows and columns are worked out
separately. RoIs keep a few numbers each; positions are laid out for some of them at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ['AxisTerms', 'BinShape', 'RoiGrids', 'bilinear', 'check_rois', 'make_grids']


class BinShape(NamedTuple):
    """How the bins of a RoI are sampled along ``y, x``.

    Attributes:
        samples (tuple[int, int]): Samples along each axis.
        dense (tuple[bool, bool]): Whether samples lie at most a pixel apart, so that neighbours
            share pixels.
    """

    samples: tuple[int, int]
    dense: tuple[bool, bool]

    @property
    def terms(self) -> tuple[int, int]:
        """Feature rows and columns that a bin takes its weighted sum of."""
        counts = [n + 1 if dense else 2 * n for n, dense in zip(*self, strict=True)]
        return counts[0], counts[1]


class AxisTerms(NamedTuple):
    """The pixels along one axis that make up the bins of n RoIs.

    Attributes:
        pixels (Tensor): Rows or columns of the feature map, int32, shape (n, bins, terms).
        weights (Tensor): Their weights, float32, same shape.
    """

    pixels: Tensor
    weights: Tensor


@dataclass(frozen=True)
class RoiGrids:
    """Sample grids of K RoIs on one feature map.

    Attributes:
        batch (Tensor): Image of each RoI, int64, shape (K,).
        start (Tensor): First corner ``y, x`` in feature pixels, float32, shape (K, 2).
        step (Tensor): Size of a bin along ``y, x``, float32, shape (K, 2).
        samples (Tensor): Samples of a bin along ``y, x``, whole numbers, float32, shape (K, 2).
        kept (Tensor): Samples to look at, int64, shape (K, 2); fewer than ``samples`` for bins
            that dwarf the feature map.
        is_cut (bool): Whether any are fewer.
        bins (tuple[int, int]): Bins ``(h, w)``.
        feature_shape (tuple[int, ...]): (B, C, H, W).
    """

    batch: Tensor
    start: Tensor
    step: Tensor
    samples: Tensor
    kept: Tensor
    is_cut: bool
    bins: tuple[int, int]
    feature_shape: tuple[int, ...]

    @property
    def by_image(self) -> Tensor:
        """Positions of the RoIs in the order of their images, int64, shape (K,)."""
        return self.batch.sort(stable=True).indices

    @property
    def dense(self) -> Tensor:
        """Whether samples lie at most a pixel apart along ``y, x``, bool, shape (K, 2)."""
        # A single sample has two neighbours either way.
        return (self.step <= self.samples) & (self.kept > 1)

    @property
    def bin_terms(self) -> Tensor:
        """Pixels in the weighted sum of a bin, int64, shape (K,)."""
        return torch.where(self.dense, self.kept + 1, 2 * self.kept).prod(1)

    def groups(self, among: Tensor | None = None) -> Iterator[tuple[Tensor, BinShape]]:
        """Yield the RoIs that have samples, grouped by the shape of their bins.

        Args:
            among (Tensor | None): Positions of the RoIs to look at, int64; None: all.

        Yields:
            tuple[Tensor, BinShape]: Positions of the RoIs, int64, in the order of ``among``
            (ascending without), shape (n,); how their bins are sampled.
        """
        if among is None:
            among = torch.arange(len(self.batch), device=self.batch.device)
        if not len(among):
            return
        kept, dense = self.kept[among], self.dense[among].long()
        stride = int(kept.max()) + 1
        keys = ((kept[:, 0] * stride + kept[:, 1]) * 2 + dense[:, 0]) * 2 + dense[:, 1]
        keys, order = keys.sort(stable=True)
        values, sizes = keys.unique_consecutive(return_counts=True)
        for key, members in zip(values.tolist(), order.split(sizes.tolist()), strict=True):
            rows, columns = divmod(key >> 2, stride)
            if rows and columns:
                yield among[members], BinShape((rows, columns), (bool(key & 2), bool(key & 1)))

    def positions(self, rois: Tensor, axis: int, number: int) -> Tensor:
        """Positions of the first samples of each bin.

        Args:
            rois (Tensor): Positions of the RoIs, int64, shape (n,).
            axis (int): 0 for y, 1 for x.
            number (int): Samples per bin; a RoI has those that it keeps, the others are beyond.

        Returns:
            Tensor: Positions in feature pixels, float32, shape (n, bins, number).
        """
        start, step, samples = (
            values[:, axis].index_select(0, rois).view(-1, 1, 1)
            for values in (self.start, self.step, self.samples)
        )
        bins, numbers = (
            torch.arange(count, device=rois.device) for count in (self.bins[axis], number)
        )
        first = start + bins.view(-1, 1) * step
        numbers = numbers + 0.5
        if self.is_cut:
            # Where only some are kept, those from the edge of the feature map on.
            skipped = ((-1 - first) * samples / step - 0.5).floor().nan_to_num(nan=0.0)
            kept = self.kept[:, axis].index_select(0, rois).view(-1, 1, 1)
            numbers = numbers + skipped.clamp(min=0).minimum(samples - kept)
        return first + numbers * (step / samples)

    def runs(self, rois: Tensor, axis: int, number: int) -> AxisTerms:
        """Terms along an axis where samples lie at most a pixel apart.

        Sample i then lies between pixels i and i + 1 of a run, or before, so that a bin of n
        samples has n + 1 terms instead of 2 n.

        Args:
            rois (Tensor): Positions of the RoIs, int64, shape (n,).
            axis (int): 0 for y, 1 for x.
            number (int): Most samples per bin.

        Returns:
            AxisTerms: ``number + 1`` terms per bin; weights are 0 behind those of a RoI.
        """
        size = self.feature_shape[2 + axis]
        position = self.positions(rois, axis, number)
        run = torch.arange(number + 1, dtype=torch.int32, device=rois.device)
        kept = self.kept[:, axis].index_select(0, rois).view(-1, 1, 1)
        inside = ((position >= -1) & (position <= size) & (run[:-1] < kept)).to(position.dtype)
        position = position.clamp_(0, size - 1)
        low = position.int()
        first = low[..., :1]
        # The limit acts only where rounding makes a step longer than a pixel.
        offset = (low - first).minimum(run[:-1])
        high_weight = (position - (first + offset)) * inside
        offset = offset.long()
        weights = position.new_zeros((*position.shape[:2], number + 1))
        weights.scatter_add_(2, offset, inside - high_weight)
        weights.scatter_add_(2, offset + 1, high_weight)
        return AxisTerms((first + run).clamp_(max=size - 1), weights)

    def corners(self, rois: Tensor, axis: int, number: int) -> AxisTerms:
        """Terms along an axis whatever the distance of samples: two for each.

        Args:
            rois (Tensor): Positions of the RoIs, int64, shape (n,).
            axis (int): 0 for y, 1 for x.
            number (int): Samples per bin, of all of them.

        Returns:
            AxisTerms: ``2 * number`` terms per bin.
        """
        position = self.positions(rois, axis, number)
        low, high, low_weight, high_weight = bilinear(position, self.feature_shape[2 + axis])
        return AxisTerms(torch.cat([low, high], 2), torch.cat([low_weight, high_weight], 2))


def make_grids(
    rois: Tensor,
    feature_shape: tuple[int, ...],
    bins: tuple[int, int],
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> RoiGrids:
    """Check RoIs and place their sample grids, in float32.

    Args:
        rois (Tensor): ``batch index, x1, y1, x2, y2`` in image pixels, shape (K, 5).
        feature_shape (tuple[int, ...]): (B, C, H, W).
        bins (tuple[int, int]): Bins ``(h, w)``.
        spatial_scale (float): Feature pixels per image pixel.
        sampling_ratio (int): Samples per bin along each axis; 0: about one per feature pixel.
        aligned (bool): Shift by half a pixel; False: RoIs are at least one pixel wide and high.

    Returns:
        RoiGrids: Grids of all RoIs.

    Raises:
        ValueError: RoIs that are not finite, whose batch index is out of range, or, when
            aligned, whose size is negative.

    Example:
        >>> rois = torch.tensor([[0.0, 0, 0, 8, 8]])
        >>> grids = make_grids(rois, (1, 3, 8, 8), (2, 2), 1.0, 0, True)
        >>> grids.kept.tolist(), grids.positions(torch.tensor([0]), 1, 4).tolist()
        ([[4, 4]], [[[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0]]])
    """
    values = rois.detach().float()
    check_rois(values, feature_shape[0], aligned)
    corners = values[:, 1:] * spatial_scale - (0.5 if aligned else 0.0)
    start = corners[:, [1, 0]]
    size = corners[:, [3, 2]] - start
    size = size.clamp(min=0 if aligned else 1)
    step = size / size.new_tensor(bins)
    if sampling_ratio:
        samples = torch.full_like(step, sampling_ratio)
        kept = samples
    else:
        samples = step.ceil()
        # Adaptive samples lie more than half a pixel apart, so no more than this fall on the
        # map; one beside it is kept, because it counts as 0 in a maximum.
        kept = samples.minimum(2 * samples.new_tensor(feature_shape[2:]) + 5)
    return RoiGrids(
        batch=values[:, 0].long(),
        start=start,
        step=step,
        samples=samples,
        kept=kept.long(),
        is_cut=bool((kept < samples).any()),
        bins=bins,
        feature_shape=feature_shape,
    )


def check_rois(rois: Tensor, images: int, aligned: bool) -> None:
    """Refuse RoIs that have no sample grid.

    Args:
        rois (Tensor): ``batch index, x1, y1, x2, y2``, shape (K, 5).
        images (int): Images in the batch.
        aligned (bool): Refuse negative sizes too; else they count as one pixel.

    Raises:
        ValueError: Names the first of these RoIs and its index.

    Example:
        >>> check_rois(torch.tensor([[1.0, 0, 0, 8, 8]]), 1, True)
        Traceback (most recent call last):
        ...
        ValueError: rois must be with a batch index in 0..0, got ... at index 0
    """
    batch, size = rois[:, 0], rois[:, 3:] - rois[:, 1:3]
    for bad, wanted in (
        (~torch.cat([rois, size], 1).isfinite().all(1), 'finite'),
        (
            (batch < 0) | (batch >= images) | (batch != batch.floor()),
            f'with a batch index in 0..{images - 1}',
        ),
        ((size < 0).any(1) & aligned, 'of non-negative size when aligned'),
    ):
        if bad.any():
            row = int(bad.nonzero()[0, 0])
            raise ValueError(f'rois must be {wanted}, got {rois[row].tolist()} at index {row}')


def bilinear(position: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Neighbours of sample positions along one axis.

    Args:
        position (Tensor): Positions in feature pixels, any shape S.
        size (int): Feature pixels along the axis.

    Returns:
        tuple[Tensor, Tensor, Tensor, Tensor]: Lower and upper neighbour, int32, and their
        weights, all of shape S. Positions below -1 or above ``size`` have weights 0.

    Example:
        >>> [part.tolist() for part in bilinear(torch.tensor([-0.5, 1.25, 9.0]), 4)]
        [[0, 1, 3], [1, 2, 3], [1.0, 0.75, 0.0], [0.0, 0.25, 0.0]]
    """
    inside = (position >= -1) & (position <= size)
    clamped = position.clamp(0, size - 1)
    low = clamped.int()
    upper_weight = (clamped - low) * inside
    lower_weight = inside.to(position.dtype) - upper_weight
    return low, (low + 1).clamp_(max=size - 1), lower_weight, upper_weight
