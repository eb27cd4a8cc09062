"""From three channels to one, late in a pipeline."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.registry import TRANSFORMS

__all__ = ['ToGrey']


@TRANSFORMS.register_module()
class ToGrey(BaseTransform):
    """Make the image of a sample grey, just before it is packed.

    Many upstream augmentations (colour, erasing, shearing) need three channels. Load with
    ``channels=3``, which gives a grey image three equal ones, and put this step last but one:
    they then work for a model with ``in_channels=1``.

    Required keys: ``img`` (uint8 or float32, (h, w, 3) BGR, (h, w, 1) or (h, w)). Modified
    keys: ``img`` (same dtype, (h, w, 1)).

    Args:
        **unknown: Refused.

    Raises:
        InputError: A key is given here; on use, an image with another number of channels.

    Example:
        >>> ToGrey()(dict(img=np.full((2, 3, 3), 7, np.uint8)))['img'].shape
        (2, 3, 1)
    """

    def __init__(self, **unknown: Any) -> None:
        reject_unknown_keys('ToGrey', unknown, ())

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Replace the image.

        Args:
            results (dict): A sample with ``img``.

        Returns:
            dict: The same sample.

        Raises:
            InputError: The image has neither one nor three channels.
        """
        image = results['img']
        if image.ndim == 3 and image.shape[2] == 3:
            image = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_BGR2GRAY)
        elif image.ndim == 3 and image.shape[2] != 1:
            raise InputError(
                f'ToGrey: image must have 1 or 3 channels, got shape {image.shape} for '
                f'{results.get("img_path")}'
            )
        results['img'] = image.reshape(*image.shape[:2], 1)
        return results

    def __repr__(self) -> str:
        """As in a config."""
        return 'ToGrey()'
