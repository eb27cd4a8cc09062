"""Several images side by side in one."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ['contact_sheet']

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FONT_SCALE = 0.4
# Height of a line of text in pixels.
_LINE = 15


def contact_sheet(
    images: Sequence[npt.NDArray[np.uint8]],
    columns: int,
    *,
    cell: tuple[int, int] = (240, 240),
    gap: int = 6,
    background: int = 255,
    captions: Sequence[str] | None = None,
) -> npt.NDArray[np.uint8]:
    """Lay images out in rows, each fitted into its cell with its proportions kept.

    Args:
        images (Sequence[np.ndarray]): At least one image, ``(h, w, 3)`` uint8, BGR; sizes may
            differ.
        columns (int): Images in a row, 1 or more; fewer images make a narrower sheet.
        cell (tuple[int, int]): Cell size ``(w, h)`` in pixels. Default (240, 240).
        gap (int): Space between and around cells in pixels. Default 6.
        background (int): Grey value behind the images, 0 to 255. Default 255.
        captions (Sequence[str] | None): Text below each image, as many as images; lines are
            parted by line feeds and cut where the cell ends. Default None: no text.

    Returns:
        np.ndarray: uint8, ``(rows * (cell_h + gap) + gap, columns * (cell_w + gap) + gap, 3)``;
        captions add their lines to each row's height.

    Raises:
        ValueError: There is no image, an image is not ``(h, w, 3)`` uint8, ``columns`` is below
            1, or there are not as many captions as images.

    Example:
        >>> contact_sheet([np.zeros((10, 20, 3), np.uint8)] * 3, 2, cell=(20, 20), gap=0).shape
        (40, 40, 3)
    """
    if not len(images):
        raise ValueError('images must be one image or more, got none')
    if columns < 1:
        raise ValueError(f'columns must be 1 or more, got {columns}')
    if captions is not None and len(captions) != len(images):
        raise ValueError(f'captions must be {len(images)} as images are, got {len(captions)}')
    lines = [caption.split('\n') for caption in captions or ()]
    text_height = _LINE * max((len(caption) for caption in lines), default=0)
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    width, height = cell
    pitch = height + text_height + gap
    shape = (rows * pitch + gap, columns * (width + gap) + gap, 3)
    sheet = np.full(shape, background, dtype=np.uint8)
    for number, image in enumerate(images):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ValueError(f'images must be (h, w, 3) uint8, got {image.shape} {image.dtype}')
        scale = min(width / image.shape[1], height / image.shape[0])
        size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        fitted = cv2.resize(image, size, interpolation=method)
        row, column = divmod(number, columns)
        left, top = gap + column * (width + gap), gap + row * pitch
        y, x = top + (height - size[1]) // 2, left + (width - size[0]) // 2
        sheet[y : y + size[1], x : x + size[0]] = fitted
        if lines:
            cell_text = sheet[top + height : top + height + text_height, left : left + width]
            _write(cell_text, lines[number], 0 if background > 127 else 255)
    return sheet


def _write(area: npt.NDArray[np.uint8], lines: Sequence[str], grey: int) -> None:
    """Write lines into an empty area, each cut to its width."""
    canvas = np.ascontiguousarray(area)
    for number, line in enumerate(lines):
        while line and _width(line) > area.shape[1]:
            line = line.removesuffix('...')[:-1] + '...' if len(line) > 4 else ''
        place = (0, (number + 1) * _LINE - 5)
        cv2.putText(canvas, line, place, _FONT, _FONT_SCALE, (grey,) * 3, 1, cv2.LINE_AA)
    area[:] = canvas


def _width(line: str) -> int:
    return cv2.getTextSize(line, _FONT, _FONT_SCALE, 1)[0][0]
