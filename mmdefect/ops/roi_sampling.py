"""Where RoIAlign samples a feature map.

The samples of a bin are a grid of rows by columns, so rows and columns are worked out
separately, for all RoIs at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ['RoiGrids', 'bilinear', 'make_grids']


@dataclass(frozen=True)
class RoiGrids:
    """Sample grids of K RoIs on one feature map.

    Attributes:
        batch (Tensor): Image of each RoI, int64, shape (K,).
        y (Tensor): Rows of the samples in feature pixels, float32, shape (K, h, most of
            ``kept[:, 0]``); a RoI uses the first ``kept`` of the last axis.
        x (Tensor): Columns of the samples, float32, shape (K, w, most of ``kept[:, 1]``).
        kept (Tensor): Samples of a bin to look at along ``y, x``, int64, shape (K, 2).
        count (Tensor): Samples that the average of a bin is over, at least 1, float32,
            shape (K,). More than the product of ``kept`` for bins that dwarf the feature map.
        feature_shape (tuple[int, ...]): (B, C, H, W).
    """

    batch: Tensor
    y: Tensor
    x: Tensor
    kept: Tensor
    count: Tensor
    feature_shape: tuple[int, ...]

    def groups(self, budget: int, per_sample: int) -> Iterator[tuple[Tensor, int, int]]:
        """Yield the RoIs that have samples, in groups whose bins have equally many.

        Args:
            budget (int): Largest cost of a group; a group of one RoI may exceed it.
            per_sample (int): Cost of one sample.

        Yields:
            tuple[Tensor, int, int]: Positions of the RoIs, int64, ascending, shape (n,); rows
            and columns of the sample grid of a bin.
        """
        if not len(self.batch):
            return
        per_roi = self.y.shape[1] * self.x.shape[1] * per_sample
        stride = self.x.shape[2] + 1
        keys, order = (self.kept[:, 0] * stride + self.kept[:, 1]).sort(stable=True)
        shapes, sizes = keys.unique_consecutive(return_counts=True)
        for shape, members in zip(shapes.tolist(), order.split(sizes.tolist()), strict=True):
            rows, columns = divmod(shape, stride)
            if rows * columns:
                for part in members.split(max(1, budget // (rows * columns * per_roi))):
                    yield part, rows, columns


def make_grids(
    rois: Tensor,
    feature_shape: tuple[int, ...],
    output_size: tuple[int, int],
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
) -> RoiGrids:
    """Check RoIs and lay their sample grids, in float32.

    Args:
        rois (Tensor): ``batch index, x1, y1, x2, y2`` in image pixels, shape (K, 5).
        feature_shape (tuple[int, ...]): (B, C, H, W).
        output_size (tuple[int, int]): Bins ``(h, w)``.
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
        >>> grids.kept.tolist(), grids.x[0].tolist()
        ([[4, 4]], [[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0]])
    """
    values = rois.detach().float()
    batch = values[:, 0]
    _refuse(~values.isfinite().all(1), 'finite', rois)
    wanted = f'with a batch index in 0..{feature_shape[0] - 1}'
    _refuse((batch < 0) | (batch >= feature_shape[0]), wanted, rois)
    corners = values[:, 1:] * spatial_scale - (0.5 if aligned else 0.0)
    start = corners[:, [1, 0]]
    size = corners[:, [3, 2]] - start
    if aligned:
        _refuse((size < 0).any(1), 'of non-negative size when aligned', rois)
    else:
        size = size.clamp(min=1)
    bins = size / size.new_tensor(output_size)
    if sampling_ratio:
        samples = torch.full_like(bins, sampling_ratio)
        kept = samples
    else:
        samples = bins.ceil()
        # Adaptive samples lie more than half a pixel apart, so no more than this fall on the
        # map; one beside it is kept, because it counts as 0 in a maximum.
        kept = samples.minimum(2 * samples.new_tensor(feature_shape[2:]) + 5)
    return RoiGrids(
        batch=batch.long(),
        y=_positions(start[:, 0], bins[:, 0], samples[:, 0], kept[:, 0], output_size[0]),
        x=_positions(start[:, 1], bins[:, 1], samples[:, 1], kept[:, 1], output_size[1]),
        kept=kept.long(),
        count=samples.prod(1).clamp(min=1),
        feature_shape=feature_shape,
    )


def _refuse(bad: Tensor, wanted: str, rois: Tensor) -> None:
    if bad.any():
        row = int(bad.nonzero()[0, 0])
        raise ValueError(f'rois must be {wanted}, got {rois[row].tolist()} at index {row}')


def _positions(start: Tensor, step: Tensor, samples: Tensor, kept: Tensor, bins: int) -> Tensor:
    """Sample positions (K, bins, most kept) along an axis from per-RoI values (K,)."""
    first = (start[:, None] + torch.arange(bins, device=start.device) * step[:, None])[..., None]
    step, samples, kept = (values[:, None, None] for values in (step, samples, kept))
    number = torch.arange(int(kept.max()) if len(kept) else 0, device=start.device) + 0.5
    # Where only some are kept, those from the edge of the feature map on.
    skipped = ((-1 - first) * samples / step - 0.5).floor().nan_to_num(nan=0.0)
    skipped = skipped.clamp(min=0).minimum(samples - kept)
    return first + (number + skipped) * step / samples


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
