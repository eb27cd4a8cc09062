"""COCO detection JSON, down to the minimum that still says everything."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdefect.datasets.coco_file import load_coco
from mmdefect.datasets.images import image_size
from mmdefect.datasets.readers.base import BaseReader, OnError
from mmdefect.datasets.readers.files import walk_files
from mmdefect.datasets.readers.image_root import find_image_root, image_path
from mmdefect.datasets.readers.values import json_number, whole_size
from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.registry import READERS
from mmdefect.structures import ImageRecord
from mmdefect.wording import counted

__all__ = ['COCOReader']

_IMAGE_KEYS = {
    'id', 'file_name', 'width', 'height', 'license', 'flickr_url', 'coco_url', 'date_captured',
}  # fmt: skip
_BOX_KEYS = {
    'id', 'image_id', 'category_id', 'bbox', 'area', 'iscrowd', 'segmentation', 'mask',
}  # fmt: skip


@READERS.register_module()
class COCOReader(BaseReader):
    """Read a COCO detection file, or all COCO files of a folder as one set.

    ``info``, ``licenses``, ``area``, ``iscrowd``, annotation ids and image sizes may be absent;
    an absent size is read from the image's header. Further keys of images and annotations are
    carried in ``extra`` and ``box_extra``.

    Of a folder every JSON file is read, one in memory at a time. Classes of one name are one
    class, and image ids become ``file:id``. A JSON file that is no COCO is a problem, and so are
    images that an earlier file lists too.

    Args:
        ann_file (str | Path): The JSON file, or a folder.
        image_root (str | Path | None): Folder that ``file_name`` is relative to. Default None:
            that of the JSON file, or the one beside it that holds the first images: ``images``,
            or ``train2017`` for ``annotations/instances_train2017.json``.
        masks (bool): Give each box its ``segmentation``, polygons or run lengths, under the key
            ``mask`` of ``box_extra``, from which instance segmentation trains; a box without one
            is a problem. Default False.
        list_file (str | Path | None): Text file with one image per line, the images to read.
            Default None: all.
        on_error ('raise' | 'drop'): What to do with a bad box or image. Default ``raise``.
        **unknown: Refused, naming the nearest known key.

    Raises:
        InputError: An unknown key or value here; on reading, whatever is wrong with the file.

    Example:
        >>> import json, tempfile
        >>> path = Path(tempfile.mkdtemp()) / 'train.json'
        >>> _ = path.write_text(json.dumps({
        ...     'images': [{'id': 0, 'file_name': 'a.png', 'width': 64, 'height': 48}],
        ...     'annotations': [{'image_id': 0, 'category_id': 0, 'bbox': [1, 2, 10, 20]}],
        ...     'categories': [{'id': 0, 'name': 'rust'}]}))
        >>> reader = COCOReader(path)
        >>> reader.classes, [record.boxes.tolist() for record in reader]
        (('rust',), [[[1.0, 2.0, 11.0, 22.0]]])
    """

    declares_classes = True

    def __init__(
        self,
        ann_file: str | Path,
        image_root: str | Path | None = None,
        masks: bool = False,
        list_file: str | Path | None = None,
        on_error: OnError = 'raise',
        **unknown: Any,
    ) -> None:
        known = ('ann_file', 'image_root', 'masks', 'list_file', 'on_error')
        reject_unknown_keys('COCOReader', unknown, known)
        super().__init__(ann_file, on_error, list_file)
        self.image_root = None if image_root is None else Path(image_root)
        self.masks = masks
        self._declared: tuple[str, ...] | None = None
        # The file read last: one file alone is parsed once for its classes and its records.
        self._latest: tuple[Path, dict[str, Any]] | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of ``categories``, of one file after the other."""
        if self._declared is None:
            names: dict[str, None] = {}
            files = self._files()
            for path in files:
                try:
                    categories = self._load(path)['categories']
                except InputError:
                    if self.on_error == 'raise' or len(files) == 1:
                        raise
                    continue
                names.update((category['name'], None) for category in categories)
            self._declared = tuple(names)
        return self._declared

    def _files(self) -> list[Path]:
        if not self.source.is_dir():
            return [self.source]
        files = [path for path in walk_files(self.folder) if path.suffix.lower() == '.json']
        if not files:
            raise InputError(f'{self.folder}: no JSON file in this folder; give a COCO file')
        return sorted(files)

    def _load(self, path: Path) -> dict[str, Any]:
        if self._latest is None or self._latest[0] != path:
            self._latest = None
            self._latest = path, load_coco(path)
        return self._latest[1]

    def read(self) -> Iterator[ImageRecord]:
        """Yield the images in file order, files sorted by name.

        Raises:
            InputError: Something is wrong and ``on_error`` is ``raise``.
        """
        files = self._files()
        if len(files) == 1:
            content = self._load(files[0])
            root = self._image_root(files[0], content['images'])
            yield from self._records(str(files[0]), content, root, content['images'])
            return
        owners: dict[Path, Path] = {}
        for path in files:
            try:
                content = self._load(path)
            except InputError as error:
                self.refuse(error)
                continue
            root = self._image_root(path, content['images'])
            images = self._unseen(path, content['images'], root, owners)
            prefix = path.relative_to(self.folder).with_suffix('').as_posix()
            for record in self._records(str(path), content, root, images):
                yield replace(record, image_id=f'{prefix}:{record.image_id}')

    def _image_root(self, path: Path, images: list[dict[str, Any]]) -> Path:
        if self.image_root is not None:
            return self.image_root
        return find_image_root(path, self.folder, [image['file_name'] for image in images[:10]])

    def _unseen(
        self, path: Path, images: list[dict[str, Any]], root: Path, owners: dict[Path, Path]
    ) -> list[dict[str, Any]]:
        """Those images of a set's file that no earlier file lists."""
        unseen: list[dict[str, Any]] = []
        again: list[dict[str, Any]] = []
        for image in images:
            owner = owners.setdefault(image_path(root, image['file_name']), path)
            (unseen if owner == path else again).append(image)
        if again:
            name = again[0]['file_name']
            owner = owners[image_path(root, name)]
            self.problem(
                f'{path}',
                f'{counted(len(again), "image")} also in {owner} (first: {name}); give one of '
                'the files, not their folder',
            )
        return unseen

    def _records(
        self, where: str, content: dict[str, Any], root: Path, images: list[dict[str, Any]]
    ) -> Iterator[ImageRecord]:
        names = {category['id']: category['name'] for category in content['categories']}
        counts = Counter(image['id'] for image in content['images'])
        for image_id, count in counts.items():
            if count > 1:
                self.problem(
                    where, f'image id {image_id!r} stands {count} times; give each its own'
                )
        rows = {image_id: row for row, image_id in enumerate(counts)}
        annotations = self._known(where, content['annotations'], rows, names)
        boxes = _boxes(annotations)
        owners = np.array([rows[entry['image_id']] for entry in annotations], np.int64)
        order = np.argsort(owners, kind='stable')
        ends = np.cumsum(np.bincount(owners, minlength=len(rows)))
        for image in images:
            if counts[image['id']] > 1 or not self.wanted(image['file_name']):
                continue
            row = rows[image['id']]
            chosen = order[ends[row - 1] if row else 0 : ends[row]]
            mine = [annotations[i] for i in chosen]
            path = image_path(root, image['file_name'])
            record = self._record(where, image, path, mine, boxes[chosen], names)
            if record is not None:
                yield record

    def _known(
        self,
        where: str,
        annotations: list[dict[str, Any]],
        rows: dict[Any, int],
        names: dict[Any, str],
    ) -> list[dict[str, Any]]:
        known = []
        for index, entry in enumerate(annotations):
            if entry['image_id'] not in rows:
                what = f'image_id {entry["image_id"]!r} is not among the images'
            elif entry['category_id'] not in names:
                what = f'category_id {entry["category_id"]!r} is not among the categories'
            else:
                known.append(entry)
                continue
            self.problem(f'{where}, annotation {_box_id(entry, index)}', what)
        return known

    def _record(
        self,
        where: str,
        image: dict[str, Any],
        path: Path,
        annotations: list[dict[str, Any]],
        boxes: NDArray[np.float32],
        names: dict[Any, str],
    ) -> ImageRecord | None:
        where = f'{where}, image {image["file_name"]}'
        size = self._size(where, image, path)
        if size is None:
            return None
        box_ids = tuple(_box_id(entry, index) for index, entry in enumerate(annotations))
        good = self.good_boxes(boxes, where, box_ids)
        if self.masks:
            good &= self._have_masks(where, annotations, box_ids)
        if not good.all():
            annotations = [entry for entry, keep in zip(annotations, good, strict=True) if keep]
            box_ids = tuple(box_id for box_id, keep in zip(box_ids, good, strict=True) if keep)
            boxes = boxes[good]
        extras = tuple(
            {key: value for key, value in entry.items() if key not in _BOX_KEYS}
            for entry in annotations
        )
        if self.masks:
            extras = tuple(
                {**extra, 'mask': entry['segmentation']}
                for extra, entry in zip(extras, annotations, strict=True)
            )
        return ImageRecord(
            path=path,
            image_id=image['id'],
            width=size[0],
            height=size[1],
            boxes=boxes,
            labels=tuple(names[entry['category_id']] for entry in annotations),
            ignored=np.array([bool(entry.get('iscrowd')) for entry in annotations], bool),
            box_ids=box_ids,
            extra={key: value for key, value in image.items() if key not in _IMAGE_KEYS},
            box_extra=extras if any(extras) else (),
        )

    def _have_masks(
        self, where: str, annotations: list[dict[str, Any]], box_ids: tuple[Any, ...]
    ) -> NDArray[np.bool_]:
        masks = [entry.get('segmentation') for entry in annotations]
        good = np.array(
            [
                {'size', 'counts'} <= mask.keys()
                if isinstance(mask, dict)
                else isinstance(mask, list)
                and len(mask) > 0
                and all(
                    isinstance(polygon, list) and len(polygon) >= 6 and len(polygon) % 2 == 0
                    for polygon in mask
                )
                for mask in masks
            ],
            bool,
        )
        for index in np.flatnonzero(~good):
            self.problem(
                f'{where}, annotation {box_ids[index]}',
                'segmentation must be polygons or run lengths; correct it, or read without masks',
            )
        return good

    def _size(self, where: str, image: dict[str, Any], path: Path) -> tuple[int, int] | None:
        width, height = image.get('width'), image.get('height')
        if width is None or height is None:
            try:
                return image_size(path)
            except InputError as error:
                self.refuse(type(error)(f'{where}: has no size: {error}'))
                return None
        try:
            return whole_size(where, json_number(width), json_number(height))
        except InputError as error:
            self.problem(where, str(error).removeprefix(f'{where}: '))
            return None


def _boxes(annotations: list[dict[str, Any]]) -> NDArray[np.float32]:
    """All boxes as ``xyxy``; one that is no list of four numbers becomes NaN."""
    values = [entry['bbox'] for entry in annotations]
    try:
        table = np.array(values)
        if table.dtype.kind not in 'if' or table.shape[1:] != (4,):
            raise ValueError
    except (OverflowError, ValueError):
        table = np.array([_four_numbers(value) for value in values])
    xywh = table.astype(np.float64).reshape(len(values), 4)
    with np.errstate(over='ignore', invalid='ignore'):
        xywh[:, 2:] += xywh[:, :2]
        return xywh.astype(np.float32)


def _box_id(entry: dict[str, Any], index: int) -> Any:
    return entry.get('id', f'number {index + 1} without id')


def _four_numbers(value: Any) -> list[float]:
    if not isinstance(value, list) or len(value) != 4:
        return [math.nan] * 4
    return [json_number(number) for number in value]
