"""COCO detection files: read with checks, written from records."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mmdefect.datasets.json_file import read_json
from mmdefect.errors import InputError, nearest_name
from mmdefect.structures import ImageRecord

__all__ = ['load_coco', 'records_to_coco', 'relocate_images', 'relative_name']

_CURES = {
    'images': 'list the images there',
    'annotations': 'for images without boxes write "annotations": []',
    'categories': 'list the classes there',
}


def load_coco(path: str | Path) -> dict[str, Any]:
    """Read a COCO JSON file and check its three lists.

    Needed are ``images`` (``id``, ``file_name``), ``annotations`` (``image_id``,
    ``category_id``, ``bbox``) and ``categories`` (``id``, ``name``), with unique image ids,
    category ids and class names. Everything else is optional. Category id 0 and annotation
    id 0 are ordinary ids.

    Args:
        path (str | Path): The JSON file.

    Returns:
        dict[str, Any]: The content as it stands.

    Raises:
        InputError: The file is missing, no JSON, or no COCO; the message names the key.

    Example:
        >>> load_coco('missing.json')
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: missing.json: annotation file is missing; check the path
    """
    path = Path(path)
    content = read_json(path, 'COCO')
    if not isinstance(content, dict):
        raise InputError(
            f'{path}: not COCO: the top level is a {type(content).__name__}, not an object with '
            '"images", "annotations" and "categories"; give a COCO JSON file'
        )
    for key, cure in _CURES.items():
        if key not in content:
            raise InputError(f'{path}: not COCO: no key "{key}"; {cure}')
        if not isinstance(content[key], list):
            raise InputError(f'{path}: not COCO: "{key}" must be a list; {cure}')
    _require_keys(path, content['images'], 'images', ('id', 'file_name'))
    _require_keys(path, content['annotations'], 'annotations', ('image_id', 'category_id', 'bbox'))
    _require_keys(path, content['categories'], 'categories', ('id', 'name'))
    _require_unique(path, content['categories'], 'categories', 'id')
    _require_unique(path, content['categories'], 'categories', 'name')
    return content


def _require_keys(path: Path, entries: list[Any], part: str, keys: tuple[str, ...]) -> None:
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise InputError(f'{path}: not COCO: {part}[{index}] must be an object; remove it')
        for key in keys:
            if key not in entry:
                raise InputError(
                    f'{path}: not COCO: {part}[{index}] has no key "{key}"; add it or remove '
                    'the entry'
                )
        for key in keys:
            if key.endswith('id') and not isinstance(entry[key], (int, str)):
                raise InputError(
                    f'{path}: {part}[{index}]: "{key}" must be a number or text, got {entry[key]!r}'
                )
            if key in ('name', 'file_name') and not (isinstance(entry[key], str) and entry[key]):
                raise InputError(
                    f'{path}: {part}[{index}]: "{key}" must be text, got {entry[key]!r}'
                )


def _require_unique(path: Path, entries: list[dict[str, Any]], part: str, key: str) -> None:
    value, count = Counter(entry[key] for entry in entries).most_common(1)[0] if entries else (0, 0)
    if count > 1:
        raise InputError(f'{path}: {part}: {key} {value!r} stands {count} times; keep one')


def records_to_coco(
    records: Iterable[ImageRecord], classes: Sequence[str] | None, root: str | Path
) -> dict[str, Any]:
    """Write records as COCO detection content.

    Images, annotations and categories get ids from 1. Ignored boxes get ``iscrowd`` 1. Further
    keys of images and boxes are carried along, ``mask`` as ``segmentation``.

    Args:
        records (Iterable[ImageRecord]): The images, in the order to write them.
        classes (Sequence[str] | None): Class names in category order; None takes the names
            found, sorted.
        root (str | Path): Folder that ``file_name`` becomes relative to: that of the JSON file.

    Returns:
        dict[str, Any]: ``images``, ``annotations`` and ``categories``, ready for JSON.

    Raises:
        InputError: A box has a class that is not among ``classes``.

    Example:
        >>> import numpy as np
        >>> record = ImageRecord(Path('a.png'), 'a', 64, 48, np.array([[1, 2, 5, 9]], np.float32),
        ...                      ('rust',), np.zeros(1, bool), (1,))
        >>> content = records_to_coco([record], ['rust'], '.')
        >>> content['annotations'][0]['bbox'], content['images'][0]['file_name']
        ([1.0, 2.0, 4.0, 7.0], 'a.png')
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    names: list[str] = []
    folder = Path(root).resolve()
    for image_id, record in enumerate(records, start=1):
        images.append(
            {
                **record.extra,
                'id': image_id,
                'file_name': relative_name(record.path, folder),
                'width': record.width,
                'height': record.height,
            }
        )
        # In float64 the width of float32 corners is exact, so reading restores the corners.
        corners = record.boxes.astype('float64')
        sizes = corners[:, 2:] - corners[:, :2]
        extras = record.box_extra or ({},) * len(record)
        rows = zip(
            corners[:, :2].tolist(), sizes.tolist(), record.ignored.tolist(), extras, strict=True
        )
        for corner, size, ignored, extra in rows:
            mask = {'segmentation': extra['mask']} if 'mask' in extra else {}
            annotations.append(
                {
                    **{key: value for key, value in extra.items() if key != 'mask'},
                    **mask,
                    'id': len(annotations) + 1,
                    'image_id': image_id,
                    'bbox': corner + size,
                    'area': size[0] * size[1],
                    'iscrowd': int(ignored),
                }
            )
        names.extend(record.labels)
        if classes is not None:
            _require_known(record, classes)
    order = sorted(set(names)) if classes is None else list(classes)
    ids = {name: number for number, name in enumerate(order, start=1)}
    for annotation, name in zip(annotations, names, strict=True):
        annotation['category_id'] = ids[name]
    categories = [{'id': number, 'name': name} for name, number in ids.items()]
    return {'images': images, 'annotations': annotations, 'categories': categories}


