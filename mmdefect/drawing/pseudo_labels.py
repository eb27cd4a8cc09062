"""What a teacher says about unlabelled images, as one picture."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from mmdefect.drawing.boxes import draw_boxes
from mmdefect.drawing.colours import class_colours
from mmdefect.drawing.sheet import contact_sheet

__all__ = ['PseudoLabelImage', 'draw_pseudo_labels']

# Boxes of an image that carry words; more would hide it.
_WORDS = 20
# Width of a character of the legend in pixels.
_CHARACTER = 7.2


def _no_boxes() -> npt.NDArray[np.float32]:
    return np.zeros((0, 4), np.float32)


def _nothing() -> npt.NDArray[np.int64]:
    return np.zeros(0, np.int64)


@dataclass(frozen=True)
class PseudoLabelImage:
    """An unlabelled image with the boxes of the teacher.

    Args:
        picture (np.ndarray): ``(h, w, 3)`` uint8, BGR, as the teacher sees it.
        caption (str): Text below it, such as the name of its file. Default empty.
        boxes (np.ndarray): xyxy in pixels of the picture, shape (n, 4). Default none.
        labels (np.ndarray): Class indices, shape (n,). Default none.
        scores (np.ndarray): 0 to 1, shape (n,). Default none.
        uses (Mapping[str, np.ndarray]): By threshold (``'cls'``), which boxes pass it, bool,
            shape (n,). Default none.
        weights (np.ndarray | None): What the views of the part make each box weigh, shape (n,).
            Default None: nobody voted.
        added (np.ndarray | None): Boxes that other views have added, bool, shape (n,). Default
            None: none.
        truth (np.ndarray | None): Hidden ground truth, shape (m, 4). Default None: not known.
        truth_labels (np.ndarray): Class indices, shape (m,). Default none.

    Example:
        >>> PseudoLabelImage(np.zeros((9, 9, 3), np.uint8)).words(['dent'])
        []
    """

    picture: npt.NDArray[np.uint8]
    caption: str = ''
    boxes: npt.NDArray[np.float32] = field(default_factory=_no_boxes)
    labels: npt.NDArray[np.int64] = field(default_factory=_nothing)
    scores: npt.NDArray[np.floating] = field(default_factory=_nothing)
    uses: Mapping[str, npt.NDArray[np.bool_]] = field(default_factory=dict)
    weights: npt.NDArray[np.floating] | None = None
    added: npt.NDArray[np.bool_] | None = None
    truth: npt.NDArray[np.float32] | None = None
    truth_labels: npt.NDArray[np.int64] = field(default_factory=_nothing)

    def words(self, classes: Sequence[str]) -> list[str]:
        """What stands above each box.

        Args:
            classes (Sequence[str]): Class names by index.

        Returns:
            list[str]: Class, score, the first letters of the thresholds that it passes (``-`` for
            none), ``x`` weight where it is not 1, and ``+`` where other views have added it.

        Example:
            >>> image = PseudoLabelImage(
            ...     np.zeros((9, 9, 3), np.uint8), boxes=np.ones((1, 4)), labels=np.array([0]),
            ...     scores=np.array([.5]), uses={'cls': np.array([True])}, weights=np.array([1.5]))
            >>> image.words(['dent'])
            ['dent .50 c x1.5']
        """
        found = []
        for row, (label, score) in enumerate(zip(self.labels, self.scores, strict=True)):
            parts = [str(classes[label]), f'{score:.2f}'.removeprefix('0')]
            if self.uses:
                parts.append(''.join(key[0] for key, mask in self.uses.items() if mask[row]) or '-')
            if self.weights is not None and abs(self.weights[row] - 1) > 1e-3:
                parts.append(f'x{self.weights[row]:.3g}')
            if self.added is not None and self.added[row]:
                parts.append('+')
            found.append(' '.join(parts))
        return found


def draw_pseudo_labels(
    images: Sequence[PseudoLabelImage],
    classes: Sequence[str],
    *,
    columns: int = 4,
    cell: int = 320,
    legend: str = '',
) -> npt.NDArray[np.uint8]:
    """Draw unlabelled images side by side, the teacher's boxes solid, hidden ground truth dashed.

    The best boxes lie on top; of each image the best 20 carry words.

    Args:
        images (Sequence[PseudoLabelImage]): One image or more.
        classes (Sequence[str]): Class names by index.
        columns (int): Images in a row. Default 4.
        cell (int): Longer side of an image on the sheet in pixels. Default 320.
        legend (str): Text above the images, with the colours of the classes; lines parted by line
            feeds. Default empty: neither.

    Returns:
        np.ndarray: ``(h, w, 3)`` uint8, BGR.

    Raises:
        ValueError: There is no image, or the arrays of one do not fit each other.

    Example:
        >>> sheet = draw_pseudo_labels([PseudoLabelImage(np.zeros((9, 9, 3), np.uint8))], ['dent'])
        >>> sheet.shape
        (362, 332, 3)
    """
    cells = [_cell(image, classes, cell) for image in images]
    captions = [f'{image.caption}\n{_counts(image)}' for image in images]
    sheet = contact_sheet(cells, columns, cell=(cell, cell), captions=captions)
    if not legend:
        return sheet
    width = sheet.shape[1] - 12
    lines = [
        part
        for line in legend.split('\n')
        for part in textwrap.wrap(line, max(20, int(width / _CHARACTER)))
    ]
    # An empty image whose caption the legend is.
    blank = np.full((1, 1, 3), 255, np.uint8)
    head = contact_sheet([blank], 1, cell=(width, 1), captions=['\n'.join(lines)])
    return np.concatenate([head, _class_key(classes, sheet.shape[1]), sheet])


def _class_key(classes: Sequence[str], width: int) -> npt.NDArray[np.uint8]:
    """Names beside squares of their colours, in as many lines as they need."""
    places, x, line = [], 6, 0
    for name in classes:
        needed = int(len(str(name)) * _CHARACTER) + 30
        if x + needed > width and x > 6:
            x, line = 6, line + 1
        places.append((x, line))
        x += needed
    key = np.full((18 * (line + 1), width, 3), 255, np.uint8)
    colours = class_colours(len(classes))
    for name, (left, line), colour in zip(classes, places, colours, strict=True):
        bgr = [int(colour[start : start + 2], 16) for start in (5, 3, 1)]
        top = 18 * line + 3
        key[top : top + 11, left : left + 11] = bgr
        cv2.putText(
            key, str(name), (left + 16, top + 10), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1,
            cv2.LINE_AA,
        )  # fmt: skip
    return key


def _cell(image: PseudoLabelImage, classes: Sequence[str], side: int) -> npt.NDArray[np.uint8]:
    """An image at its size on the sheet, so that lines and words stay readable."""
    height, width = image.picture.shape[:2]
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    picture = cv2.resize(image.picture, size, interpolation=method)
    if image.truth is not None:
        picture = draw_boxes(
            picture, image.truth * scale, image.truth_labels, dashed=True, thickness=1
        )
    # The best ones on top.
    order = np.argsort(image.scores, kind='stable')
    words = image.words(classes)
    shown = [words[row] if place >= len(order) - _WORDS else '' for place, row in enumerate(order)]
    return draw_boxes(
        picture, image.boxes[order] * scale, image.labels[order], words=shown, thickness=2,
        font_scale=0.38,
    )  # fmt: skip


def _counts(image: PseudoLabelImage) -> str:
    said = [f'{key} {int(mask.sum())}' for key, mask in image.uses.items()]
    text = f'{len(image.boxes)} boxes' + (f': {", ".join(said)}' if said else '')
    return text if image.truth is None else f'{text}; truth {len(image.truth)}'
