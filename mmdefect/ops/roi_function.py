"""RoIAlign of ours as one differentiable function, and its halves for mmcv's interface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mmdefect.ops.huge_pages import new_zeros
from mmdefect.ops.roi_kernels import average, average_gradient
from mmdefect.ops.roi_maxima import NOWHERE, maximum, maximum_gradient
from mmdefect.ops.roi_sampling import RoiGrids, make_grids

__all__ = ['Pooling', 'members', 'pool', 'roi_align_backward', 'roi_align_forward']


@dataclass(frozen=True)
class Pooling:
    """What to compute.

    Attributes:
        bins (tuple[int, int]): Bins ``(h, w)``.
        scales (tuple[float, ...]): Feature pixels per image pixel of each level.
        sampling_ratio (int): Samples per bin along each axis; 0: adaptive.
        mode (str): ``'avg'`` or ``'max'``.
        aligned (bool): Shift by half a pixel.
        contiguous (bool): Contiguous output also of channels-last features. Default False.
    """

    bins: tuple[int, int]
    scales: tuple[float, ...]
    sampling_ratio: int
    mode: str
    aligned: bool
    contiguous: bool = False

    def of(self, level: int) -> Pooling:
        """The same for one level alone."""
        return replace(self, scales=self.scales[level : level + 1])

    def grids(self, rois: Tensor, feature_shape: tuple[int, ...], level: int) -> RoiGrids:
        """Sample grids of RoIs on a level; ValueError for RoIs that have none."""
        return make_grids(
            rois, feature_shape, self.bins, self.scales[level], self.sampling_ratio, self.aligned
        )


def members(levels: Tensor | None, features: Sequence[Any]) -> list[Tensor | None]:
    """Positions of the RoIs of each level, ascending; None: all, of the only level."""
    if levels is None:
        return [None]
    return [(levels == number).nonzero().flatten() for number in range(len(features))]


def pool(
    features: Sequence[Tensor], rois: Tensor, levels: Tensor | None, pooling: Pooling
) -> Tensor:
    """RoIAlign in PyTorch, differentiable by the features.

    Args:
        features (Sequence[Tensor]): Feature maps, each of shape (B, C, H_i, W_i).
        rois (Tensor): ``batch index, x1, y1, x2, y2`` in image pixels, shape (K, 5).
        levels (Tensor | None): Index into ``features`` of each RoI, shape (K,); None: one level.
        pooling (Pooling): What to compute.

    Returns:
        Tensor: Shape (K, C, h, w), type of the features.

    Raises:
        ValueError: A RoI without a sample grid.
    """
    return _RoIAlign.apply(rois, levels, pooling, *features)


class _RoIAlign(torch.autograd.Function):
    """Keeps the RoIs (and positions of maxima); the samples are worked out again in backward.

    That costs a tenth of the gradient, and keeping them 10 MiB per 2,048 RoIs until then.
    """

    @staticmethod
    def forward(
        ctx: Any, rois: Tensor, levels: Tensor | None, pooling: Pooling, *features: Tensor
    ) -> Tensor:
        ctx.pooling = pooling
        ctx.formats = [(tuple(level.shape), _format(level)) for level in features]
        wanted = torch.contiguous_format if pooling.contiguous else _format(features[0])
        shape = (len(rois), features[0].shape[1], *pooling.bins)
        output = new_zeros(features[0], shape, wanted)
        y = x = None
        if pooling.mode == 'max':
            y, x = (torch.full(shape, NOWHERE, device=rois.device) for _ in range(2))
        for number, places in enumerate(members(levels, features)):
            chosen = rois if places is None else rois[places]
            grids = pooling.grids(chosen, tuple(features[number].shape), number)
            if y is None or x is None:
                average(features[number], grids, output, places)
            else:
                maximum(features[number], grids, output, y, x, places)
        ctx.save_for_backward(rois, levels, y, x)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        rois, levels, y, x = ctx.saved_tensors
        grads: list[Tensor | None] = []
        for number, places in enumerate(members(levels, ctx.formats)):
            if not ctx.needs_input_grad[3 + number]:
                grads.append(None)
                continue
            shape, wanted = ctx.formats[number]
            total = new_zeros(grad_output, shape, wanted)
            grids = ctx.pooling.grids(rois if places is None else rois[places], shape, number)
            if y is None:
                average_gradient(grad_output, grids, total, places)
            else:
                maximum_gradient(grad_output, grids, y, x, total, places)
            grads.append(total)
        return None, None, None, *grads


def _format(features: Tensor) -> torch.memory_format:
    last = features.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last and not features.is_contiguous() else torch.contiguous_format


def roi_align_forward(
    features: Tensor,
    rois: Tensor,
    pooling: Pooling,
    output: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
) -> None:
    """Forward half of RoIAlign, outside autograd, into tensors of zeros.

    Args:
        features (Tensor): Feature map, shape (B, C, H, W).
        rois (Tensor): ``batch index, x1, y1, x2, y2`` in image pixels, shape (K, 5).
        pooling (Pooling): What to compute.
        output (Tensor): Filled, shape (K, C, h, w).
        argmax_y (Tensor): For ``'max'``, filled with the feature row of each maximum (-2 where a
            bin has no sample), shape (K, C, h, w).
        argmax_x (Tensor): Likewise with the column.

    Raises:
        ValueError: A RoI without a sample grid.

    Example:
        >>> features, rois = torch.arange(4.0).view(1, 1, 2, 2), torch.tensor([[0.0, 0, 0, 2, 2]])
        >>> output, y, x = (torch.zeros(1, 1, 1, 1) for _ in range(3))
        >>> pooling = Pooling((1, 1), (1.0,), 0, 'max', True)
        >>> roi_align_forward(features, rois, pooling, output, y, x)
        >>> output.item(), y.item(), x.item()
        (3.0, 1.0, 1.0)
    """
    grids = pooling.grids(rois, tuple(features.shape), 0)
    if pooling.mode == 'avg':
        average(features, grids, output, None)
    else:
        argmax_y.fill_(NOWHERE)
        argmax_x.fill_(NOWHERE)
        maximum(features, grids, output, argmax_y, argmax_x, None)


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    pooling: Pooling,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
) -> None:
    """Gradient of :func:`roi_align_forward` by the features, into a tensor of zeros.

    Args:
        grad_output (Tensor): Gradient by the output, shape (K, C, h, w).
        rois (Tensor): As given to the forward half, shape (K, 5).
        pooling (Pooling): As given to the forward half.
        argmax_y (Tensor): Rows from the forward half, read for ``'max'``.
        argmax_x (Tensor): Columns from the forward half, read for ``'max'``.
        grad_input (Tensor): Filled, shape (B, C, H, W).

    Raises:
        ValueError: A RoI without a sample grid.

    Example:
        >>> rois, grad = torch.tensor([[0.0, 0, 0, 2, 2]]), torch.ones(1, 1, 1, 1)
        >>> total, pooling = torch.zeros(1, 1, 2, 2), Pooling((1, 1), (1.0,), 0, 'avg', True)
        >>> roi_align_backward(grad, rois, pooling, torch.zeros(0), torch.zeros(0), total)
        >>> total.tolist()
        [[[[0.25, 0.25], [0.25, 0.25]]]]
    """
    grids = pooling.grids(rois, tuple(grad_input.shape), 0)
    if pooling.mode == 'avg':
        average_gradient(grad_output, grids, grad_input, None)
    else:
        maximum_gradient(grad_output, grids, argmax_y, argmax_x, grad_input, None)
