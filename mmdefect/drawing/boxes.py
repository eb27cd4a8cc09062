"""Boxes with class names and scores, drawn into an image."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from mmdefect.drawing.colours import class_colours

__all__ = ['draw_boxes']

_FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw_boxes(
    image: npt.NDArray[np.uint8],
    boxes: npt.ArrayLike,
    labels: npt.ArrayLike,
    scores: npt.ArrayLike | None = None,
    classes: Sequence[str] | None = None,
    *,
    words: Sequence[str] | None = None,
    dashed: bool = False,
    thickness: int = 2,
    font_scale: float = 0.45,
) -> npt.NDArray[np.uint8]:
    """Draw boxes into a copy of an image.

    Args:
        image (np.ndarray): ``(h, w, 3)`` uint8, BGR.
        boxes (array): ``(n, 4)`` xyxy in pixels of the image; parts outside are cut off.
        labels (array): ``(n,)`` class indices from 0.
        scores (array | None): ``(n,)`` scores from 0 to 1, printed behind the class name.
            Default None: no scores.
        classes (Sequence[str] | None): Class names by index, printed above each box. Default
            None: no names.
        words (Sequence[str] | None): What stands above each box in place of name and score.
            Default None: these.
        dashed (bool): Dashed lines, as used for ground truth. Default False.
        thickness (int): Line width in pixels. Default 2.
        font_scale (float): OpenCV font scale. Default 0.45.

    Returns:
        np.ndarray: ``(h, w, 3)`` uint8, BGR; the input is left as it was.

    Raises:
        ValueError: The image is not ``(h, w, 3)`` uint8, a box is not finite, the lengths
            differ, or a label has no class name.

    Example:
        >>> steel = np.full((60, 80, 3), 128, np.uint8)
        >>> drawn = draw_boxes(steel, [[10, 20, 40, 50]], [0], [0.9], ['scratch'])
        >>> drawn.shape, bool((drawn != steel).any())
        ((60, 80, 3), True)
    """
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f'image must be (h, w, 3) uint8, got {image.shape} {image.dtype}')
    corners = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    indices = np.asarray(labels, dtype=np.int64).reshape(-1)
    if not np.isfinite(corners).all():
        raise ValueError(f'boxes must be finite, got {corners[~np.isfinite(corners).all(1)][0]}')
    if len(indices) != len(corners):
        raise ValueError(f'labels must be {len(corners)} long as boxes are, got {len(indices)}')
    values = None if scores is None else np.asarray(scores, dtype=np.float64).reshape(-1)
    if values is not None and len(values) != len(corners):
        raise ValueError(f'scores must be {len(corners)} long as boxes are, got {len(values)}')
    if words is not None and len(words) != len(corners):
        raise ValueError(f'words must be {len(corners)} long as boxes are, got {len(words)}')
    highest = int(indices.max(initial=-1))
    if indices.min(initial=0) < 0 or (classes is not None and highest >= len(classes)):
        raise ValueError(f'labels must be class indices from 0, got {indices.tolist()}')

    canvas = np.ascontiguousarray(image).copy()
    height, width = canvas.shape[:2]
    limit = np.array([width - 1, height - 1, width - 1, height - 1])
    pixels = np.clip(np.rint(corners), 0, limit).astype(int)
    palette = [_bgr(colour) for colour in class_colours(highest + 1)]
    for number, (box, index) in enumerate(zip(pixels, indices.tolist(), strict=True)):
        colour = palette[index]
        _rectangle(canvas, box, colour, thickness, dashed)
        parts = [] if classes is None else [str(classes[index])]
        if values is not None:
            parts.append(f'{values[number]:.2f}')
        text = ' '.join(parts) if words is None else str(words[number])
        if text:
            _tag(canvas, box, text, colour, font_scale)
    return canvas


def _bgr(colour: str) -> tuple[int, int, int]:
    return int(colour[5:7], 16), int(colour[3:5], 16), int(colour[1:3], 16)


def _rectangle(
    canvas: npt.NDArray[np.uint8],
    box: npt.NDArray[np.int64],
    colour: tuple[int, int, int],
    thickness: int,
    dashed: bool,
) -> None:
    x1, y1, x2, y2 = (int(value) for value in box)
    if not dashed:
        cv2.rectangle(canvas, (x1, y1), (x2, y2), colour, thickness)
        return
    dash = 4 + 2 * thickness
    for y in (y1, y2):
        for x in range(x1, x2 + 1, 2 * dash):
            cv2.line(canvas, (x, y), (min(x + dash, x2), y), colour, thickness)
    for x in (x1, x2):
        for y in range(y1, y2 + 1, 2 * dash):
            cv2.line(canvas, (x, y), (x, min(y + dash, y2)), colour, thickness)


def _tag(
    canvas: npt.NDArray[np.uint8],
    box: npt.NDArray[np.int64],
    text: str,
    colour: tuple[int, int, int],
    font_scale: float,
) -> None:
    (width, height), base = cv2.getTextSize(text, _FONT, font_scale, 1)
    x = max(0, min(int(box[0]), canvas.shape[1] - width - 4))
    above = int(box[1]) - height - base - 3
    top = above if above >= 0 else int(box[1])
    cv2.rectangle(canvas, (x, top), (x + width + 4, top + height + base + 3), colour, -1)
    place = (x + 2, top + height + 2)
    cv2.putText(canvas, text, place, _FONT, font_scale, (255, 255, 255), 1, cv2.LINE_AA)
