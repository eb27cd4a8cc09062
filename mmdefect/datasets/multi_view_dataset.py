"""Parts photographed from several sides: one item is one part."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from mmengine.logging import print_log

from mmdefect.datasets.defect_dataset import DefectDataset
from mmdefect.datasets.images import image_size
from mmdefect.datasets.readers import BaseReader
from mmdefect.datasets.readers.base import OnError
from mmdefect.datasets.transforms import PerView
from mmdefect.datasets.view_grouping import GroupBy, ViewGrouping
from mmdefect.errors import ImageFileError, InputError
from mmdefect.registry import DATASETS
from mmdefect.structures import Problem
from mmdefect.wording import counted

__all__ = ['Geometry', 'MultiViewDataset']

Geometry = Literal['registered', 'aligned', 'free']


@DATASETS.register_module()
class MultiViewDataset(DefectDataset):
    """Parts with one or more views, from any registered reader.

    An item holds ``views``, one dictionary per image as :class:`DefectDataset` makes it, sorted
    by view; the pipeline begins with ``mmdefect.PerView``, and the loader needs
    ``collate_fn=dict(type='mmdefect.multi_view_collate')``. Lengths, indices and ``filter_cfg``
    count parts: ``filter_empty_gt`` drops parts without a box in any view, ``min_size`` those with
    a smaller view.

    Views are ``inspect`` or ``reference``. A reference view, such as a defect-free template,
    helps to see defects in the others and has no boxes of its own.

    A view whose image file is missing or cannot be decoded is left out of its part, counted and
    warned of once, whatever ``on_error`` says, also when the file is lost during training. No
    other image takes its place. A part that keeps reference views only is an error, and so is one
    that loses its last view during training.

    Args:
        group_by ('keys' | 'pattern' | 'folder' | 'image'): What tells part and view of an image,
            see :class:`mmdefect.datasets.view_grouping.ViewGrouping`. Default ``keys``.
        pattern (str | None): Regular expression for ``group_by='pattern'``. Default None.
        view_names (Sequence[str] | None): Names of the views in the order of their ids, for
            ``pattern`` and ``folder``. Default None: numbers as they stand, words sorted.
        num_views (int | None): Views that a part has, so that ids are 0 to ``num_views - 1`` and
            missing ones are counted. Default None: not checked.
        geometry ('registered' | 'aligned' | 'free'): ``registered``: every image has a
            ``part_homography`` (3x3, view pixel -> part pixel). ``aligned``: all views of a part
            have the same size and show the same places at the same pixels, so it is the identity.
            ``free``: the views have nothing to do with each other. Default ``registered``.
        reference_views (Sequence[int]): Ids of reference views. Default none.
        reference_pattern (str | None): Regular expression; an image whose file name it is found
            in is a reference view. Default None.
        template_key (str | None): Key of an image that names one more, the template, relative to
            the folder of the image (``template_path`` of ``mmdefect.DeepPCBReader``). It becomes
            a reference view with the geometry of that image and the first id that no image has.
            Default None.
        **kwargs: The arguments of :class:`DefectDataset`.

    Attributes:
        problems (list[Problem]): What was dropped on loading.

    Raises:
        InputError: An unknown key, bad input and ``on_error`` is ``raise``, an image that tells
            no part or view, a registered one without ``part_homography``.

    Example:
        >>> MultiViewDataset(reader=dict(type='mmdefect.FolderReader', source='x'), geometri='free')
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: MultiViewDataset: unknown key 'geometri'; did you mean \
'geometry'?
    """

    _on_bad_file: OnError | None = 'drop'

    def __init__(
        self,
        *,
        group_by: GroupBy = 'keys',
        pattern: str | None = None,
        view_names: Sequence[str] | None = None,
        num_views: int | None = None,
        geometry: Geometry = 'registered',
        reference_views: Sequence[int] = (),
        reference_pattern: str | None = None,
        template_key: str | None = None,
        image_keys: Sequence[str] = ('part_id', 'view_id', 'part_homography'),
        **kwargs: Any,
    ) -> None:
        self.grouping = ViewGrouping(group_by, pattern, view_names)
        if geometry not in get_args(Geometry):
            raise InputError(
                f'MultiViewDataset: geometry must be one of {get_args(Geometry)}, got {geometry!r}'
            )
        if num_views is not None and (not isinstance(num_views, int) or num_views < 1):
            raise InputError(f'MultiViewDataset: num_views must be >= 1, got {num_views!r}')
        try:
            self._reference = None if reference_pattern is None else re.compile(reference_pattern)
        except re.error as error:
            raise InputError(
                f'MultiViewDataset: reference_pattern {reference_pattern!r}: {error}; correct it'
            ) from None
        self.num_views = num_views
        self.geometry = geometry
        self.reference_views = frozenset(reference_views)
        self.template_key = template_key
        self._unreadable = _SharedFlags(0)
        super().__init__(
            image_keys=(*image_keys, *([template_key] if template_key else [])), **kwargs
        )
        first = next(iter(self.pipeline.transforms), None)
        if first is not None and not isinstance(first, PerView):
            raise InputError(
                'MultiViewDataset: the pipeline must begin with mmdefect.PerView, got '
                f'{type(first).__name__}; put the steps into PerView(transforms=[...])'
            )

    @property
    def unreadable_views(self) -> int:
        """Views that were loaded from the annotations and whose files then could not be read."""
        return int(self._unreadable.values.sum())

    def _build_reader(self) -> BaseReader:
        reader = super()._build_reader()
        reader.drop_bad_files = True
        return reader

    def load_data_list(self) -> list[dict[str, Any]]:
        """Read, check and convert all records, and group them by part.

        Returns:
            list[dict]: Per part, in the order of the reader: ``part_id`` (str), ``width`` and
            ``height`` (of its smallest view), ``instances`` (those of all views, for counting),
            and ``views``, each as :class:`DefectDataset` makes it with ``part_id``, ``view_id``,
            ``view_role``, ``part_homography`` (float64, (3, 3), or absent) and ``file_number``.

        Raises:
            InputError: Bad input and ``on_error`` is ``raise``; or no part is left.
        """
        infos = super().load_data_list()
        loaded = len(self.problems)
        for info, (part_id, view_id) in zip(infos, self.grouping.identify(infos), strict=True):
            info.update(part_id=part_id, view_id=view_id)
        if self.template_key is not None:
            infos = self._with_templates(infos)
        parts: dict[str, dict[int, dict[str, Any]]] = {}
        for number, info in enumerate(infos):
            info['file_number'] = number
            self._complete(info)
            views = parts.setdefault(info['part_id'], {})
            same = views.setdefault(info['view_id'], info)
            if same is not info:
                self._problem(
                    info['img_path'],
                    f'is view {info["view_id"]} of part {info["part_id"]!r}, and so is '
                    f'{same["img_path"]}',
                )
        self._unreadable = _SharedFlags(len(infos))
        data_list = [
            self._part(part_id, [views[view_id] for view_id in sorted(views)])
            for part_id, views in parts.items()
        ]
        kept = [part for part in data_list if part is not None]
        if not kept:
            raise InputError(f'MultiViewDataset: no part is left; {self.problems[-1]}')
        self._report_parts(kept, self.problems[loaded:])
        return kept

    def _problem(self, where: str, what: str) -> None:
        if self.on_error == 'raise':
            raise InputError(f"{where}: {what} (on_error='drop' leaves it out)")
        self.problems.append(Problem(where, what))

    def _with_templates(self, infos: list[dict[str, Any]]) -> list[dict[str, Any]]:
        view_id = 1 + max(info['view_id'] for info in infos)
        found = []
        for info in infos:
            found.append(info)
            name = info.pop(self.template_key, None)
            if name is None:
                continue
            path = Path(info['img_path']).parent / name
            try:
                width, height = image_size(path)
            except ImageFileError as error:
                where, _, what = str(error).partition(': ')
                self.problems.append(Problem(where, what))
                continue
            template = {
                **info, 'img_path': str(path), 'img_id': f'{info["img_id"]}/{name}',
                'width': width, 'height': height, 'instances': [], 'view_id': view_id,
                'view_role': 'reference',
            }  # fmt: skip
            found.append(template)
        return found

    def _complete(self, info: dict[str, Any]) -> None:
        """Add role and geometry."""
        path, view_id = info['img_path'], info['view_id']
        limit = self.num_views
        if limit is not None and view_id >= limit:
            raise InputError(
                f'{path}: view_id {view_id} does not fit num_views={limit} (ids are 0 to '
                f'{limit - 1}); correct num_views or give view_names'
            )
        is_reference = view_id in self.reference_views or (
            self._reference is not None and self._reference.search(Path(path).name) is not None
        )
        info.setdefault('view_role', 'reference' if is_reference else 'inspect')
        if info['view_role'] == 'reference' and info['instances']:
            raise InputError(
                f'{path}: a reference view must be free of defects, but it has '
                f'{len(info["instances"])} boxes; correct reference_views or its boxes'
            )
        if self.geometry == 'free':
            info.pop('part_homography', None)
        elif self.geometry == 'aligned':
            info['part_homography'] = np.eye(3)
        elif info.get('part_homography') is None:
            raise InputError(
                f'{path}: the image has no key part_homography, which MultiViewDataset '
                "geometry='registered' needs; add it, or set geometry='free' or 'aligned'"
            )
        elif abs(np.linalg.det(info['part_homography'])) < 1e-12:
            raise InputError(f'{path}: part_homography has no inverse; correct it')

    def _part(self, part_id: str, views: list[dict[str, Any]]) -> dict[str, Any] | None:
        first = views[0]
        if all(view['view_role'] == 'reference' for view in views):
            self._problem(f'part {part_id!r}', f'has no view to inspect, only {first["img_path"]}')
            return None
        sizes = {(view['width'], view['height']) for view in views}
        if self.geometry == 'aligned' and len(sizes) > 1:
            raise InputError(
                f'{first["img_path"]}: the views of part {part_id!r} have sizes (w, h) '
                f"{sorted(sizes)}, but geometry='aligned' needs equal ones; use another geometry"
            )
        return {
            'part_id': part_id,
            'width': min(view['width'] for view in views),
            'height': min(view['height'] for view in views),
            'instances': [item for view in views for item in view['instances']],
            'views': views,
        }

    def _report_parts(self, parts: list[dict[str, Any]], problems: list[Problem]) -> None:
        counts = [len(part['views']) for part in parts]
        references = sum(
            view['view_role'] == 'reference' for part in parts for view in part['views']
        )
        if not references and (self.reference_views or self._reference or self.template_key):
            print_log(
                'there is no reference view, though reference_views, reference_pattern or '
                'template_key is given; correct it, or look for the files',
                logger='current',
                level=logging.WARNING,
            )
        most = self.num_views or max(counts)
        fewer = sum(count < most for count in counts)
        print_log(
            f'{counted(len(parts), "part")} of {counted(most, "view")}, {fewer} of them with '
            f'fewer; {counted(references, "reference view")}; geometry {self.geometry}',
            logger='current',
        )
        for problem in problems[:10]:
            print_log(f'dropped: {problem}', logger='current', level=logging.WARNING)

    def prepare_data(self, idx: int) -> Any:
        """Run the pipeline on one part.

        Args:
            idx (int): Index of the part; a
                :class:`~mmdefect.datasets.seeded_draw.DrawnIndex` brings its seed.

        Returns:
            Any: What the last step returns.

        Raises:
            InputError: A step returned ``None``, or no inspect view can be read.
        """
        data = super().prepare_data(idx)
        for number, reason in data.pop('unreadable', ()):
            if not self._unreadable.values[number]:
                self._unreadable.values[number] = 1
                print_log(
                    f'{reason}; the part goes on without this view '
                    f'({counted(self.unreadable_views, "view")} so far)',
                    logger='current',
                    level=logging.WARNING,
                )
        return data


class _SharedFlags:
    """One flag per image file, shared by loader processes and by copies of the data set."""

    def __init__(self, count: int) -> None:
        self.values = torch.zeros(count, dtype=torch.uint8).share_memory_()

    def __deepcopy__(self, memo: dict[int, Any]) -> _SharedFlags:
        return self
