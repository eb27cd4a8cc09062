"""From a reader's records, checked, to the dictionaries that MMDetection's pipelines take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mmdefect.datasets.class_labels import label_of
from mmdefect.datasets.images import image_size, read_image
from mmdefect.datasets.readers.base import OnError
from mmdefect.errors import ImageFileError, InputError
from mmdefect.structures import ImageRecord, Problem

__all__ = ['CheckImages', 'RecordConverter']

CheckImages = Literal['header', 'decode', 'none']


class RecordConverter:
    """Check the images and boxes of one reader and convert them, one record after the other.

    Image ids must differ; image files must have the size that the annotations say; boxes partly
    outside their image are clipped, those wholly outside are a problem.

    Args:
        labels (Mapping[str, int]): Label of each class name, from 0.
        source (str): What messages call the annotations.
        check_images ('header' | 'decode' | 'none'): Compare sizes with the image headers, decode
            every image too, or trust the annotations. Default ``header``.
        on_error ('raise' | 'drop'): Raise at the first bad box or image, or leave it out and
            list it in :attr:`problems`. Default ``raise``.
        on_bad_file ('raise' | 'drop' | None): The same for image files that are missing or
            cannot be decoded. Default None, which is ``on_error``.
        image_keys (Sequence[str]): Further keys of an image to take over. Default none.
        box_keys (Sequence[str]): Further keys of a box to take over. Default none.

    Attributes:
        problems (list[Problem]): What was left out.
        clipped (int): Boxes clipped.
        ignored (int): Boxes that neither train nor count.

    Example:
        >>> from pathlib import Path
        >>> boxes = np.array([[1, 2, 9, 4]], np.float32)
        >>> record = ImageRecord(
        ...     Path('a.png'), 7, 8, 6, boxes, ('rust',), np.zeros(1, bool), (0,))
        >>> converter = RecordConverter({'rust': 0}, 'train.json', check_images='none')
        >>> converter.convert(record)['instances']
        [{'bbox': [1.0, 2.0, 8.0, 4.0], 'bbox_label': 0, 'ignore_flag': 0}]
        >>> converter.clipped
        1
    """

    def __init__(
        self,
        labels: Mapping[str, int],
        source: str,
        check_images: CheckImages = 'header',
        on_error: OnError = 'raise',
        on_bad_file: OnError | None = None,
        image_keys: Sequence[str] = (),
        box_keys: Sequence[str] = (),
    ) -> None:
        self.labels = labels
        self.source = source
        self.check_images = check_images
        self.on_error = on_error
        self.on_bad_file = on_bad_file or on_error
        self.image_keys = image_keys
        self.box_keys = box_keys
        self.problems: list[Problem] = []
        self.clipped = 0
        self.ignored = 0
        self._seen: set[int | str] = set()

    def convert(self, record: ImageRecord) -> dict[str, Any] | None:
        """Check and convert one record.

        Args:
            record (ImageRecord): What the reader yielded.

        Returns:
            dict[str, Any] | None: ``img_path``, ``img_id``, ``height``, ``width`` (pixels),
            the ``image_keys`` it has, and ``instances`` with ``bbox`` (``xyxy`` in pixels),
            ``bbox_label``, ``ignore_flag`` and the ``box_keys`` it has; None when the image is
            left out.

        Raises:
            InputError: A class is unknown, ``part_homography`` is not 3x3 numbers; or an image
                or box is bad and ``on_error`` is ``raise``.
        """
        if record.image_id in self._seen:
            self._problem(f'{record.path}', f'duplicate image id {record.image_id!r}')
            return None
        self._seen.add(record.image_id)
        if not self._image_is_good(record):
            return None
        info: dict[str, Any] = {
            'img_path': str(record.path),
            'img_id': record.image_id,
            'height': record.height,
            'width': record.width,
            'instances': self._instances(record),
        }
        info.update((key, record.extra[key]) for key in self.image_keys if key in record.extra)
        if 'part_homography' in info:
            info['part_homography'] = _homography(info['part_homography'], record)
        return info

    def _problem(self, where: str, what: str) -> None:
        if self.on_error == 'raise':
            raise InputError(f"{where}: {what} (on_error='drop' leaves it out)")
        self.problems.append(Problem(where, what))

    def _image_is_good(self, record: ImageRecord) -> bool:
        if self.check_images == 'none':
            return True
        try:
            width, height = image_size(record.path)
            if self.check_images == 'decode':
                read_image(record.path)
        except InputError as error:
            where, _, what = str(error).partition(': ')
            if isinstance(error, ImageFileError) and self.on_bad_file == 'drop':
                self.problems.append(Problem(where, what))
            else:
                self._problem(where, what)
            return False
        if (width, height) == (record.width, record.height):
            return True
        turned = (height, width) == (record.width, record.height)
        self._problem(
            f'{record.path}',
            f'the image has (w, h) ({width}, {height}) but its annotations say '
            f'({record.width}, {record.height})'
            + (', as before EXIF rotation: boxes must be in the upright image' if turned else ''),
        )
        return False

    def _instances(self, record: ImageRecord) -> list[dict[str, Any]]:
        labels = [
            label_of(name, self.labels, self.source, str(record.path)) for name in record.labels
        ]
        limits = np.array([record.width, record.height] * 2, np.float32)
        boxes = np.clip(record.boxes, 0, limits)
        inside = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        for index in np.flatnonzero(~inside):
            self._problem(
                f'{record.path}, annotation {record.box_ids[index]}',
                f'box {record.boxes[index].tolist()} (xyxy) lies outside the image of (w, h) '
                f'({record.width}, {record.height})',
            )
        self.clipped += int((inside & (boxes != record.boxes).any(axis=1)).sum())
        self.ignored += int((inside & record.ignored).sum())
        ignored = record.ignored.tolist()
        corners = boxes.tolist()
        instances = []
        for index in np.flatnonzero(inside).tolist():
            instance = {
                'bbox': corners[index],
                'bbox_label': labels[index],
                'ignore_flag': int(ignored[index]),
            }
            if record.box_extra:
                extra = record.box_extra[index]
                instance.update((key, extra[key]) for key in self.box_keys if key in extra)
            instances.append(instance)
        return instances


def _homography(value: Any, record: ImageRecord) -> NDArray[np.float64]:
    """The 3x3 matrix from view pixels to part pixels."""
    try:
        matrix = np.array(value, np.float64).reshape(3, 3)
    except (TypeError, ValueError):
        matrix = np.full((3, 3), np.nan)
    if not np.isfinite(matrix).all():
        raise InputError(f'{record.path}: part_homography must be 3x3 numbers, got {value!r}')
    return matrix
