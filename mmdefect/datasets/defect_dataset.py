"""The data set of defect detection: any reader, classes by name, good parts kept."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
from mmdet.datasets import BaseDetDataset
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from mmdefect.datasets.class_labels import SingleClass, map_labels
from mmdefect.datasets.readers import BaseReader
from mmdefect.datasets.readers.base import OnError
from mmdefect.datasets.record_converter import CheckImages, RecordConverter
from mmdefect.datasets.seeded_draw import DrawnIndex, seeded
from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.registry import DATASETS, READERS
from mmdefect.structures import Problem
from mmdefect.wording import counted

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
        single_class (bool): Every annotated class counts as the one class of ``metainfo``, to find
            defects of whatever kind. Default False.
        check_images ('header' | 'decode' | 'none' | None): Compare sizes with the image headers,
            decode every image too, or trust the annotations. Default None: ``decode`` where
            ``on_error`` is ``drop``, so that an image that stops short is dropped on loading and
            does not end the training; else ``header``, which reads no pixels.
        on_error ('raise' | 'drop'): Raise at the first bad box or image, or drop, count and list
            it in :attr:`problems`. Class names that do not agree always raise. Default ``raise``.
        image_keys (Sequence[str]): Further keys of an image to put into its sample. Default
            ``part_id, view_id, part_homography``.
        box_keys (Sequence[str]): Further keys of a box to put into its instance. Default
            ``defect_id, mask``; readers give masks where their ``masks`` is True.
        filter_cfg (dict | None): ``filter_empty_gt`` (bool) drops good images, ``min_size``
            (int, pixels) drops images with a shorter side; not in test mode. Default None.
        **kwargs: ``pipeline``, ``test_mode``, ``indices``, ``lazy_init``, ``serialize_data`` and
            the other arguments of :class:`mmdet.datasets.BaseDetDataset`.

    Attributes:
        problems (list[Problem]): What was dropped on loading.
        reads_draws (bool): An index of :class:`mmdefect.datasets.samplers.SemiSupervisedSampler`
            brings the seed of its item, so that the item does not depend on loader processes.

    Raises:
        InputError: An unknown key, or bad input and ``on_error`` is ``raise``.

    Example:
        >>> DefectDataset(readr=dict(type='mmdefect.COCOReader', ann_file='train.json'))
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: DefectDataset: unknown key 'readr'; did you mean 'reader'?
    """

    reads_draws = True
    # What a missing or unreadable image file does; None: what `on_error` says.
    _on_bad_file: OnError | None = None

    def __init__(
        self,
        *,
        reader: Mapping[str, Any] | BaseReader | None = None,
        metainfo: Mapping[str, Any] | None = None,
        allow_missing_classes: bool = False,
        single_class: bool = False,
        check_images: CheckImages | None = None,
        on_error: OnError = 'raise',
        image_keys: Sequence[str] = ('part_id', 'view_id', 'part_homography'),
        box_keys: Sequence[str] = ('defect_id', 'mask'),
        filter_cfg: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        name = type(self).__name__
        reject_unknown_keys(name, kwargs, _known_keys(type(self)))
        reject_unknown_keys(f'{name} filter_cfg', filter_cfg or {}, _FILTER_KEYS)
        if reader is None:
            raise InputError(
                f"{name}: key 'reader' is missing; give reader=dict("
                "type='mmdefect.COCOReader', ann_file=...)"
            )
        for key, value, known in (
            ('check_images', check_images, (None, 'header', 'decode', 'none')),
            ('on_error', on_error, ('raise', 'drop')),
        ):
            if value not in known:
                raise InputError(f'{name}: {key} must be one of {known}, got {value!r}')
        self.reader = reader
        self.allow_missing_classes = allow_missing_classes
        self.single_class = single_class
        default: CheckImages = 'decode' if on_error == 'drop' else 'header'
        self.check_images = check_images or default
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
        self.has_labels = reader.has_labels
        converter = RecordConverter(
            self._label_map(reader),
            reader.name,
            check_images=self.check_images,
            on_error=self.on_error,
            on_bad_file=self._on_bad_file,
            image_keys=self.image_keys,
            box_keys=self.box_keys,
        )
        infos = (converter.convert(record) for record in reader)
        data_list = [info for info in infos if info is not None]
        self.problems = [*reader.problems, *converter.problems]
        if not data_list:
            why = f'dropped {len(self.problems)}: {self.problems[0]}' if self.problems else ''
            cure = why or 'check the path and the annotation file'
            raise InputError(f'{reader.name}: no images; {cure}')
        for note in reader.notes:
            print_log(note, logger='current', level=logging.WARNING)
        self._report(reader.name, data_list, converter)
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
        parameters = {
            name: parameter
            for name, parameter in inspect.signature(reader_class).parameters.items()
            if parameter.kind is not parameter.VAR_KEYWORD
        }
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

    def _label_map(self, reader: BaseReader) -> Mapping[str, int]:
        if self.single_class:
            names = self._metainfo.get('classes')
            if isinstance(names, str) or len(names or ()) != 1:
                raise InputError(
                    f'DefectDataset: single_class needs one name in metainfo.classes, got {names!r}'
                )
            return SingleClass()
        if self._metainfo.get('classes') is None:
            self._metainfo['classes'] = tuple(reader.classes)
            print_log(
                f'{reader.name}: no classes in metainfo, taking {", ".join(reader.classes)}',
                logger='current',
            )
        return map_labels(self._metainfo['classes'], reader, self.allow_missing_classes)

    def _report(
        self, source: str, data_list: list[dict[str, Any]], converter: RecordConverter
    ) -> None:
        classes = self._metainfo['classes']
        counts = np.bincount(
            [item['bbox_label'] for info in data_list for item in info['instances']],
            minlength=len(classes),
        )
        per_class = ', '.join(f'{name} {n}' for name, n in zip(classes, counts, strict=True))
        good = sum(not info['instances'] for info in data_list)
        print_log(
            f'{source}: {counted(len(data_list), "image")}, {good} of them good; '
            f'boxes: {per_class}; {converter.ignored} of them ignored, '
            f'{converter.clipped} clipped; '
            f'{len(self.problems)} dropped',
            logger='current',
        )
        for problem in self.problems[:10]:
            print_log(f'dropped: {problem}', logger='current', level=logging.WARNING)
        absent = [name for name, n in zip(classes, counts, strict=True) if n == 0]
        if absent and len(absent) < len(classes):
            print_log(
                f'{source}: no box of class {", ".join(absent)}',
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
            f'filter_cfg dropped {len(self.data_list) - len(kept)} of '
            f'{counted(len(self.data_list), "image")}',
            logger='current',
        )
        if not kept:
            raise InputError('DefectDataset: filter_cfg drops every image; loosen it')
        return kept

    def prepare_data(self, idx: int) -> Any:
        """Run the pipeline on one item.

        Args:
            idx (int): Index of the item; a
                :class:`~mmdefect.datasets.seeded_draw.DrawnIndex` brings its seed.

        Returns:
            Any: What the last step returns.

        Raises:
            InputError: A step returned ``None``; the message names image and step.
        """
        with seeded(*idx.entropy) if isinstance(idx, DrawnIndex) else nullcontext():
            return self._run_pipeline(self.get_data_info(idx))

    def _run_pipeline(self, data: dict[str, Any]) -> Any:
        name = data['img_path'] if 'img_path' in data else f'part {data["part_id"]!r}'
        for step in self.pipeline.transforms:
            data = step(data)
            if data is None:
                raise InputError(
                    f'{name}: {type(step).__name__} returned no sample, and a random other image '
                    'would take its place; let it keep images without boxes (RandomCrop: '
                    'allow_negative_crop=True; FilterAnnotations: keep_empty=False)'
                )
        return data


def _known_keys(kind: type) -> list[str]:
    owners = [owner for owner in kind.__mro__ if issubclass(owner, BaseDataset)]
    keys = {key for owner in owners for key in inspect.signature(owner.__init__).parameters}
    return sorted(keys.difference(_NOT_OURS))
