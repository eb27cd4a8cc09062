"""Run-length CSV files as the Severstal competition has them: headers, and writing one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmdefect.datasets.run_length import encode_runs
from mmdefect.errors import InputError
from mmdefect.fileio import write_text

__all__ = ['JOINED_HEADER', 'SEVERSTAL_CLASSES', 'SPLIT_HEADER', 'write_severstal']

# Classes 1 to 4.
SEVERSTAL_CLASSES = ('pitted', 'crazing', 'scratch', 'patch')
SPLIT_HEADER = ('ImageId', 'ClassId', 'EncodedPixels')
JOINED_HEADER = ('ImageId_ClassId', 'EncodedPixels')


def write_severstal(
    path: str | Path,
    images: Iterable[tuple[str, Mapping[int, NDArray[np.bool_]]]],
    joined: bool = True,
    num_classes: int = len(SEVERSTAL_CLASSES),
) -> None:
    """Write masks as a run-length CSV file, such as a submission.

    Args:
        path (str | Path): File to write; missing parent folders are made.
        images (Iterable[tuple[str, Mapping[int, NDArray[np.bool_]]]]): File name of each image
            and its masks, shape (h, w), by class from 1. One image is in memory at a time.
        joined (bool): Header ``ImageId_ClassId,EncodedPixels`` with a row for every image and
            class, empty where there is no defect, as submissions are; or, if False,
            ``ImageId,ClassId,EncodedPixels`` with a row for every mask that is not empty, as
            ``train.csv`` is. Default True.
        num_classes (int): Number of classes. Default 4.

    Raises:
        InputError: An image stands twice, its name is empty or holds a comma, a class is not
            among 1 to ``num_classes``, or the file cannot be written.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / 'submission.csv'
        >>> write_severstal(path, [('a.jpg', {2: np.ones((1, 3), bool)})])
        >>> path.read_text().split()[:4]
        ['ImageId_ClassId,EncodedPixels', 'a.jpg_1,', 'a.jpg_2,1', '3']
    """
    rows = [','.join(JOINED_HEADER if joined else SPLIT_HEADER)]
    seen: set[str] = set()
    for name, masks in images:
        if not name.strip() or any(sign in name for sign in ',"\r\n'):
            raise InputError(
                f'{path}: image name {name!r} must be a text without commas; rename it'
            )
        if name in seen:
            raise InputError(f'{path}: image {name!r} stands twice; give each once')
        seen.add(name)
        for number in masks:
            if number not in range(1, num_classes + 1):
                raise InputError(
                    f'{path}: class {number!r} of {name} is not among 1 to {num_classes}'
                )
        for number in range(1, num_classes + 1):
            runs = encode_runs(masks[number]) if number in masks else ''
            if joined:
                rows.append(f'{name}_{number},{runs}')
            elif runs:
                rows.append(f'{name},{number},{runs}')
    write_text(path, '\n'.join(rows) + '\n')
