"""An image with its decision above it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from mmdefect.drawing.boxes import draw_boxes

__all__ = ['draw_verdict']

_FONT = cv2.FONT_HERSHEY_SIMPLEX
# BGR, dark enough for white text.
_COLOURS = {'PASS': (60, 125, 30), 'HOLD': (0, 110, 190), 'FAIL': (40, 40, 190)}
_LINE = 24
_NARROWEST = 320


def draw_verdict(
    image: npt.NDArray[np.uint8],
    outcome: str,
    reason: str,
    boxes: npt.ArrayLike = (),
    labels: npt.ArrayLike = (),
    scores: npt.ArrayLike = (),
    classes: Sequence[str] | None = None,
) -> npt.NDArray[np.uint8]:
    """Draw boxes into a copy of an image, and put its decision on a bar above it.

    Args:
        image (np.ndarray): ``(h, w, 3)`` uint8, BGR.
        outcome (str): ``PASS``, ``HOLD`` or ``FAIL``.
        reason (str): Printed behind it, cut where the image ends.
        boxes (array): ``(n, 4)`` xyxy in pixels. Default none.
        labels (array): ``(n,)`` class indices from 0. Default none.
        scores (array): ``(n,)`` scores. Default none.
        classes (Sequence[str] | None): Class names by index. Default None: no names.

    Returns:
        np.ndarray: ``(h + 24, max(w, 320), 3)`` uint8, BGR.

    Raises:
        ValueError: The outcome is another, or as of :func:`mmdefect.drawing.draw_boxes`.

    Example:
        >>> draw_verdict(np.zeros((60, 80, 3), np.uint8), 'PASS', 'nothing found').shape
        (84, 320, 3)
    """
    if outcome not in _COLOURS:
        raise ValueError(f'outcome must be one of {", ".join(_COLOURS)}, got {outcome!r}')
    drawn = draw_boxes(image, boxes, labels, scores, classes)
    height, width = drawn.shape[:2]
    sheet = np.full((height + _LINE, max(width, _NARROWEST), 3), 255, np.uint8)
    sheet[:_LINE] = _COLOURS[outcome]
    sheet[_LINE:, :width] = drawn
    # OpenCV's font knows ASCII only.
    text = f'{outcome}  {reason}'.encode('ascii', 'replace').decode()
    white = (255, 255, 255)
    cv2.putText(sheet[:_LINE], text, (6, _LINE - 8), _FONT, 0.5, white, 1, cv2.LINE_AA)
    return sheet
