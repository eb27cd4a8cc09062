"""Decoded pixels in the range and the channels that models see."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mmdefect.errors import InputError

__all__ = ['BIT_DEPTHS', 'to_model_range']

# Bits that cameras fill in a 16-bit file.
BIT_DEPTHS = (10, 12, 14, 16)


def to_model_range(
    pixels: NDArray[Any], bit_depth: int | None = None, channels: int = 3, name: str = 'image'
) -> NDArray[Any]:
    """Bring decoded pixels into the range and the channels that the models see.

    Args:
        pixels (NDArray): Upright ``uint8`` or ``uint16`` pixels, shape (h, w) or (h, w, 3) BGR.
        bit_depth (int | None): Bits in use in ``uint16`` pixels. Default None, which is 16.
        channels (int): 3 for BGR, 1 for grey. Default 3.
        name (str): What error messages call the image. Default ``image``.

    Returns:
        NDArray: ``uint8``, or ``float32`` in 0..255 from ``uint16``; shape (h, w, channels).

    Raises:
        InputError: A value lies above the stated bit depth.

    Example:
        >>> to_model_range(np.full((1, 1), 1023, np.uint16), bit_depth=10, channels=1).item()
        255.0
    """
    if pixels.dtype == np.uint16:
        pixels = _scale_to_255(pixels, bit_depth or 16, name)
    return _with_channels(pixels, channels)


def _scale_to_255(pixels: NDArray[Any], bit_depth: int, name: str) -> NDArray[np.float32]:
    limit = 2**bit_depth - 1
    largest = int(pixels.max(initial=0))
    if largest > limit:
        likely = next(depth for depth in BIT_DEPTHS if largest < 2**depth)
        raise InputError(
            f'{name}: pixel value {largest} is above the stated bit_depth={bit_depth} '
            f'(largest {limit}); set bit_depth={likely}'
        )
    return pixels.astype(np.float32) * np.float32(255 / limit)


def _with_channels(pixels: NDArray[Any], channels: int) -> NDArray[Any]:
    grey = pixels.ndim == 2
    if channels == 3:
        return cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR) if grey else pixels
    return (pixels if grey else cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY))[..., None]
