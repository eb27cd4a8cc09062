"""Which steps of a pipeline move pixels without saying where to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mmdefect.errors import InputError

__all__ = ['require_known_geometry']

# Steps of MMDetection that move pixels and do not multiply onto homography_matrix.
_UNRECORDED = (
    'Albu', 'CachedMixUp', 'CachedMosaic', 'CopyPaste', 'Expand', 'InstaBoost',
    'MinIoURandomCrop', 'MixUp', 'Mosaic', 'RandomAffine', 'RandomCenterCropPad', 'RandomShift',
)  # fmt: skip
# Where steps that hold others keep them.
_INSIDE = ('transforms', 'aug_space', 'branch_pipelines')


def require_known_geometry(steps: Iterable[Any]) -> None:
    """Refuse steps after which nobody knows where a pixel of the original image went.

    MMDetection's ``Resize``, ``RandomFlip``, ``RandomCrop``, ``Rotate``, ``ShearX``, ``ShearY``,
    ``TranslateX`` and ``TranslateY`` multiply their matrix onto ``homography_matrix``;
    ``RandomAffine``, ``Mosaic`` and others do not. Pseudo labels led through such a matrix would
    lie beside the defects without a word.

    Args:
        steps (Iterable): Built steps of a pipeline; those inside ``RandomOrder``,
            ``RandomChoice``, ``RandomApply``, ``RandAugment`` and ``MultiBranch`` are looked at
            too.

    Raises:
        InputError: One of them does not record what it does.

    Example:
        >>> from mmengine.registry import TRANSFORMS
        >>> require_known_geometry([TRANSFORMS.build(dict(type='mmdet.RandomAffine'))])
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: RandomAffine moves pixels but does not record
        homography_matrix; use Rotate, ShearX, ShearY, TranslateX, TranslateY, Resize or RandomCrop
    """
    for step in _walk(steps):
        name = type(step).__name__
        if name in _UNRECORDED:
            raise InputError(
                f'{name} moves pixels but does not record homography_matrix; use Rotate, ShearX, '
                'ShearY, TranslateX, TranslateY, Resize or RandomCrop'
            )


def _walk(steps: Any) -> Iterator[Any]:
    """All steps in nested lists, dicts and steps."""
    if isinstance(steps, Mapping):
        steps = steps.values()
    elif not isinstance(steps, (list, tuple)):
        yield steps
        steps = [getattr(steps, name) for name in _INSIDE if hasattr(steps, name)]
    for step in steps:
        yield from _walk(step)
