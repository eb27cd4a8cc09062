"""A part of an image, prepared as the test pipeline of a config prepares images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from mmdet.structures import DetDataSample
from mmengine.dataset import Compose

from mmdefect.errors import InputError

__all__ = ['TilePipeline']

# Steps around those that concern pixels: tiles come loaded, and are packed here.
_AROUND = ('Load', 'Pack', 'InferencerLoader')
_META_KEYS = (
    'ori_shape', 'img_shape', 'pad_shape', 'scale_factor', 'flip', 'flip_direction',
    'homography_matrix',
)  # fmt: skip


class TilePipeline:
    """The steps of a test pipeline between loading and packing.

    Args:
        steps (Sequence[Mapping | Callable]): A test pipeline, configs or built steps; those that
            load or pack are left out.
        fit_into (tuple[int, int] | None): Width and height in pixels that the input is scaled to
            fit into, its aspect kept, instead of by the pipeline's own ``Resize``. Default None.

    Raises:
        InputError: A step cannot be built.

    Example:
        >>> pipeline = TilePipeline([dict(type='mmdet.Resize', scale=(8, 8), keep_ratio=True)])
        >>> inputs, sample = pipeline(np.zeros((4, 4, 3), np.uint8))
        >>> tuple(inputs.shape), sample.ori_shape, sample.scale_factor
        ((3, 8, 8), (4, 4), (2.0, 2.0))
    """

    def __init__(
        self,
        steps: Sequence[Mapping[str, Any] | Any],
        fit_into: tuple[int, int] | None = None,
    ) -> None:
        chosen = [step for step in steps if not _name(step).startswith(_AROUND)]
        if fit_into is not None:
            resize = dict(type='mmdet.Resize', scale=tuple(fit_into), keep_ratio=True)
            chosen = [resize, *(step for step in chosen if not _name(step).endswith('Resize'))]
        try:
            self.steps = Compose(chosen)
        except (KeyError, TypeError) as error:
            raise InputError(f'pipeline of tiles: {error}; correct the step') from None

    def __call__(self, pixels: npt.NDArray[Any]) -> tuple[torch.Tensor, DetDataSample]:
        """Prepare one part of an image.

        Args:
            pixels (np.ndarray): uint8 or float32, shape (h, w, channels); not changed.

        Returns:
            tuple[torch.Tensor, DetDataSample]: Input of the model's data preprocessor, shape
            (channels, h, w), which shares no memory with ``pixels``; and its meta keys.

        Raises:
            InputError: A step returned no sample.
        """
        shape = pixels.shape[:2]
        results: dict[str, Any] = {
            'img': pixels,
            'img_path': None,
            'img_id': 0,
            'img_shape': shape,
            'ori_shape': shape,
            'scale_factor': (1.0, 1.0),
        }
        if self.steps.transforms:
            results = self.steps(results)
        if results is None:
            raise InputError('pipeline of tiles: a step returned no sample; leave it out')
        image = np.atleast_3d(results['img'])
        inputs = torch.from_numpy(np.array(image.transpose(2, 0, 1), order='C'))
        meta = {key: results[key] for key in _META_KEYS if key in results}
        return inputs, DetDataSample(metainfo=meta)


def _name(step: Mapping[str, Any] | Any) -> str:
    kind = step['type'] if isinstance(step, Mapping) else type(step)
    return kind.rpartition('.')[2] if isinstance(kind, str) else kind.__name__
