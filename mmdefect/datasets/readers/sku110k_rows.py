"""Rows of SKU-110K files as arrays: a million of them in seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import methodcaller
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmdefect.datasets.images import IMAGE_SUFFIXES
from mmdefect.datasets.readers.csv_rows import line_blocks, split_row
from mmdefect.datasets.readers.text_rows import numbers
from mmdefect.errors import InputError

__all__ = ['BoxTable', 'is_shelf_row', 'read_box_table']

_FIELDS = 'image_name,x1,y1,x2,y2,class,image_width,image_height'
_COUNT = _FIELDS.count(',') + 1
_NUMBERS = (1, 2, 3, 4, 6, 7)


@dataclass(frozen=True, slots=True, eq=False)
class BoxTable:
    """All boxes of one file, those of an image together.

    Args:
        images (list[str]): I image names, in the order of their first rows.
        classes (list[str]): Class names.
        ends (NDArray[np.int64]): Shape (I,): end of each image's boxes in the arrays below.
        boxes (NDArray[np.float32]): ``xyxy`` in pixels, corners sorted, shape (N, 4).
        good (NDArray[np.bool_]): Whether a box is finite and has an area, shape (N,).
        sizes (NDArray[np.float64]): ``(w, h)`` that each row states, pixels, shape (N, 2).
        labels (NDArray[np.int32]): Index of the class, shape (N,).
        lines (NDArray[np.int64]): Number of the line, shape (N,).
        reversed_corners (int): Boxes whose corners stood the other way round.

    Example:
        >>> table = BoxTable(
        ...     ['a.jpg'], ['object'], np.array([1]), np.array([[0, 0, 4, 2]], np.float32),
        ...     np.ones(1, bool), np.array([[8., 6.]]), np.zeros(1, np.int32), np.ones(1, int), 0)
        >>> table.rows(0)
        slice(0, 1, None)
    """

    images: list[str]
    classes: list[str]
    ends: NDArray[np.int64]
    boxes: NDArray[np.float32]
    good: NDArray[np.bool_]
    sizes: NDArray[np.float64]
    labels: NDArray[np.int32]
    lines: NDArray[np.int64]
    reversed_corners: int

    def rows(self, image: int) -> slice:
        """Where the boxes of an image stand.

        Args:
            image (int): Index of the image.

        Returns:
            slice: Its rows in the arrays.
        """
        return slice(int(self.ends[image - 1]) if image else 0, int(self.ends[image]))


def is_shelf_row(line: str) -> bool:
    """Whether a line may be one of an SKU-110K file.

    Args:
        line (str): The line.

    Returns:
        bool: True when it may be.

    Example:
        >>> is_shelf_row('train_0.jpg,208,537,422,814,object,3024,3024'), is_shelf_row('a,1,2')
        (True, False)
    """
    fields = split_row(line)
    if fields == _FIELDS.split(','):
        return True
    try:
        numbers('', [fields[index] for index in _NUMBERS])
    except (IndexError, InputError):
        return False
    return len(fields) == _COUNT and fields[0].lower().endswith(IMAGE_SUFFIXES)


def read_box_table(path: Path, refuse: Callable[[InputError], None]) -> BoxTable:
    """Read one file; rows of an image need not be adjacent.

    Takes about 100 bytes a box, and one block of lines at a time.

    Args:
        path (Path): The file.
        refuse (Callable[[InputError], None]): What to do with a row that is none.

    Returns:
        BoxTable: What the others say.

    Raises:
        InputError: The file cannot be read, or what ``refuse`` raises.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / 'annotations_val.csv'
        >>> _ = path.write_text('a.jpg,9,8,1,2,object,64,48')
        >>> read_box_table(path, print).boxes.tolist()
        [[1.0, 2.0, 9.0, 8.0]]
    """
    images: dict[str, int] = {}
    classes: dict[str, int] = {}
    owners: list[NDArray[np.int32]] = [np.zeros(0, np.int32)]
    labels: list[NDArray[np.int32]] = [np.zeros(0, np.int32)]
    lines: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
    values: list[NDArray[np.float64]] = [np.zeros((0, len(_NUMBERS)))]
    for first, texts in line_blocks(path):
        rows: NDArray[np.int64] = np.arange(first, first + len(texts))
        if first == 1 and split_row(texts[0]) == _FIELDS.split(','):
            rows, texts = rows[1:], texts[1:]
        block = _parse(texts)
        if block is None:
            kept = [
                index
                for index, text in enumerate(texts)
                if _is_row(path, int(rows[index]), text, refuse)
            ]
            rows, texts = rows[kept], [texts[index] for index in kept]
            block = _parse(texts)
        if block is not None:
            owners.append(_indices(block[0], images))
            labels.append(_indices(block[1], classes))
            values.append(block[2])
            lines.append(rows)
    owner = np.concatenate(owners)
    order = np.argsort(owner, kind='stable')
    found = np.concatenate(values)[order]
    one, other = found[:, :2], found[:, 2:4]
    with np.errstate(over='ignore'):
        boxes = np.hstack([np.minimum(one, other), np.maximum(one, other)]).astype(np.float32)
    good: NDArray[np.bool_] = np.all(np.isfinite(boxes), axis=1)
    good &= np.all(boxes[:, 2:] > boxes[:, :2], axis=1)
    return BoxTable(
        images=list(images),
        classes=list(classes),
        ends=np.cumsum(np.bincount(owner, minlength=len(images))),
        boxes=boxes,
        good=good,
        sizes=found[:, 4:],
        labels=np.concatenate(labels)[order],
        lines=np.concatenate(lines)[order],
        reversed_corners=int((one > other).any(axis=1).sum()),
    )


def _parse(texts: list[str]) -> tuple[list[str], list[str], NDArray[np.float64]] | None:
    """Names, classes and the numbers (N, 6) of rows; None when one is none, or there is none."""
    if set(map(methodcaller('count', ','), texts)) != {_COUNT - 1}:
        return None
    joined = ','.join(texts)
    fields = split_row(joined) if ' ' in joined else joined.split(',')
    names, classes = fields[0::_COUNT], fields[5::_COUNT]
    if '' in names or '' in classes:
        return None
    try:
        columns = [np.fromiter(map(float, fields[i::_COUNT]), float, len(texts)) for i in _NUMBERS]
    except ValueError:
        return None
    return names, classes, np.stack(columns, axis=1)


def _is_row(path: Path, line: int, text: str, refuse: Callable[[InputError], None]) -> bool:
    """Whether a line is a row; an empty one is none, and nothing is said of it."""
    if not text.strip():
        return False
    where = f'{path}, line {line}'
    fields = split_row(text)
    try:
        if len(fields) != _COUNT:
            raise InputError(f'{where}: {len(fields)} values; write {_FIELDS}')
        numbers(where, [fields[index] for index in _NUMBERS])
        for what, index in (('image_name', 0), ('class', 5)):
            if not fields[index]:
                raise InputError(f'{where}: {what} is empty; write {_FIELDS}')
    except InputError as error:
        refuse(error)
        return False
    return True


def _indices(names: list[str], known: dict[str, int]) -> NDArray[np.int32]:
    """Index of each name; new names are added."""
    for name in dict.fromkeys(names):
        known.setdefault(name, len(known))
    return np.fromiter(map(known.__getitem__, names), np.int32, len(names))
