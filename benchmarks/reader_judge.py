"""Read a data set that may be damaged, and judge how the reader answers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from reader_samples import Sample

from mmdefect.datasets.coco_file import records_to_coco
from mmdefect.datasets.readers import BaseReader, open_reader
from mmdefect.errors import InputError
from mmdefect.structures import ImageRecord

__all__ = ['Answer', 'answer', 'dataset_answer']


@dataclass(frozen=True)
class Answer:
    """What a reader made of a data set.

    Args:
        outcome ('read' | 'refused' | 'failed'): All is read or part of it left out and listed;
            refused with one line; or anything else, which is a bug.
        detail (str): The line, or what is wrong.
    """

    outcome: Literal['read', 'refused', 'failed']
    detail: str = ''


def answer(sample: Sample, root: Path, on_error: Literal['raise', 'drop']) -> Answer:
    """Read a data set as ``mmdefect convert`` does.

    Args:
        sample (Sample): How to read it.
        root (Path): Where it lies.
        on_error ('raise' | 'drop'): As the readers take it.

    Returns:
        Answer: ``failed`` for any exception but an ``InputError`` of one printable line that
        names a file of the data set, for a record that breaks what records promise, and for one
        that cannot be written as COCO.
    """
    try:
        reader = _open(sample, root, on_error)
        records = list(reader)
        fault = _fault(reader, records)
        if fault is None:
            content = records_to_coco(records, None, root)
            json.dumps(content, allow_nan=False, ensure_ascii=False).encode()
    except InputError as error:
        return _refused(error, root)
    except Exception as error:
        return Answer('failed', f'{type(error).__name__}: {error}')
    return Answer('read') if fault is None else Answer('failed', fault)


def dataset_answer(sample: Sample, root: Path, on_error: Literal['raise', 'drop']) -> Answer:
    """Load a data set through :class:`mmdefect.datasets.DefectDataset`, images decoded.

    Args:
        sample (Sample): How to read it.
        root (Path): Where it lies.
        on_error ('raise' | 'drop'): As readers and data set take it.

    Returns:
        Answer: As for :func:`answer`; boxes must lie within their images.
    """
    from mmdefect.datasets import DefectDataset

    try:
        dataset = DefectDataset(
            reader=_open(sample, root, on_error), on_error=on_error, check_images='decode',
            pipeline=[],
        )  # fmt: skip
        for index in range(len(dataset)):
            info = dataset.get_data_info(index)
            boxes = np.array([item['bbox'] for item in info['instances']]).reshape(-1, 4)
            limits = [info['width'], info['height']] * 2
            if not (np.isfinite(boxes).all() and (boxes >= 0).all() and (boxes <= limits).all()):
                return Answer('failed', f'{info["img_path"]}: boxes {boxes.tolist()}')
    except InputError as error:
        return _refused(error, root)
    except Exception as error:
        return Answer('failed', f'{type(error).__name__}: {error}')
    return Answer('read')


def _open(sample: Sample, root: Path, on_error: Literal['raise', 'drop']) -> BaseReader:
    options = {**sample.options, 'on_error': on_error}
    return open_reader(root / sample.source, sample.source_format, **options)


def _refused(error: InputError, root: Path) -> Answer:
    line = str(error)
    if not line.isprintable():
        return Answer('failed', f'the message is not one printable line: {line!r}')
    # An annotation may name an image elsewhere.
    if str(root) not in line and not Path(line.partition(': ')[0]).is_absolute():
        return Answer('failed', f'the message names no file: {line}')
    return Answer('refused', line)


def _fault(reader: BaseReader, records: list[ImageRecord]) -> str | None:
    for problem in reader.problems:
        if not str(problem).isprintable():
            return f'the problem is not one printable line: {str(problem)!r}'
    ids: set[Any] = set()
    for record in records:
        boxes = record.boxes
        right = np.isfinite(boxes).all() and (boxes[:, 2:] > boxes[:, :2]).all()
        if not right or boxes.dtype != np.float32:
            return f'{record.path}: boxes {boxes.tolist()} of {boxes.dtype}'
        if not all(isinstance(label, str) and label for label in record.labels):
            return f'{record.path}: labels {record.labels}'
        sides = (record.width, record.height)
        if not all(type(side) is int and side >= 1 for side in sides):
            return f'{record.path}: size {sides}'
        if record.image_id in ids:
            return f'{record.path}: image id {record.image_id!r} stands twice'
        ids.add(record.image_id)
    if {name for record in records for name in record.labels} - set(reader.classes):
        return f'{reader.name}: classes {reader.classes} lack some of the boxes'
    return None
