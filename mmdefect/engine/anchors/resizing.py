"""What a pipeline makes of the size of an image, without loading it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from mmcv.image.geometric import rescale_size
from mmengine.registry import TRANSFORMS

from mmdefect.datasets.seeded_draw import seeded

__all__ = ['pipeline_steps', 'resized_sizes']

_RESIZES = ('Resize', 'FixScaleResize', 'RandomResize', 'RandomChoiceResize')
# Steps that move boxes or change sizes by more than a scale.
_NOT_FOLLOWED = (
    'CachedMixUp', 'CachedMosaic', 'Expand', 'FixShapeResize', 'MinIoURandomCrop', 'MixUp',
    'Mosaic', 'Pad', 'RandomAffine', 'RandomCenterCropPad', 'RandomCrop', 'RegisteredCrop',
    'ResizeShortestEdge',
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


def resized_sizes(pipeline: Any, sizes: _Sizes, seed: int = 0) -> tuple[_Sizes, list[str]]:
    """Follow the resizing steps of a pipeline.

    Args:
        pipeline (Any): ``pipeline`` of a data set's config.
        sizes (np.ndarray): ``(w, h)`` of the images in pixels, int64, shape (M, 2).
        seed (int): Seed of scales that are drawn for each image. Default 0.

    Returns:
        tuple[np.ndarray, list[str]]: The sizes after it, int64, shape (M, 2), and the names of
        steps that change sizes or places in a way that is not followed.

    Example:
        >>> step = dict(type='Resize', scale=(224, 224), keep_ratio=True)
        >>> resized_sizes([step], np.array([[200, 100]]))[0].tolist()
        [[224, 112]]
    """
    not_followed = []
    for name, step in pipeline_steps(pipeline):
        if name in _NOT_FOLLOWED:
            not_followed.append(name)
        elif name in _RESIZES:
            sizes = _resize(TRANSFORMS.build({'_scope_': 'mmdet', **step}), sizes, seed)
    return sizes, list(dict.fromkeys(not_followed))


def _resize(step: Any, sizes: _Sizes, seed: int) -> _Sizes:
    if hasattr(step, '_random_scale') or hasattr(step, '_random_select'):
        draw = getattr(step, '_random_scale', None) or (lambda: step._random_select()[0])
        with seeded(seed):
            scales = np.array([draw() for _ in range(len(sizes))], np.int64).reshape(-1, 2)
        keep_ratio = getattr(step.resize, 'keep_ratio', False)
    elif step.scale is not None:
        scales = np.broadcast_to(np.array(step.scale, np.int64), sizes.shape)
        keep_ratio = step.keep_ratio
    else:
        scales = (sizes * np.array(step.scale_factor) + 0.5).astype(np.int64)
        keep_ratio = step.keep_ratio
    if not keep_ratio:
        return scales
    # Many images share their size, and most pipelines their scale.
    pairs, inverse = np.unique(np.hstack([sizes, scales]), axis=0, return_inverse=True)
    fitted = [rescale_size(tuple(pair[:2]), tuple(pair[2:])) for pair in pairs.tolist()]
    return np.array(fitted, np.int64).reshape(-1, 2)[inverse.reshape(-1)]
