"""Strict image loading as a pipeline step."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from mmdefect.datasets.images import read_image
from mmdefect.datasets.model_range import to_model_range
from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.registry import TRANSFORMS

__all__ = ['LoadImage']


@TRANSFORMS.register_module()
class LoadImage(BaseTransform):
    """Read the image of a sample with :func:`mmdefect.datasets.images.read_image`.

    Required keys: ``img_path`` (str). Added keys: ``img`` (uint8 or float32, (h, w, channels)),
    ``img_shape`` and ``ori_shape`` (``(h, w)``).

    Args:
        bit_depth (int | None): Bits the camera fills in a 16-bit file: 10, 12, 14 or 16.
            Default None, which is 16.
        channels (int): 3 for BGR, 1 for grey. Default 3.
        **unknown: Refused, naming the nearest known key.

    Raises:
        InputError: An unknown key or value here; on loading, an image that cannot be read.

    Example:
        >>> LoadImage(bit_dept=12)
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: LoadImage: unknown key 'bit_dept'; did you mean 'bit_depth'?
    """

    def __init__(self, bit_depth: int | None = None, channels: int = 3, **unknown: Any) -> None:
        reject_unknown_keys('LoadImage', unknown, ('bit_depth', 'channels'))
        if bit_depth not in (None, 10, 12, 14, 16):
            raise InputError(f'LoadImage: bit_depth must be 10, 12, 14 or 16, got {bit_depth!r}')
        if channels not in (1, 3):
            raise InputError(f'LoadImage: channels must be 1 or 3, got {channels!r}')
        self.bit_depth = bit_depth
        self.channels = channels

    def transform(self, results: dict[str, Any] | str | np.ndarray) -> dict[str, Any]:
        """Add the image.

        Args:
            results (dict | str | np.ndarray): A sample with ``img_path``; a path or an upright
                BGR or grey array, as ``DetInferencer`` passes them, is made into one.

        Returns:
            dict: The same sample with ``img``, ``img_shape`` and ``ori_shape``.

        Raises:
            InputError: The image cannot be read.
        """
        if isinstance(results, np.ndarray):
            image = to_model_range(results, self.bit_depth, self.channels)
            results = {'img_path': None}
        else:
            results = {'img_path': results} if isinstance(results, str) else results
            image = read_image(results['img_path'], self.bit_depth, self.channels)
        results['img'] = image
        results['img_shape'] = image.shape[:2]
        results['ori_shape'] = image.shape[:2]
        return results

    def __repr__(self) -> str:
        """As in a config."""
        return f'LoadImage(bit_depth={self.bit_depth}, channels={self.channels})'