def _require_known(record: ImageRecord, classes: Sequence[str]) -> None:
    for name in record.labels:
        if name not in classes:
            near = nearest_name(name, classes)
            hint = f' (did you mean {near!r}?)' if near else ''
            raise InputError(
                f'{record.path}: class {name!r} is not among {", ".join(classes)}{hint}; add it '
                'to the classes'
            )


def relocate_images(content: dict[str, Any], source: Path, folder: Path) -> dict[str, Any]:
    """Make ``file_name`` relative to the folder of a new JSON file.

    Args:
        content (dict[str, Any]): COCO content.
        source (Path): The file it came from.
        folder (Path): Folder of the new file.

    Returns:
        dict[str, Any]: The content with new names if every image lies where the old names say,
        relative to ``source``; else unchanged, since they are then relative to something else.

    Example:
        >>> content = {'images': [{'id': 1, 'file_name': 'elsewhere.png'}]}
        >>> relocate_images(content, Path('in/a.json'), Path('out')) is content
        True
    """
    old, new = source.parent.resolve(), folder.resolve()
    if old == new:
        return content
    paths = [old / image['file_name'].replace('\\', '/') for image in content['images']]
    if not all(path.is_file() for path in paths):
        return content
    images = [
        {**image, 'file_name': relative_name(path, new)}
        for image, path in zip(content['images'], paths, strict=True)
    ]
    return {**content, 'images': images}


def relative_name(path: Path, folder: Path) -> str:
    """A path relative to a folder, with forward slashes; absolute on another drive.

    Args:
        path (Path): The file.
        folder (Path): The folder, resolved.

    Returns:
        str: The name.

    Example:
        >>> relative_name(Path('a/b.png'), Path('c').resolve())
        '../a/b.png'
    """
    # Resolved without the last part: a linked image keeps its name.
    full = path.parent.resolve() / path.name
    try:
        return Path(os.path.relpath(full, folder)).as_posix()
    except ValueError:
        return full.as_posix()
