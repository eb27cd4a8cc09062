"""Rows of run-length CSV files: which image and class each is of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mmdefect.datasets.readers.csv_rows import line_blocks, split_row
from mmdefect.datasets.severstal_file import JOINED_HEADER, SPLIT_HEADER
from mmdefect.errors import InputError

__all__ = ['is_run_length_header', 'read_run_rows']

_HEADERS = f'{",".join(SPLIT_HEADER)} or {",".join(JOINED_HEADER)}'


@dataclass(frozen=True, slots=True)
class RunRows:
    """What a run-length CSV file says.

    Args:
        masks (dict[str, dict[int, tuple[str, int]]]): By image and class the run lengths and the
            number of their line; images in the order of their first rows.
        spoiled (set[str]): Images with a row that was left out. Without it they would look like
            good ones.

    Example:
        >>> RunRows({'a.jpg': {3: ('1 4', 2)}}, set()).masks['a.jpg'][3][0]
        '1 4'
    """

    masks: dict[str, dict[int, tuple[str, int]]] = field(default_factory=dict)
    spoiled: set[str] = field(default_factory=set)


def is_run_length_header(line: str) -> bool:
    """Whether a line is the header of a run-length CSV file, its columns in any order.

    Args:
        line (str): The line.

    Returns:
        bool: True when it is.

    Example:
        >>> is_run_length_header('ImageId,ClassId,EncodedPixels'), is_run_length_header('ImageId')
        (True, False)
    """
    return set(split_row(line)) in (set(SPLIT_HEADER), set(JOINED_HEADER))


def read_run_rows(path: Path, num_classes: int, refuse: Callable[[InputError], None]) -> RunRows:
    r"""Read the rows of a run-length CSV file.

    Args:
        path (Path): The file.
        num_classes (int): Classes are 1 to this.
        refuse (Callable[[InputError], None]): What to do with a row that is none.

    Returns:
        RunRows: Its masks, still as text.

    Raises:
        InputError: The file cannot be read, has another header, or what ``refuse`` raises.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / 'train.csv'
        >>> _ = path.write_text('ImageId_ClassId,EncodedPixels\na.jpg_3,1 4 9 2')
        >>> read_run_rows(path, 4, print).masks
        {'a.jpg': {3: ('1 4 9 2', 2)}}
    """
    rows = RunRows()
    header: list[str] = []
    for first, lines in line_blocks(path):
        for number, line in enumerate(lines, start=first):
            if not line.strip():
                continue
            values = split_row(line)
            if not header:
                if not is_run_length_header(line):
                    raise InputError(f'{path}: header {line[:80]!r} must be {_HEADERS}')
                header = values
                continue
            image, kind, runs = _fields(dict(zip(header, values, strict=False)))
            masks = rows.masks.get(image, {})
            if len(values) != len(header):
                what = f'{len(values)} values; write {",".join(header)}'
            elif not image:
                what = f'no image is named; write {",".join(header)}'
            elif kind not in range(1, num_classes + 1):
                what = f'class must be one of 1 to {num_classes}; correct it'
            elif kind in masks:
                what = f'class {kind} of {image} stands in line {masks[kind][1]} too; keep one'
            else:
                rows.masks.setdefault(image, masks)[kind] = runs, number
                continue
            rows.spoiled.add(image)
            refuse(InputError(f'{path}, line {number}: {what}'))
    if not header:
        raise InputError(f'{path}: file is empty; its header must be {_HEADERS}')
    return rows


def _fields(row: dict[str, str]) -> tuple[str, int, str]:
    """Image, class and run lengths; class 0 where there is none."""
    image, kind = row.get('ImageId', ''), row.get('ClassId', '')
    if 'ImageId_ClassId' in row:
        image, _, kind = row['ImageId_ClassId'].rpartition('_')
    # Not int(): 1.0 and 1_0 are no classes.
    number = int(kind) if kind.isdecimal() and len(kind) < 9 else 0
    return image, number, row.get('EncodedPixels', '')
