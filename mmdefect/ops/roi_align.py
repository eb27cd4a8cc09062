"""RoIAlign on one feature map or on the levels of a pyramid: checks and choice of the back end."""

from __future__ import annotations

import importlib
from collections.abc import Sequence

import torch
from torch import Tensor

from mmdefect.ops.backends import implementation
from mmdefect.ops.roi_function import Pooling, members, pool
from mmdefect.ops.roi_sampling import check_rois

__all__ = ['multilevel_roi_align', 'roi_align']

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
    no sample is 0. Geometry and sums are float32 (float64 features: float64 sums) whatever the
    type of features and RoIs; half and bfloat16 features are read as they are, with weights of
    their type. Gradients flow into the features only.

    Extra memory of the PyTorch version, whatever the number of RoIs: about 300 MiB on a CPU
    (600 MiB on a GPU; 64 bytes per sample of a single RoI where that is more), 100 bytes per RoI,
    a copy of the features unless they are channels-last, and in the gradient 256 MiB or a copy of
    the gradients of one image. Of the memory of large outputs, up to 512 MiB stays with the
    process for the next call.

    Args:
        features (Tensor): Feature map, shape (B, C, H, W). Fastest in channels-last format.
        rois (Tensor): ``batch index, x1, y1, x2, y2`` in image pixels, floating point, shape
            (K, 5).
        output_size (int | tuple[int, int]): Bins ``(h, w)``; one number for both.
        spatial_scale (float): Feature pixels per image pixel, such as 1 / stride. Default 1.0.
        sampling_ratio (int): Samples per bin along each axis; 0: about one per feature pixel,
            ``ceil(bin size)``. Default 0.
        pool_mode (str): ``'avg'`` or ``'max'`` over the samples of a bin. Default ``'avg'``.
        aligned (bool): Shift by half a pixel, so that samples meet pixel centres; False is the
            legacy way, where RoIs are at least one feature pixel wide and high. Default True.

    Returns:
        Tensor: Shape (K, C, h, w), type of the features; channels-last if the features are.

    Raises:
        ValueError: Wrong shapes, types or devices, arguments out of range; a RoI that is not
            finite, of negative size (when aligned), or whose batch index is out of range.

    Source:
        He et al., "Mask R-CNN", ICCV 2017, section 3.

    Example:
        >>> features = torch.arange(16.0).view(1, 1, 4, 4)
        >>> rois = torch.tensor([[0.0, 0, 0, 4, 4]])
        >>> roi_align(features, rois, output_size=2).flatten().tolist()
        [2.5, 4.5, 10.5, 12.5]
    """
    sizes = _sizes(output_size)
    pooling = Pooling(sizes, (spatial_scale,), sampling_ratio, pool_mode, aligned)
    _check(features, rois, pooling)
    return _pool([features], rois, None, pooling)


def multilevel_roi_align(
    features: Sequence[Tensor],
    rois: Tensor,
    levels: Tensor,
    output_size: int | tuple[int, int],
    spatial_scales: Sequence[float],
    sampling_ratio: int = 0,
    pool_mode: str = 'avg',
    aligned: bool = True,
) -> Tensor:
    """Pool each region of interest out of its level of a feature pyramid.

    One differentiable call: each level writes into its rows of one output, and every level gets
    a gradient, zeros where no RoI belongs to it, so that processes that train together wait for
    the same gradients. Numbers and extra memory are those of :func:`roi_align`. The output is
    contiguous whatever the format of the features, so that the fully connected layer of a box
    head reads it without a copy; that copy costs as much as RoIAlign.

    Args:
        features (Sequence[Tensor]): Feature maps, each of shape (B, C, H_i, W_i), of one type.
        rois (Tensor): ``batch index, x1, y1, x2, y2`` in image pixels, floating point, shape
            (K, 5).
        levels (Tensor): Index into ``features`` of each RoI, integers, shape (K,).
        output_size (int | tuple[int, int]): Bins ``(h, w)``; one number for both.
        spatial_scales (Sequence[float]): Feature pixels per image pixel of each level.
        sampling_ratio (int): As for :func:`roi_align`. Default 0.
        pool_mode (str): As for :func:`roi_align`. Default ``'avg'``.
        aligned (bool): As for :func:`roi_align`. Default True.

    Returns:
        Tensor: Shape (K, C, h, w), contiguous, type of the features.

    Raises:
        ValueError: As for :func:`roi_align`; levels of another shape, not integers or out of
            range; feature maps that differ in images, channels, type or device.

    Source:
        Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017, section 4.2.

    Example:
        >>> fine, coarse = torch.ones(1, 1, 8, 8), torch.zeros(1, 1, 4, 4)
        >>> rois = torch.tensor([[0.0, 0, 0, 4, 4], [0, 0, 0, 8, 8]])
        >>> levels = torch.tensor([0, 1])
        >>> multilevel_roi_align([fine, coarse], rois, levels, 1, [1.0, 0.5]).flatten().tolist()
        [1.0, 0.0]
    """
    scales = tuple(spatial_scales)
    pooling = Pooling(
        _sizes(output_size), scales, sampling_ratio, pool_mode, aligned, contiguous=True
    )
    for level in features:
        _check(level, rois, pooling)
    _check_levels(features, rois, levels, scales, aligned)
    return _pool(features, rois, levels, pooling)


def _pool(
    features: Sequence[Tensor], rois: Tensor, levels: Tensor | None, pooling: Pooling
) -> Tensor:
    backend = implementation('roi_align', rois.device.type)
    if backend == 'mmdefect' or (backend == 'torchvision' and pooling.mode == 'max'):
        return pool(features, rois, levels, pooling)
    return _compiled(backend, features, rois, levels, pooling)


def _sizes(output_size: int | tuple[int, int]) -> tuple[int, int]:
    sizes = (output_size,) * 2 if isinstance(output_size, int) else tuple(output_size)
    if len(sizes) != 2 or min(sizes) < 1:
        raise ValueError(f'output_size must be positive (h, w), got {sizes}')
    return sizes[0], sizes[1]


def _check(features: Tensor, rois: Tensor, pooling: Pooling) -> None:
    if features.ndim != 4 or not features.is_floating_point() or 0 in features.shape[2:]:
        raise ValueError(
            'features must be floating point of shape (B, C, H, W) with H, W > 0, '
            f'got {features.dtype} of shape {tuple(features.shape)}'
        )
    if rois.ndim != 2 or rois.shape[1] != 5 or not rois.is_floating_point():
        raise ValueError(
            'rois must be floating point of shape (K, 5), '
            f'got {rois.dtype} of shape {tuple(rois.shape)}'
        )
    if rois.device != features.device:
        raise ValueError(f'rois must be on {features.device} as features are, got {rois.device}')
    for scale in pooling.scales:
        if not 0 < scale < float('inf'):
            raise ValueError(f'spatial_scale must be positive, got {scale}')
    if pooling.sampling_ratio < 0:
        raise ValueError(f'sampling_ratio must be >= 0, got {pooling.sampling_ratio}')
    if pooling.mode not in _POOL_MODES:
        raise ValueError(f'pool_mode must be one of {", ".join(_POOL_MODES)}, got {pooling.mode!r}')


def _check_levels(
    features: Sequence[Tensor],
    rois: Tensor,
    levels: Tensor,
    scales: tuple[float, ...],
    aligned: bool,
) -> None:
    if not features or len(features) != len(scales):
        raise ValueError(
            'features must be as many as spatial_scales and not none, '
            f'got {len(features)} and {len(scales)}'
        )
    kinds = [(*level.shape[:2], level.dtype, level.device) for level in features]
    for number, kind in enumerate(kinds):
        if kind != kinds[0]:
            raise ValueError(
                'features must agree in images, channels, type and device, '
                f'got {kind} at level {number} and {kinds[0]} at level 0'
            )
    if levels.shape != rois.shape[:1] or levels.is_floating_point() or levels.is_complex():
        raise ValueError(
            f'levels must be integers of shape ({len(rois)},), '
            f'got {levels.dtype} of shape {tuple(levels.shape)}'
        )
    if levels.device != rois.device:
        raise ValueError(f'levels must be on {rois.device} as rois are, got {levels.device}')
    check_rois(rois.detach(), len(features[0]), aligned)
    bad = (levels < 0) | (levels >= len(features))
    if bad.any():
        row = int(bad.nonzero()[0, 0])
        raise ValueError(
            f'levels must be in 0..{len(features) - 1}, got {int(levels[row])} at index {row}'
        )


def _compiled(
    backend: str, features: Sequence[Tensor], rois: Tensor, levels: Tensor | None, pooling: Pooling
) -> Tensor:
    """The same through a compiled operator, one call per level."""
    parts, places = [], []
    for level, (map_, place) in enumerate(zip(features, members(levels, features), strict=True)):
        chosen = rois.detach() if place is None else rois.detach()[place]
        # Compiled versions crash on what this check refuses.
        pooling.grids(chosen, tuple(map_.shape), level)
        wide = map_ if map_.dtype == torch.float64 else map_.float()
        chosen = chosen.to(wide.dtype)
        scale, ratio = pooling.scales[level], pooling.sampling_ratio
        if not len(chosen):
            # Keeps the level in the graph.
            part = pool([wide], chosen, None, pooling.of(level))
        elif backend == 'mmcv':
            function = importlib.import_module('mmcv.ops').roi_align
            part = function(wide, chosen, pooling.bins, scale, ratio, pooling.mode, pooling.aligned)
        else:
            function = importlib.import_module('torchvision.ops').roi_align
            part = function(wide, chosen, pooling.bins, scale, ratio, pooling.aligned)
        parts.append(part.to(map_.dtype))
        places.append(place)
    if levels is None:
        return parts[0]
    order = torch.cat([place for place in places if place is not None])
    return torch.cat(parts).index_select(0, order.argsort())
