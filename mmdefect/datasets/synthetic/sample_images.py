"""Write drawn images, their COCO files and their native CSV files, split by part."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdefect.datasets.synthetic.sample_folder import SampleFolder

__all__ = ['SPLITS', 'SampleImage', 'image_name', 'write_samples']

SPLITS = ('train', 'val', 'test')


@dataclass(frozen=True, eq=False)
class SampleImage:
    """One drawn image with its truth.

    Args:
        image (NDArray[np.uint8]): Shape (h, w) grey or (h, w, 3) BGR.
        boxes (NDArray[np.int64]): ``xyxy`` in whole pixels within the image, shape (N, 4).
        labels (tuple[str, ...]): N class names.
        masks (dict[str, NDArray[np.bool_]]): Mask of each class that the image holds, shape
            (h, w). Default empty: there are only boxes.
        box_extra (tuple[dict[str, Any], ...]): N dicts of further keys for the COCO annotations,
            such as ``segmentation``. Default empty.

    Example:
        >>> SampleImage(np.zeros((4, 6), np.uint8), np.array([[0, 0, 2, 1]]), ('rust',)).labels
        ('rust',)
    """

    image: NDArray[np.uint8]
    boxes: NDArray[np.int64]
    labels: tuple[str, ...]
    masks: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    box_extra: tuple[dict[str, Any], ...] = ()


def image_name(split: str, part: int, number: int) -> str:
    """Name of an image below the data set.

    Args:
        split (str): The split.
        part (int): Number of the part in its split, from 0.
        number (int): Number of the image of its part, from 0.

    Returns:
        str: The name.

    Example:
        >>> image_name('train', 3, 0)
        'images/train/train_0003_v0.jpg'
    """
    return f'images/{split}/{split}_{part:04d}_v{number}.jpg'


def write_samples(
    folder: SampleFolder,
    info: Mapping[str, Any],
    parts: Mapping[str, int],
    classes: Sequence[str],
    draw: Callable[[str, int], Iterable[SampleImage]],
    rows: Callable[[str, SampleImage], Iterable[str]],
    header: str = '',
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, dict[str, Any]]:
    r"""Draw and write all parts; the annotation files come last.

    Args:
        folder (SampleFolder): Where; its ``documents`` are the splits, its ``tables`` the CSV
            files of the splits in the same order. It has been started.
        info (Mapping[str, Any]): ``info`` of the COCO files.
        parts (Mapping[str, int]): Number of parts per split.
        classes (Sequence[str]): Class names in category order.
        draw (Callable[[str, int], Iterable[SampleImage]]): Draws the images of a part, given by
            its split and its number.
        rows (Callable[[str, SampleImage], Iterable[str]]): Lines of the CSV file for an image,
            given with its file name.
        header (str): First line of the CSV files. Default none.
        progress (Callable[[int, int], None] | None): Called after each part with the number of
            parts done and the number of all. Default None.

    Returns:
        dict[str, dict[str, Any]]: The COCO content per split.

    Raises:
        InputError: A file cannot be written.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> folder = SampleFolder(Path(tempfile.mkdtemp()), 'dot', ('train',), '', ('train.csv',))
        >>> folder.start({}, [], False)
        >>> dot = SampleImage(np.zeros((4, 6), np.uint8), np.array([[0, 0, 2, 1]]), ('dot',))
        >>> documents = write_samples(
        ...     folder, {}, {'train': 1}, ['dot'], lambda *_: [dot], lambda name, _: [name])
        >>> documents['train']['annotations'][0]['bbox']
        [0, 0, 2, 1]
        >>> (folder.out / 'train.csv').read_text()
        'train_0000_v0.jpg\n'
    """
    total, done = sum(parts.values()), 0
    documents: dict[str, dict[str, Any]] = {}
    tables: dict[str, str] = {}
    for split, table in zip(folder.documents, folder.tables, strict=True):
        document: dict[str, Any] = {
            'info': {**info, 'split': split},
            'categories': [{'id': i, 'name': name} for i, name in enumerate(classes, start=1)],
            'images': [],
            'annotations': [],
        }
        lines = [header] if header else []
        for index in range(parts[split]):
            for number, sample in enumerate(draw(split, index)):
                name = image_name(split, index, number)
                folder.write_image(name, sample.image)
                _add(document, sample, name, f'{split}_{index:04d}', number, classes)
                lines.extend(rows(name.rsplit('/', 1)[-1], sample))
            done += 1
            if progress is not None:
                progress(done, total)
        documents[split] = document
        tables[table] = ''.join(f'{line}\n' for line in lines)
    folder.finish(documents, tables)
    return documents


def _add(
    document: dict[str, Any],
    sample: SampleImage,
    name: str,
    part_id: str,
    view_id: int,
    classes: Sequence[str],
) -> None:
    image_id = len(document['images']) + 1
    height, width = sample.image.shape[:2]
    document['images'].append(
        {
            'id': image_id,
            'file_name': name,
            'width': width,
            'height': height,
            'part_id': part_id,
            'view_id': view_id,
        }
    )
    extras = sample.box_extra or ({},) * len(sample.labels)
    for box, label, extra in zip(sample.boxes.tolist(), sample.labels, extras, strict=True):
        x1, y1, x2, y2 = box
        document['annotations'].append(
            {
                'id': len(document['annotations']) + 1,
                'image_id': image_id,
                'category_id': classes.index(label) + 1,
                'bbox': [x1, y1, x2 - x1, y2 - y1],
                'area': (x2 - x1) * (y2 - y1),
                'iscrowd': 0,
                **extra,
            }
        )
