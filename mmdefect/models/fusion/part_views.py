"""Which images of a batch are views of the same part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmdet.structures import DetDataSample

from mmdefect.errors import InputError

__all__ = ['PartViews', 'images_to_inspect']

_ROLES = ('inspect', 'reference')


def images_to_inspect(samples: Sequence[DetDataSample]) -> list[int]:
    """Tell the views to look for defects in from those that only show how a good part looks.

    Args:
        samples (Sequence[DetDataSample]): With ``view_role`` ``'inspect'`` or ``'reference'``;
            one without it is to be inspected.

    Returns:
        list[int]: Indices of those to inspect.

    Raises:
        InputError: There is none, or a role is another.

    Example:
        >>> reference = DetDataSample(metainfo=dict(view_role='reference'))
        >>> images_to_inspect([reference, DetDataSample()])
        [1]
    """
    chosen = [index for index, sample in enumerate(samples) if _is_inspect(sample)]
    if not chosen:
        names = ', '.join(map(_name, samples))
        raise InputError(f'no view to inspect among {names}; each part needs at least one')
    return chosen


class PartViews:
    """The images of a batch, grouped by the part they show.

    Images with the same ``part_id`` belong together, in whatever order they stand. An image
    without ``part_id`` is a part of its own. A part that was drawn twice into a batch counts as
    two: a ``view_id`` that a part already has opens the next one.

    Args:
        samples (Sequence[DetDataSample]): One per image, with the meta keys ``part_id``,
            ``view_id`` and ``view_role`` where they exist.

    Attributes:
        slots (NDArray[np.int64]): Index of the image at each place of each part, shape
            (parts, most views of a part). Where a part has fewer views, its first image.
        present (NDArray[np.bool_]): Whether there is a view at that place, same shape.
        inspect (NDArray[np.bool_]): Whether there is one to inspect, same shape.
        view_ids (NDArray[np.int64]): Of each image, shape (N,); -1 where it has none.

    Raises:
        InputError: A role or a ``view_id`` is none, or no view is to be inspected.

    Example:
        >>> views = PartViews([
        ...     DetDataSample(metainfo=dict(part_id='a', view_id=0)),
        ...     DetDataSample(metainfo=dict(part_id='a', view_id=3, view_role='reference')),
        ...     DetDataSample(metainfo=dict(part_id='b', view_id=3))])
        >>> views.slots.tolist(), views.present.tolist()
        ([[0, 1], [2, 2]], [[True, True], [True, False]])
        >>> views.inspect.tolist()
        [[True, False], [True, False]]
    """

    def __init__(self, samples: Sequence[DetDataSample]) -> None:
        self.view_ids = np.array([_view_id(sample) for sample in samples], np.int64)
        roles = np.zeros(len(samples), bool)
        roles[images_to_inspect(samples)] = True
        groups: list[list[int]] = []
        newest: dict[Any, list[int]] = {}
        for index, sample in enumerate(samples):
            part_id = sample.get('part_id')
            group = None if part_id is None else newest.get(part_id)
            view_id = self.view_ids[index]
            if group is None or (view_id >= 0 and view_id in self.view_ids[group]):
                groups.append([])
                group = groups[-1]
                if part_id is not None:
                    newest[part_id] = group
            group.append(index)
        width = max(map(len, groups))
        self.slots = np.array(
            [group + group[:1] * (width - len(group)) for group in groups], np.int64
        )
        counts = np.array([len(group) for group in groups], np.int64)
        self.present = np.arange(width) < counts[:, None]
        self.inspect = self.present & roles[self.slots]


def _is_inspect(sample: DetDataSample) -> bool:
    role = sample.get('view_role') or 'inspect'
    if role not in _ROLES:
        raise InputError(
            f'{_name(sample)}: view_role must be one of {", ".join(_ROLES)}, got {role!r}'
        )
    return bool(role == 'inspect')


def _view_id(sample: DetDataSample) -> int:
    value = sample.get('view_id')
    if value is None:
        return -1
    if isinstance(value, bool) or int(value) != value or value < 0:
        raise InputError(f'{_name(sample)}: view_id must be a whole number >= 0, got {value!r}')
    return int(value)


def _name(sample: DetDataSample) -> str:
    return str(sample.get('img_path') or f'view of part {sample.get("part_id")}')
