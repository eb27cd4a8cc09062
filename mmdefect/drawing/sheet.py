"""Several images side by side in one."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ['contact_sheet']


def contact_sheet(
    images: Sequence[npt.NDArray[np.uint8]],
    columns: int,
    *,
    cell: tuple[int, int] = (240, 240),
    gap: int = 6,
    background: int = 255,
) -> npt.NDArray[np.uint8]:
    """Lay images out in rows, each fitted into its cell with its proportions kept.

    Args:
        images (Sequence[np.ndarray]): At least one image, ``(h, w, 3)`` uint8, BGR; sizes may
            differ.
        columns (int): Images in a row, 1 or more; fewer images make a narrower sheet.
        cell (tuple[int, int]): Cell size ``(w, h)`` in pixels. Default (240, 240).
        gap (int): Space between and around cells in pixels. Default 6.
        background (int): Grey value behind the images, 0 to 255. Default 255.

    Returns:
        np.ndarray: ``(rows * (cell_h + gap) + gap, columns * (cell_w + gap) + gap, 3)`` uint8.

    Raises:
        ValueError: There is no image, an image is not ``(h, w, 3)`` uint8, or ``columns`` is
            below 1.

    Example:
        >>> contact_sheet([np.zeros((10, 20, 3), np.uint8)] * 3, 2, cell=(20, 20), gap=0).shape
        (40, 40, 3)
    """
    if not len(images):
        raise ValueError('images must be one image or more, got none')
    if columns < 1:
        raise ValueError(f'columns must be 1 or more, got {columns}')
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    width, height = cell
    shape = (rows * (height + gap) + gap, columns * (width + gap) + gap, 3)
    sheet = np.full(shape, background, dtype=np.uint8)
    for number, image in enumerate(images):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ValueError(f'images must be (h, w, 3) uint8, got {image.shape} {image.dtype}')
        scale = min(width / image.shape[1], height / image.shape[0])
        size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        fitted = cv2.resize(image, size, interpolation=method)
        row, column = divmod(number, columns)
        y = gap + row * (height + gap) + (height - size[1]) // 2
        x = gap + column * (width + gap) + (width - size[0]) // 2
        sheet[y : y + size[1], x : x + size[0]] = fitted
    return sheet
