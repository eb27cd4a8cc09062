"""Mask images: their values as stored, and boxes around what is connected in them."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ImageOps
from pycocotools import mask as coco_mask

from mmdefect.datasets.images import decode_image, image_bytes, open_image
from mmdefect.errors import InputError

__all__ = ['component_boxes', 'component_masks', 'mask_values', 'read_mask']


def read_mask(path: str | Path) -> NDArray[Any]:
    """Read a mask with its values as the file holds them.

    Of a palette image these are the indices, not the colours. Colour images whose channels are
    equal are grey; alpha is dropped; EXIF orientation is applied.

    Args:
        path (str | Path): PNG, TIFF, BMP or another format that Pillow reads, 8 or 16 bits.

    Returns:
        NDArray: ``uint8`` or ``uint16``, shape (h, w).

    Raises:
        InputError: The file is missing, damaged, no image, or coloured.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> path = Path(tempfile.mkdtemp()) / 'mask.png'
        >>> Image.fromarray(np.array([[0, 3]], np.uint8)).save(path)
        >>> read_mask(path)
        array([[0, 3]], dtype=uint8)
    """
    data = image_bytes(path)
    pixels = decode_image(data, path).pixels
    with open_image(BytesIO(data)) as opened:
        if opened.mode == 'P':
            return np.ascontiguousarray(ImageOps.exif_transpose(opened), np.uint8)
    if pixels.ndim == 2:
        return pixels
    grey = pixels[..., 0]
    if not (np.array_equal(grey, pixels[..., 1]) and np.array_equal(grey, pixels[..., 2])):
        raise InputError(
            f'{path}: a mask in colours; store one value per class, as grey or palette image'
        )
    return np.ascontiguousarray(grey)


def mask_values(mask: NDArray[Any]) -> list[int]:
    """The values above 0 in a mask.

    Args:
        mask (NDArray): ``uint8`` or ``uint16``, shape (h, w).

    Returns:
        list[int]: In ascending order.

    Example:
        >>> mask_values(np.array([[0, 255], [7, 255]], np.uint8))
        [7, 255]
    """
    size = np.iinfo(mask.dtype).max + 1
    counts = cv2.calcHist([mask], [0], None, [size], [0, size])
    values: list[int] = np.flatnonzero(counts[1:, 0]).tolist()
    return [value + 1 for value in values]


def component_boxes(mask: NDArray[np.bool_], min_area: int = 1) -> tuple[NDArray[np.float32], int]:
    """Boxes around the 8-connected components of a mask.

    Takes five bytes a pixel besides the mask.

    Args:
        mask (NDArray[np.bool_]): Shape (h, w).
        min_area (int): Components of fewer pixels are left out. Default 1.

    Returns:
        tuple[NDArray[np.float32], int]: ``xyxy`` in pixels, shape (N, 4), from top to bottom,
        then from left to right; and the number of components left out.

    Source:
        Bolelli, Allegretti, Baraldi, Grana: Spaghetti Labeling, IEEE TIP 2019 (OpenCV).

    Example:
        >>> mask = np.array([[1, 0, 0, 0], [0, 1, 0, 1]], bool)
        >>> component_boxes(mask)[0].tolist()
        [[0.0, 0.0, 2.0, 2.0], [3.0, 1.0, 4.0, 2.0]]
    """
    stats = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)[2]
    numbers, boxes = _kept(stats, min_area)
    return boxes, len(stats) - 1 - len(numbers)


def component_masks(
    mask: NDArray[np.bool_], min_area: int = 1
) -> tuple[NDArray[np.float32], list[dict[str, Any]], int]:
    """Boxes around the 8-connected components of a mask, and their own masks.

    Args:
        mask (NDArray[np.bool_]): Shape (h, w).
        min_area (int): Components of fewer pixels are left out. Default 1.

    Returns:
        tuple[NDArray[np.float32], list[dict[str, Any]], int]: Boxes and number left out as of
        :func:`component_boxes`, and between them N run lengths as COCO has them, ``size`` [h, w]
        and ``counts`` (text).

    Example:
        >>> mask = np.array([[1, 0, 0, 0], [0, 1, 0, 1]], bool)
        >>> runs = component_masks(mask)[1]
        >>> [int(coco_mask.area(one)) for one in runs]
        [2, 1]
    """
    _, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    numbers, boxes = _kept(stats, min_area)
    runs = [
        coco_mask.encode(np.asfortranarray(parts == number, np.uint8))
        for number in numbers.tolist()
    ]
    found = [{'size': one['size'], 'counts': one['counts'].decode('ascii')} for one in runs]
    return boxes, found, len(stats) - 1 - len(numbers)


def _kept(stats: NDArray[Any], min_area: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Numbers of the components that are large enough, and their boxes, both in order."""
    numbers = np.flatnonzero(stats[1:, cv2.CC_STAT_AREA] >= min_area) + 1
    corners = stats[numbers][:, [cv2.CC_STAT_LEFT, cv2.CC_STAT_TOP]]
    sizes = stats[numbers][:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]]
    boxes = np.hstack([corners, corners + sizes])
    order = np.lexsort((boxes[:, 3], boxes[:, 2], boxes[:, 0], boxes[:, 1]))
    return numbers[order], boxes[order].astype(np.float32)
