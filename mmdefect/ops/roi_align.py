"""RoIAlign: checks, choice of the implementation, and gradient."""

from __future__ import annotations

import importlib
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mmdefect.ops.backends import implementation
from mmdefect.ops.roi_kernels import (
    average,
    average_gradient,
    maximum,
    maximum_gradient,
    rows_by_pixel,
    widened,
)
from mmdefect.ops.roi_sampling import make_grids

__all__ = ['roi_align', 'roi_align_backward', 'roi_align_forward']

_POOL_MODES = ('avg', 'max')


def roi_align(
    features: Tensor,
    rois: Tensor,
    output_size: int | tuple[int, int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = 0,
    pool_mode: str = 'avg',
    aligned: bool = True,
) -> Tensor:
    """Pool a fixed grid of bins out of each region of interest.

    The numbers are those of mmcv's operator within float32 rounding, except that a maximum over
    no sample is 0. Geometry and sums are float32 (float64
    features: float64 sums) whatever the type of features and RoIs. Gradients flow into the
    features only. Extra memory is bounded: about 300 MiB plus 4 KiB per RoI (64 bytes per sample
    of a single RoI where that is more), and a float32 copy of the features (in backward: of the
    gradients by output and by features) unless they are channels-last float32.

    Args:
        features (Tensor): Feature map, shape (B, C, H, W). Fastest in channels-last format.
        rois (Tensor): ``batch index, x1, y1, x2, y2`` in image pixels, shape (K, 5).
        output_size (int | tuple[int, int]): Bins ``(h, w)``; one number for both.
        spatial_scale (float): Feature pixels per image pixel, such as 1 / stride. Default 1.0.
        sampling_ratio (int): Samples per bin along each axis; 0: about one per feature pixel,
            ``ceil(bin size)``. Default 0.
        pool_mode (str): ``'avg'`` or ``'max'`` over the samples of a bin. Default ``'avg'``.
        aligned (bool): Shift by half a pixel, so that samples meet pixel centres; False is the
            legacy way, where RoIs are at least one feature pixel wide and high. Default True.

    Returns:
        Tensor: Shape (K, C, h, w), type of the features, in channels-last format where that
        saves a copy.

    Raises:
        ValueError: Wrong shapes, arguments out of range; a RoI that is not finite, of negative
            size (when aligned), or whose batch index is out of range.

    Source:
        He et al., "Mask R-CNN", ICCV 2017, section 3.

    Example:
        >>> features = torch.arange(16.0).view(1, 1, 4, 4)
        >>> rois = torch.tensor([[0.0, 0, 0, 4, 4]])
        >>> roi_align(features, rois, output_size=2).flatten().tolist()
        [2.5, 4.5, 10.5, 12.5]
    """
    sizes = (output_size,) * 2 if isinstance(output_size, int) else tuple(output_size)
    _check(features, rois, sizes, spatial_scale, sampling_ratio, pool_mode)
    size = (sizes[0], sizes[1])
    backend = implementation('roi_align', features.device.type)
    if backend == 'mmdefect' or not len(rois) or (backend == 'torchvision' and pool_mode == 'max'):
        return _RoIAlign.apply(
            features, rois, size, spatial_scale, sampling_ratio, pool_mode, aligned
        )
    # Compiled versions crash on what this check refuses.
    make_grids(rois, tuple(features.shape), size, spatial_scale, sampling_ratio, aligned)
    wide = features if features.dtype == torch.float64 else features.float()
    rois = rois.detach().to(wide.dtype)
    if backend == 'mmcv':
        pooled = importlib.import_module('mmcv.ops').roi_align(
            wide, rois, size, spatial_scale, sampling_ratio, pool_mode, aligned
        )
    else:
        pooled = importlib.import_module('torchvision.ops').roi_align(
            wide, rois, size, spatial_scale, sampling_ratio, aligned
        )
    return pooled.to(features.dtype)


def roi_align_forward(
    features: Tensor,
    rois: Tensor,
    output_size: tuple[int, int],
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: str,
    aligned: bool,
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Forward half of :func:`roi_align`, outside autograd.

    Args:
        features (Tensor): Feature map, shape (B, C, H, W).
        rois (Tensor): ``batch index, x1, y1, x2, y2`` in image pixels, shape (K, 5).
        output_size (tuple[int, int]): Bins ``(h, w)``.
        spatial_scale (float): Feature pixels per image pixel.
        sampling_ratio (int): Samples per bin along each axis; 0: adaptive.
        pool_mode (str): ``'avg'`` or ``'max'``.
        aligned (bool): Shift by half a pixel.

    Returns:
        tuple[Tensor, Tensor | None, Tensor | None]: The output, and for ``'max'`` the feature
        row and column of each maximum, float32 (-2 where a bin has no sample), else None; all of
        shape (K, C, h, w).

    Raises:
        ValueError: A RoI that :func:`roi_align` refuses.

    Example:
        >>> features = torch.arange(4.0).view(1, 1, 2, 2)
        >>> rois = torch.tensor([[0.0, 0, 0, 2, 2]])
        >>> output, y, x = roi_align_forward(features, rois, (1, 1), 1.0, 0, 'max', True)
        >>> output.item(), y.item(), x.item()
        (3.0, 1.0, 1.0)
    """
    shape = tuple(features.shape)
    grids = make_grids(rois, shape, output_size, spatial_scale, sampling_ratio, aligned)
    table = widened(rows_by_pixel(features))
    if pool_mode == 'max':
        values, y, x = maximum(table, grids)
        return _channels_second(values).to(features.dtype), _channels_second(y), _channels_second(x)
    return _channels_second(average(table, grids)).to(features.dtype), None, None


def roi_align_backward(
    grad_output: Tensor,
    rois: Tensor,
    argmax_y: Tensor | None,
    argmax_x: Tensor | None,
    feature_shape: tuple[int, ...],
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: str,
    aligned: bool,
) -> Tensor:
    """Gradient of :func:`roi_align_forward` by the features.

    Args:
        grad_output (Tensor): Gradient by the output, shape (K, C, h, w).
        rois (Tensor): As given to the forward half, shape (K, 5).
        argmax_y (Tensor | None): Rows from the forward half, for ``'max'``.
        argmax_x (Tensor | None): Columns from the forward half, for ``'max'``.
        feature_shape (tuple[int, ...]): (B, C, H, W).
        spatial_scale (float): Feature pixels per image pixel.
        sampling_ratio (int): Samples per bin along each axis; 0: adaptive.
        pool_mode (str): ``'avg'`` or ``'max'``.
        aligned (bool): Shift by half a pixel.

    Returns:
        Tensor: Gradient, shape (B, C, H, W), type of ``grad_output``.

    Raises:
        ValueError: A RoI that :func:`roi_align` refuses; ``'max'`` without positions.

    Example:
        >>> rois, grad = torch.tensor([[0.0, 0, 0, 2, 2]]), torch.ones(1, 1, 1, 1)
        >>> roi_align_backward(grad, rois, None, None, (1, 1, 2, 2), 1.0, 0, 'avg', True).tolist()
        [[[[0.25, 0.25], [0.25, 0.25]]]]
    """
    output_size = (grad_output.shape[2], grad_output.shape[3])
    grids = make_grids(rois, feature_shape, output_size, spatial_scale, sampling_ratio, aligned)
    if pool_mode == 'avg':
        grad = _channels_second(average_gradient(grad_output, grids))
    elif argmax_y is None or argmax_x is None:
        raise ValueError("argmax_y and argmax_x must be given for pool_mode 'max', got None")
    else:
        grad = maximum_gradient(grad_output, grids, argmax_y, argmax_x)
    return grad.to(grad_output.dtype)


class _RoIAlign(torch.autograd.Function):
    """Keeps the RoIs (and positions of maxima); the samples are worked out again in backward."""

    @staticmethod
    def forward(
        ctx: Any,
        features: Tensor,
        rois: Tensor,
        output_size: tuple[int, int],
        spatial_scale: float,
        sampling_ratio: int,
        pool_mode: str,
        aligned: bool,
    ) -> Tensor:
        ctx.feature_shape = tuple(features.shape)
        ctx.options = (spatial_scale, sampling_ratio, pool_mode, aligned)
        output, y, x = roi_align_forward(features, rois, output_size, *ctx.options)
        ctx.save_for_backward(rois, y, x)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        rois, y, x = ctx.saved_tensors
        grad = roi_align_backward(grad_output, rois, y, x, ctx.feature_shape, *ctx.options)
        return grad, None, None, None, None, None, None


def _check(
    features: Tensor,
    rois: Tensor,
    output_size: tuple[int, ...],
    spatial_scale: float,
    sampling_ratio: int,
    pool_mode: str,
) -> None:
    if features.ndim != 4 or not features.is_floating_point() or 0 in features.shape[2:]:
        raise ValueError(
            'features must be floating point of shape (B, C, H, W) with H, W > 0, '
            f'got {features.dtype} of shape {tuple(features.shape)}'
        )
    if rois.ndim != 2 or rois.shape[1] != 5:
        raise ValueError(f'rois must be of shape (K, 5), got {tuple(rois.shape)}')
    if len(output_size) != 2 or min(output_size) < 1:
        raise ValueError(f'output_size must be positive (h, w), got {output_size}')
    if not 0 < spatial_scale < float('inf'):
        raise ValueError(f'spatial_scale must be positive, got {spatial_scale}')
    if sampling_ratio < 0:
        raise ValueError(f'sampling_ratio must be >= 0, got {sampling_ratio}')
    if pool_mode not in _POOL_MODES:
        raise ValueError(f'pool_mode must be one of {", ".join(_POOL_MODES)}, got {pool_mode!r}')


def _channels_second(values: Tensor) -> Tensor:
    return values.permute(0, 3, 1, 2)
