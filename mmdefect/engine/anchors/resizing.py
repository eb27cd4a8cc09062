"""What a pipeline makes of the size of an image, without loading it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from mmcv.image.geometric import rescale_size
from mmdet.datasets.transforms import FixScaleResize
from mmdet.datasets.transforms.transforms import rescale_size as fixed_rescale_size
from mmengine.registry import TRANSFORMS

from mmdefect.datasets.seeded_draw import seeded
from mmdefect.engine.anchors.naming_key import naming_key

__all__ = ['ResizedImages', 'pipeline_steps', 'resize_images']

_RESIZES = ('Resize', 'FixScaleResize', 'RandomResize', 'RandomChoiceResize')
_CROPS = ('RandomCrop', 'RegisteredCrop')
# Steps that move boxes or change sizes in another way.
_NOT_FOLLOWED = (
    'CachedMixUp', 'CachedMosaic', 'Expand', 'FixShapeResize', 'MinIoURandomCrop', 'MixUp',
    'Mosaic', 'Pad', 'RandomAffine', 'RandomCenterCropPad', 'ResizeShortestEdge',
)  # fmt: skip

_Sizes = npt.NDArray[np.int64]


def pipeline_steps(pipeline: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The steps of a pipeline in order, those inside others too.

    Of ``MultiBranch`` only the branch of labelled images counts.

    Args:
        pipeline (Any): ``pipeline`` of a data set's config.

    Yields:
        tuple[str, Mapping]: Name without scope, and config.

    Example:
        >>> branches = dict(type='MultiBranch', sup=[dict(type='Resize', scale=(64, 64))])
        >>> [name for name, _ in pipeline_steps([branches])]
        ['MultiBranch', 'Resize']
    """
    for step in [pipeline] if isinstance(pipeline, Mapping) else pipeline or ():
        if not isinstance(step, Mapping):
            continue
        name = str(step.get('type')).rpartition('.')[2]
        yield name, step
        yield from pipeline_steps(
            step.get('sup') if name == 'MultiBranch' else step.get('transforms')
        )


@dataclass(frozen=True, eq=False)
class ResizedImages:
    """What a pipeline makes of images.

    Args:
        sizes (np.ndarray): ``(w, h)`` that the model sees in pixels, int64, shape (M, 2).
        factors (np.ndarray): Pixels of the model per pixel of the file, along x and y, float64,
            shape (M, 2).
        cuts (list[str]): Names of steps that cut a part out of the image.
        not_followed (list[str]): Names of steps that change sizes or places in another way.

    Example:
        >>> ResizedImages(np.array([[64, 64]]), np.array([[2., 2.]]), ['RandomCrop'], []).cuts
        ['RandomCrop']
    """

    sizes: _Sizes
    factors: npt.NDArray[np.float64]
    cuts: list[str]
    not_followed: list[str]


def resize_images(
    pipeline: Any, sizes: _Sizes, seed: int = 0, name: str = 'pipeline'
) -> ResizedImages:
    """Follow the resizing and cropping steps of a pipeline.

    Args:
        pipeline (Any): ``pipeline`` of a data set's config.
        sizes (np.ndarray): ``(w, h)`` of the images in pixels, int64, shape (M, 2).
        seed (int): Seed of scales and crops that are drawn for each image. Default 0.
        name (str): What messages call the config. Default ``pipeline``.

    Returns:
        ResizedImages: Sizes and factors after it.

    Raises:
        InputError: A step has keys or values that it refuses.

    Example:
        >>> step = dict(type='Resize', scale=(224, 224), keep_ratio=True)
        >>> resize_images([step], np.array([[200, 100]])).sizes.tolist()
        [[224, 112]]
    """
    factors = np.ones(sizes.shape)
    cuts: dict[str, None] = {}
    not_followed: dict[str, None] = {}
    for kind, config in pipeline_steps(pipeline):
        if kind in _NOT_FOLLOWED:
            not_followed[kind] = None
        elif kind in (*_RESIZES, *_CROPS):
            with naming_key(f'{name}: {kind}'), seeded(seed):
                step = TRANSFORMS.build({'_scope_': 'mmdet', **config})
                if kind in _CROPS:
                    cuts[kind] = None
                    after = _crop(step, sizes)
                else:
                    after = _resize(step, sizes)
                    factors = factors * after / np.maximum(sizes, 1)
            sizes = after
    return ResizedImages(sizes, factors, list(cuts), list(not_followed))


def _crop(step: Any, sizes: _Sizes) -> _Sizes:
    if hasattr(step, '_get_crop_size'):
        cut = [step._get_crop_size((height, width))[::-1] for width, height in sizes.tolist()]
        return np.array(cut, np.int64).reshape(-1, 2)
    return np.minimum(sizes, np.array(step.crop_size, np.int64))


def _resize(step: Any, sizes: _Sizes) -> _Sizes:
    draw = getattr(step, '_random_scale', None)
    if draw is None and hasattr(step, '_random_select'):
        draw = lambda: step._random_select()[0]  # noqa: E731
    if draw is not None:
        drawn = np.array([draw() for _ in range(len(sizes))])
        # A single number is a factor.
        by_factor = drawn.ndim == 1
        scales = _scaled(sizes, drawn[:, None]) if by_factor else drawn.astype(np.int64)
    elif step.scale is not None:
        scales = np.tile(np.array(step.scale, np.int64), (len(sizes), 1))
    else:
        scales = _scaled(sizes, np.array(step.scale_factor))
    inner = step if draw is None else step.resize
    if not getattr(inner, 'keep_ratio', False):
        return scales
    # Many images share their size, and most pipelines their scale.
    pairs, inverse = np.unique(np.hstack([sizes, scales]), axis=0, return_inverse=True)
    rescale = fixed_rescale_size if isinstance(inner, FixScaleResize) else rescale_size
    fitted = [rescale(tuple(pair[:2]), tuple(pair[2:])) for pair in pairs.tolist()]
    return np.array(fitted, np.int64).reshape(-1, 2)[inverse.reshape(-1)]


def _scaled(sizes: _Sizes, factors: npt.NDArray[Any]) -> _Sizes:
    return (sizes * factors + 0.5).astype(np.int64)
