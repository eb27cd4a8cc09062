"""COCO detection JSON, down to the minimum that still says everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdefect.datasets.coco_file import load_coco
from mmdefect.datasets.images import image_size
from mmdefect.datasets.readers.base import BaseReader, OnError
from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.registry import READERS
from mmdefect.structures import ImageRecord

__all__ = ['COCOReader']

_IMAGE_KEYS = {
    'id', 'file_name', 'width', 'height', 'license', 'flickr_url', 'coco_url', 'date_captured',
}  # fmt: skip
_BOX_KEYS = {'id', 'image_id', 'category_id', 'bbox', 'area', 'iscrowd', 'segmentation'}


@READERS.register_module()
class COCOReader(BaseReader):
    """Read a COCO detection file.

    ``info``, ``licenses``, ``area``, ``iscrowd``, annotation ids and image sizes may be absent;
    an absent size is read from the image's header. Further keys of images and annotations are
    carried in ``extra`` and ``box_extra``.

    Args:
        ann_file (str | Path): The JSON file.
        image_root (str | Path | None): Folder that ``file_name`` is relative to. Default None:
            the folder of ``ann_file``.
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
        on_error: OnError = 'raise',
        **unknown: Any,
    ) -> None:
        reject_unknown_keys('COCOReader', unknown, ('ann_file', 'image_root', 'on_error'))
        super().__init__(str(ann_file), on_error)
        self.ann_file = Path(ann_file)
        self.image_root = self.ann_file.parent if image_root is None else Path(image_root)
        self._content: dict[str, Any] | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of ``categories``."""
        return tuple(category['name'] for category in self._load()['categories'])

    def _load(self) -> dict[str, Any]:
        if self._content is None:
            self._content = load_coco(self.ann_file)
        return self._content

    def read(self) -> Iterator[ImageRecord]:
        """Yield the images in file order.

        Raises:
            InputError: Something is wrong and ``on_error`` is ``raise``.
        """
        content = self._load()
        names = {category['id']: category['name'] for category in content['categories']}
        counts = Counter(image['id'] for image in content['images'])
        for image_id, count in counts.items():
            if count > 1:
                self.problem(
                    self.name, f'image id {image_id!r} stands {count} times; give each its own'
                )
        rows = {image_id: row for row, image_id in enumerate(counts)}
        annotations = self._known(content['annotations'], rows, names)
        boxes = self._boxes(annotations)
        owners = np.array([rows[entry['image_id']] for entry in annotations], np.int64)
        order = np.argsort(owners, kind='stable')
        ends = np.cumsum(np.bincount(owners, minlength=len(rows)))
        for image in content['images']:
            if counts[image['id']] > 1:
                continue
            row = rows[image['id']]
            chosen = order[ends[row - 1] if row else 0 : ends[row]]
            record = self._record(image, [annotations[i] for i in chosen], boxes[chosen], names)
            if record is not None:
                yield record

    def _known(
        self, annotations: list[dict[str, Any]], rows: dict[Any, int], names: dict[Any, str]
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
            self.problem(f'{self.name}, annotation {_box_id(entry, index)}', what)
        return known

    def _boxes(self, annotations: list[dict[str, Any]]) -> NDArray[np.float32]:
        """All boxes as ``xyxy``; one that is no list of four numbers becomes NaN."""
        values = [entry['bbox'] for entry in annotations]
        try:
            table = np.array(values, np.float64)
        except (TypeError, ValueError):
            table = np.array([_four_numbers(value) for value in values], np.float64)
        xywh = table.reshape(len(values), 4)
        xywh[:, 2:] += xywh[:, :2]
        with np.errstate(over='ignore'):
            return xywh.astype(np.float32)

    def _record(
        self,
        image: dict[str, Any],
        annotations: list[dict[str, Any]],
        boxes: NDArray[np.float32],
        names: dict[Any, str],
    ) -> ImageRecord | None:
        # A file written on Windows may hold backslashes.
        path = self.image_root / image['file_name'].replace('\\', '/')
        size = self._size(image, path)
        if size is None:
            return None
        box_ids = tuple(_box_id(entry, index) for index, entry in enumerate(annotations))
        good = self.good_boxes(boxes, f'{self.name}, image {image["file_name"]}', box_ids)
        if not good.all():
            annotations = [entry for entry, keep in zip(annotations, good, strict=True) if keep]
            box_ids = tuple(box_id for box_id, keep in zip(box_ids, good, strict=True) if keep)
            boxes = boxes[good]
        extras = tuple(
            {key: value for key, value in entry.items() if key not in _BOX_KEYS}
            for entry in annotations
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

    def _size(self, image: dict[str, Any], path: Path) -> tuple[int, int] | None:
        width, height = image.get('width'), image.get('height')
        if width is None or height is None:
            try:
                return image_size(path)
            except InputError as error:
                self.problem(f'{self.name}, image {image["file_name"]}', f'has no size: {error}')
                return None
        for value in (width, height):
            if not isinstance(value, (int, float)) or not value >= 1 or value != int(value):
                self.problem(
                    f'{self.name}, image {image["file_name"]}',
                    f'width and height must be whole numbers from 1, got {width!r}, {height!r}',
                )
                return None
        return int(width), int(height)


def _box_id(entry: dict[str, Any], index: int) -> Any:
    return entry.get('id', f'number {index + 1} without id')


def _four_numbers(value: Any) -> list[float]:
    try:
        return np.array(value, np.float64).reshape(4).tolist()
    except (TypeError, ValueError):
        return [float('nan')] * 4
