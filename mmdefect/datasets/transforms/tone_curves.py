"""Six operations on grey values, with Pillow's numbers.

Images are (h, w), (h, w, 1) or (h, w, 3) BGR, uint8 or float32 in 0..255, and are not changed.
For uint8 everything but sharpness is a table of 256 values per channel. mmcv's versions want three
channels and differ from Pillow by one grey value here and there.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ['auto_contrast', 'brightness', 'contrast', 'equalize', 'posterize', 'sharpness']

_VALUES = np.arange(256)
# Rec. 601 luma of B, G, R in units of 1 / 65536, as Pillow rounds them.
_LUMA = np.array([7471, 38470, 19595])
_SMOOTH = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]], np.float32) / 13


def auto_contrast(image: NDArray[Any]) -> NDArray[Any]:
    """Stretch each channel so that its darkest pixel is 0 and its lightest 255.

    Args:
        image (np.ndarray): Image.

    Returns:
        np.ndarray: New image; a channel of one value stays as it is.

    Example:
        >>> auto_contrast(np.array([[90, 150, 175]], np.uint8)).tolist()
        [[0, 180, 255]]
    """

    def curve(channel: NDArray[Any]) -> NDArray[np.float64]:
        low, high = float(channel.min()), float(channel.max())
        if low >= high:
            return _VALUES.astype(np.float64)
        return _VALUES * (255 / (high - low)) - low * (255 / (high - low))

    return _map_channels(image, curve)


def equalize(image: NDArray[Any]) -> NDArray[Any]:
    """Spread the values of each channel so that their histogram becomes even.

    Args:
        image (np.ndarray): Image; float values between two whole ones are interpolated.

    Returns:
        np.ndarray: New image.

    Example:
        >>> ramp = np.arange(100, 116, dtype=np.uint8).repeat(255).reshape(16, 255)
        >>> np.unique(equalize(ramp))[[0, -1]].tolist()
        [0, 255]
    """

    def curve(channel: NDArray[Any]) -> NDArray[np.float64]:
        counts = np.bincount(channel.astype(np.uint8).ravel(), minlength=256)
        used = counts[counts > 0]
        step = int(used[:-1].sum()) // 255
        if not step:
            return _VALUES.astype(np.float64)
        below = np.concatenate([[0], counts.cumsum()[:-1]])
        return np.minimum((below + step // 2) // step, 255).astype(np.float64)

    return _map_channels(image, curve)


def brightness(image: NDArray[Any], factor: float) -> NDArray[Any]:
    """Multiply the grey values.

    Args:
        image (np.ndarray): Image.
        factor (float): 0 is black, 1 the image as it is.

    Returns:
        np.ndarray: New image.

    Example:
        >>> brightness(np.array([[100, 200]], np.uint8), 1.4).tolist()
        [[140, 255]]
    """
    return _map_channels(image, lambda _: _blend(np.zeros(256), _VALUES, factor))


def contrast(image: NDArray[Any], factor: float) -> NDArray[Any]:
    """Move the grey values away from the mean luma, or towards it.

    Args:
        image (np.ndarray): Image.
        factor (float): 0 is one grey, 1 the image as it is.

    Returns:
        np.ndarray: New image.

    Example:
        >>> contrast(np.array([[100, 200]], np.uint8), 0.5).tolist()
        [[125, 175]]
    """
    if image.ndim == 3 and image.shape[2] == 3:
        luma = image @ (_LUMA.astype(np.float32) / 65536)
        if image.dtype == np.uint8:
            luma = (image.astype(np.int64) @ _LUMA + 0x8000) >> 16
    else:
        luma = image
    mean = float(luma.mean(dtype=np.float64))
    if image.dtype == np.uint8:
        mean = float(int(mean + 0.5))
    return _map_channels(image, lambda _: _blend(np.full(256, mean), _VALUES, factor))


def sharpness(image: NDArray[Any], factor: float) -> NDArray[Any]:
    """Move the image away from its smoothed version, or towards it.

    Args:
        image (np.ndarray): Image.
        factor (float): 0 is smooth, 1 the image as it is. The outermost pixels stay.

    Returns:
        np.ndarray: New image.

    Example:
        >>> spot = np.zeros((3, 3), np.uint8)
        >>> spot[1, 1] = 130
        >>> sharpness(spot, 0.5)[1].tolist()
        [0, 90, 0]
    """
    smooth = image.astype(np.float32)
    if min(image.shape[:2]) > 2:
        inner = cv2.filter2D(np.ascontiguousarray(smooth), -1, _SMOOTH).reshape(image.shape)
        if image.dtype == np.uint8:
            inner = np.floor(inner + 0.5)
        smooth[1:-1, 1:-1] = inner[1:-1, 1:-1]
    return _blend(smooth, image, factor).astype(image.dtype)


def posterize(image: NDArray[Any], bits: int) -> NDArray[Any]:
    """Keep the highest bits of each grey value.

    Args:
        image (np.ndarray): Image.
        bits (int): Bits kept, 1 to 8; 8 leaves uint8 as it is.

    Returns:
        np.ndarray: New image.

    Example:
        >>> posterize(np.array([[100, 255]], np.uint8), 4).tolist()
        [[96, 240]]
    """
    if image.dtype == np.uint8:
        return image & np.uint8(256 - (1 << (8 - bits)))
    step = float(1 << (8 - bits))
    return (np.floor(image / step) * step).astype(image.dtype)


def _blend(without: NDArray[Any], with_all: NDArray[Any], factor: float) -> NDArray[np.float32]:
    """Pillow's blend: in float32, cut to 0..255."""
    without = without.astype(np.float32)
    mixed = without + np.float32(factor) * (with_all.astype(np.float32) - without)
    return mixed.clip(0, 255)


def _map_channels(image: NDArray[Any], curve: Any) -> NDArray[Any]:
    """Apply a curve of 256 values to each channel; between them linearly."""
    shaped = image.reshape(*image.shape[:2], -1)
    mapped = np.empty_like(shaped)
    for index in range(shaped.shape[2]):
        channel = shaped[..., index]
        values = np.asarray(curve(channel), np.float64).clip(0, 255)
        if image.dtype == np.uint8:
            mapped[..., index] = values.astype(np.uint8)[channel]
        else:
            mapped[..., index] = np.interp(channel, _VALUES, values)
    return mapped.reshape(image.shape)
