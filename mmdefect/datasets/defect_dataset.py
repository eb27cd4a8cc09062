"""The data set of defect detection: any reader, classes by name, good parts kept."""

from __future__ import annotations

import inspect
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from mmdet.datasets import BaseDetDataset
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from mmdefect.datasets.images import image_size, read_image
from mmdefect.datasets.readers import BaseReader
from mmdefect.errors import InputError, nearest_name, reject_unknown_keys
from mmdefect.registry import DATASETS, READERS
from mmdefect.structures import ImageRecord, Problem

__all__ = ['DefectDataset']

_FILTER_KEYS = ('filter_empty_gt', 'min_size')
# BaseDataset's own ways to find files; here the reader has them.
_NOT_OURS = ('self', 'args', 'kwargs', 'ann_file', 'data_root', 'data_prefix', 'max_refetch')


@DATASETS.register_module()
class DefectDataset(BaseDetDataset):
    """Images with boxes from any registered reader.

    Labels follow the class **names** in ``metainfo``, whatever order or ids the files use. Good
    images, without any box, are kept unless ``filter_cfg`` says otherwise. On loading, the class
    names, image ids, image files and boxes are checked; boxes partly outside their image are
    clipped and counted. A sample that a pipeline step turns into ``None`` is an error, never
    replaced by a random other one.

    Classes: a box whose class ``metainfo`` lacks is an error. So is a class of ``metainfo`` that
    the file does not declare (COCO ``categories``), unless ``allow_missing_classes``. A format
    without declared classes (VOC) only warns of classes without a box, since a small split may
    have none.

    Args:
        reader (dict | BaseReader): A reader or its config, such as
            ``dict(type='mmdefect.COCOReader', ann_file='train.json')``.
        metainfo (Mapping | None): ``classes`` (names in label order) and, optionally,
            ``palette``. Default None: the classes of the reader, in its order.
        allow_missing_classes (bool): Accept a file that does not declare all classes. Default
            False.
        check_images ('header' | 'decode' | 'none'): Compare sizes with the image headers, decode
            every image too, or trust the annotations. Default ``header``.
        on_error ('raise' | 'drop'): Raise at the first bad box or image, or drop, count and list
            it in :attr:`problems`. Class names that do not agree always raise. Default ``raise``.
        image_keys (Sequence[str]): Further keys of an image to put into its sample. Default
            ``part_id, view_id, part_homography``.
        box_keys (Sequence[str]): Further keys of a box to put into its instance. Default
            ``defect_id``.
        filter_cfg (dict | None): ``filter_empty_gt`` (bool) drops good images, ``min_size``
            (int, pixels) drops images with a shorter side; not in test mode. Default None.
        **kwargs: ``pipeline``, ``test_mode``, ``indices``, ``lazy_init``, ``serialize_data`` and
            the other arguments of :class:`mmdet.datasets.BaseDetDataset`.

    Attributes:
        problems (list[Problem]): What was dropped on loading.

    Raises:
        InputError: An unknown key, or bad input and ``on_error`` is ``raise``.

    Example:
        >>> DefectDataset(readr=dict(type='mmdefect.COCOReader', ann_file='train.json'))
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: DefectDataset: unknown key 'readr'; did you mean 'reader'?
    """

    def __init__(
        self,
        *,
        reader: Mapping[str, Any] | BaseReader | None = None,
        metainfo: Mapping[str, Any] | None = None,
        allow_missing_classes: bool = False,
        check_images: Literal['header', 'decode', 'none'] = 'header',
        on_error: Literal['raise', 'drop'] = 'raise',
        image_keys: Sequence[str] = ('part_id', 'view_id', 'part_homography'),
        box_keys: Sequence[str] = ('defect_id',),
        filter_cfg: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        reject_unknown_keys('DefectDataset', kwargs, _known_keys())
        reject_unknown_keys('DefectDataset filter_cfg', filter_cfg or {}, _FILTER_KEYS)
        if reader is None:
            raise InputError(
                "DefectDataset: key 'reader' is missing; give reader=dict("
                "type='mmdefect.COCOReader', ann_file=...)"
            )
        for key, value, known in (
            ('check_images', check_images, ('header', 'decode', 'none')),
            ('on_error', on_error, ('raise', 'drop')),
        ):
            if value not in known:
                raise InputError(f'DefectDataset: {key} must be one of {known}, got {value!r}')
        self.reader = reader
        self.allow_missing_classes = allow_missing_classes
        self.check_images = check_images
        self.on_error = on_error
        self.image_keys = tuple(image_keys)
        self.box_keys = tuple(box_keys)
        self.problems: list[Problem] = []
        super().__init__(metainfo=metainfo, filter_cfg=filter_cfg, **kwargs)

    def load_data_list(self) -> list[dict[str, Any]]:
        """Read, check and convert all records.

        Returns:
            list[dict]: Per image ``img_path``, ``img_id``, ``height``, ``width``, the
            ``image_keys`` it has, and ``instances`` with ``bbox`` (``xyxy``), ``bbox_label``,
            ``ignore_flag`` and the ``box_keys`` it has.

        Raises:
            InputError: Bad input and ``on_error`` is ``raise``; or no image is left.
        """
        reader = self._build_reader()
        labels = self._label_map(reader)
        self.problems = []
        seen: set[int | str] = set()
        tally: Counter[str] = Counter()
        data_list = []
        for record in reader:
            if record.image_id in seen:
                self._problem(f'{record.path}', f'duplicate image id {record.image_id!r}')
                continue
            seen.add(record.image_id)
            if self._image_is_good(record):
                data_list.append(self._data_info(record, reader.name, labels, tally))
        self.problems = [*reader.problems, *self.problems]
        if not data_list:
            raise InputError(f'{reader.name}: no images; check the path and the annotation file')
        for note in reader.notes:
            print_log(note, logger='current', level=logging.WARNING)
        self._report(reader, data_list, tally)
        return data_list

    def _build_reader(self) -> BaseReader:
        if isinstance(self.reader, BaseReader):
            return self.reader
        config = {'on_error': self.on_error, **self.reader}
        kind = config.get('type')
        reader_class = READERS.get(kind) if isinstance(kind, str) else kind
        if reader_class is None:
            known = ', '.join(f'mmdefect.{name}' for name in sorted(READERS.module_dict))
            raise InputError(f'DefectDataset: reader type must be one of {known}, got {kind!r}')
        parameters = inspect.signature(reader_class).parameters
        reject_unknown_keys(reader_class.__name__, config.keys() - {'type'}, parameters)
        for name, parameter in parameters.items():
            if (
                parameter.default is parameter.empty
                and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
                and name not in config
            ):
                raise InputError(f'{reader_class.__name__}: key {name!r} is missing')
        # Our own scope, so that MMEngine does not look for a registry of readers elsewhere.
        return READERS.build({**config, '_scope_': 'mmdefect'})

    def _label_map(self, reader: BaseReader) -> dict[str, int]:
        classes = self._metainfo.get('classes')
        if classes is None:
            classes = reader.classes
            self._metainfo['classes'] = tuple(classes)
            print_log(
                f'{reader.name}: no classes in metainfo, taking {", ".join(classes)}',
                logger='current',
            )
        if isinstance(classes, str):
            raise InputError(f'DefectDataset: classes must be a list of names, got {classes!r}')
        labels = {name: index for index, name in enumerate(classes)}
        if len(labels) < len(classes):
            twice = next(name for name, count in Counter(classes).items() if count > 1)
            raise InputError(f'DefectDataset: class {twice!r} stands twice in metainfo')
        missing = [name for name in labels if name not in reader.classes]
        if reader.declares_classes and missing and not self.allow_missing_classes:
            raise InputError(
                f'{reader.name}: class {missing[0]!r} of the config is not declared in the file'
                f'{_hint(missing[0], reader.classes)}; config: {", ".join(labels)}; file: '
                f'{", ".join(reader.classes)}; correct metainfo.classes or set '
                'allow_missing_classes=True'
            )
        return labels

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

    def _data_info(
        self, record: ImageRecord, source: str, labels: dict[str, int], tally: Counter[str]
    ) -> dict[str, Any]:
        for name in record.labels:
            if name not in labels:
                raise InputError(
                    f'{source}: class {name!r} of {record.path} is not in the config'
                    f'{_hint(name, labels)}; config: {", ".join(labels)}; add it to '
                    'metainfo.classes'
                )
        limits = np.array([record.width, record.height] * 2, np.float32)
        boxes = np.clip(record.boxes, 0, limits)
        inside = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        for index in np.flatnonzero(~inside):
            self._problem(
                f'{record.path}, annotation {record.box_ids[index]}',
                f'box {record.boxes[index].tolist()} (xyxy) lies outside the image of (w, h) '
                f'({record.width}, {record.height})',
            )
        tally['clipped'] += int((inside & (boxes != record.boxes).any(axis=1)).sum())
        tally['ignored'] += int((inside & record.ignored).sum())
        ignored = record.ignored.tolist()
        corners = boxes.tolist()
        instances = []
        for index in np.flatnonzero(inside).tolist():
            instance = {
                'bbox': corners[index],
                'bbox_label': labels[record.labels[index]],
                'ignore_flag': int(ignored[index]),
            }
            if record.box_extra:
                extra = record.box_extra[index]
                instance.update((key, extra[key]) for key in self.box_keys if key in extra)
            instances.append(instance)
        info: dict[str, Any] = {
            'img_path': str(record.path),
            'img_id': record.image_id,
            'height': record.height,
            'width': record.width,
            'instances': instances,
        }
        info.update((key, record.extra[key]) for key in self.image_keys if key in record.extra)
        if 'part_homography' in info:
            info['part_homography'] = _homography(info['part_homography'], record)
        return info

    def _report(
        self, reader: BaseReader, data_list: list[dict[str, Any]], tally: Counter[str]
    ) -> None:
        classes = self._metainfo['classes']
        counts = np.bincount(
            [item['bbox_label'] for info in data_list for item in info['instances']],
            minlength=len(classes),
        )
        per_class = ', '.join(f'{name} {n}' for name, n in zip(classes, counts, strict=True))
        good = sum(not info['instances'] for info in data_list)
        print_log(
            f'{reader.name}: {len(data_list)} images, {good} of them good; boxes: {per_class}; '
            f'{tally["ignored"]} of them ignored, {tally["clipped"]} clipped; '
            f'{len(self.problems)} dropped',
            logger='current',
        )
        for problem in self.problems[:10]:
            print_log(f'dropped: {problem}', logger='current', level=logging.WARNING)
        absent = [name for name, n in zip(classes, counts, strict=True) if n == 0]
        if absent and len(absent) < len(classes):
            print_log(
                f'{reader.name}: no box of class {", ".join(absent)}',
                logger='current',
                level=logging.WARNING,
            )

    def filter_data(self) -> list[dict[str, Any]]:
        """Drop what ``filter_cfg`` names; without it, and in test mode, nothing.

        Returns:
            list[dict]: The images to use.

        Raises:
            InputError: No image is left.
        """
        if not self.filter_cfg or self.test_mode:
            return self.data_list
        drop_good = self.filter_cfg.get('filter_empty_gt', False)
        min_size = self.filter_cfg.get('min_size', 0)
        kept = [
            info
            for info in self.data_list
            if min(info['width'], info['height']) >= min_size
            and not (drop_good and all(item['ignore_flag'] for item in info['instances']))
        ]
        print_log(
            f'filter_cfg dropped {len(self.data_list) - len(kept)} of {len(self.data_list)} images',
            logger='current',
        )
        if not kept:
            raise InputError('DefectDataset: filter_cfg drops every image; loosen it')
        return kept

    def prepare_data(self, idx: int) -> Any:
        """Run the pipeline on one image.

        Args:
            idx (int): Index of the image.

        Returns:
            Any: What the last step returns.

        Raises:
            InputError: A step returned ``None``; the message names image and step.
        """
        data = self.get_data_info(idx)
        path = data['img_path']
        for step in self.pipeline.transforms:
            data = step(data)
            if data is None:
                raise InputError(
                    f'{path}: {type(step).__name__} returned no sample, and a random other image '
                    'would take its place; let it keep images without boxes (RandomCrop: '
                    'allow_negative_crop=True; FilterAnnotations: keep_empty=False)'
                )
        return data


def _known_keys() -> list[str]:
    keys = {
        key
        for owner in (DefectDataset, BaseDetDataset, BaseDataset)
        for key in inspect.signature(owner.__init__).parameters
    }
    return sorted(keys.difference(_NOT_OURS))


def _hint(name: str, known: Any) -> str:
    near = nearest_name(name, known)
    return f' (did you mean {near!r}?)' if near else ''


def _homography(value: Any, record: ImageRecord) -> np.ndarray:
    """The 3x3 matrix from view pixels to part pixels."""
    try:
        matrix = np.array(value, np.float64).reshape(3, 3)
    except (TypeError, ValueError):
        matrix = np.full((3, 3), np.nan)
    if not np.isfinite(matrix).all():
        raise InputError(f'{record.path}: part_homography must be 3x3 numbers, got {value!r}')
    return matrix
