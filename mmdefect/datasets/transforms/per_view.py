"""A pipeline for each view of a part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform, Compose

from mmdefect.datasets.seeded_draw import seeded
from mmdefect.datasets.transforms.known_geometry import require_known_geometry
from mmdefect.errors import ImageFileError, InputError, reject_unknown_keys
from mmdefect.registry import TRANSFORMS

__all__ = ['PerView']

_META_KEYS = ('part_id', 'view_id', 'view_role', 'ori_shape', 'img_shape', 'homography_matrix')


@TRANSFORMS.register_module()
class PerView(BaseTransform):
    """Run transforms on every view of a part, each view under its own seed.

    The seeds come from NumPy's global generator and the id of the view: a view that drops out
    changes nothing for the others. Several of these steps may follow each other, say one with
    ``same_draw`` for crops and one without for light.

    ``homography_matrix`` (float32, (3, 3), original view pixel -> network pixel) starts as the
    identity and is always there; upstream's geometric transforms multiply theirs onto it.

    Required keys: ``views`` (list of samples), ``part_id``. Modified keys: ``views``. Added keys:
    ``unreadable``, with file number and reason of every view dropped because its image file is
    missing or cannot be decoded; only where there is one.

    Args:
        transforms (Sequence[dict]): The pipeline of a view; it may end in ``MultiBranch``.
        same_draw (bool): All views of a part draw the same random numbers, so that crops and
            flips fall alike on views of the same size. Default False.
        **unknown: Refused, naming the nearest known key.

    Raises:
        InputError: An unknown key here, or a step that moves pixels and does not record it
            (:func:`require_known_geometry`); on use, a part of which no view to inspect can be
            read, a step that returns None, or a packed view that lacks a meta key of multi-view
            models.

    Example:
        >>> step = PerView(transforms=[])
        >>> view = {'view_id': 0, 'view_role': 'inspect', 'img_path': 'a.png'}
        >>> part = step({'part_id': 'p1', 'views': [view]})
        >>> part['views'][0]['homography_matrix'].tolist()
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """

    def __init__(
        self, transforms: Sequence[Any] = (), same_draw: bool = False, **unknown: Any
    ) -> None:
        reject_unknown_keys('PerView', unknown, ('transforms', 'same_draw'))
        self.transforms = Compose(list(transforms))
        require_known_geometry(self.transforms.transforms)
        self.same_draw = same_draw

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Run the pipeline on each view.

        Args:
            results (dict): A part with ``views``.

        Returns:
            dict: The part with what the pipeline made of its views.

        Raises:
            InputError: As stated for the class.
        """
        if 'views' not in results:
            raise InputError('PerView: the sample has no views; use it with MultiViewDataset')
        base = np.random.randint(0, 2**31, 4).tolist()
        views, unreadable = [], list(results.get('unreadable', ()))
        roles = set()
        for view in results['views']:
            path, view_id = view['img_path'], view['view_id']
            role = view['view_role']
            has_homography = view.get('part_homography') is not None
            view.setdefault('homography_matrix', np.eye(3, dtype=np.float32))
            number = view.get('file_number')
            try:
                with seeded(*base, *([] if self.same_draw else [view_id])):
                    made = self._run(view, path)
            except ImageFileError as error:
                unreadable.append((number, str(error)))
                continue
            _check_meta_keys(made, path, has_homography)
            roles.add(role)
            views.append(made)
        if 'inspect' not in roles:
            why = unreadable[0][1] if unreadable else 'it has none'
            raise InputError(
                f'part {results["part_id"]!r}: no view to inspect can be read ({why}); repair the '
                'files or drop the part'
            )
        results = {**results, 'views': views}
        if unreadable:
            results['unreadable'] = unreadable
        return results

    def _run(self, view: dict[str, Any], path: str) -> dict[str, Any]:
        for step in self.transforms.transforms:
            view = step(view)
            if view is None:
                raise InputError(
                    f'{path}: {type(step).__name__} returned no sample; let it keep images without '
                    'boxes (RandomCrop: allow_negative_crop=True; FilterAnnotations: '
                    'keep_empty=False)'
                )
        return view

    def __repr__(self) -> str:
        """As in a config."""
        return f'PerView(transforms={self.transforms.transforms}, same_draw={self.same_draw})'


def _check_meta_keys(made: Mapping[str, Any], path: str, has_homography: bool) -> None:
    keys = (*_META_KEYS, *(['part_homography'] if has_homography else []))
    for sample in _samples(made.get('data_samples')):
        for key in keys:
            if key not in sample.metainfo:
                raise InputError(
                    f'{path}: meta key {key!r} is not packed, which multi-view models need; use '
                    'mmdefect.PackInputs, or add it to the meta_keys of the packing step'
                )


def _samples(packed: Any) -> Iterator[Any]:
    """The data samples of a view: none before packing, one, or one per branch."""
    for sample in packed.values() if isinstance(packed, Mapping) else (packed,):
        if sample is not None:
            yield sample
