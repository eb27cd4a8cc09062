"""Which part an image shows, and as which of its views."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from mmdefect.errors import InputError

__all__ = ['GroupBy', 'ViewGrouping', 'path_end']

GroupBy = Literal['keys', 'pattern', 'folder', 'image']
# No part has more; a larger number is some other number, such as an image id.
_MAX_VIEWS = 1000


class ViewGrouping:
    r"""Tell part and view of images.

    A view is named by a number or by words. Numbers are view ids as they stand. Words get ids by
    their place in ``view_names`` or, without it, in their sorted list; give ``view_names`` where
    several data sets must agree and one of them may lack a view.

    Args:
        group_by ('keys' | 'pattern' | 'folder' | 'image'): Where to look. ``keys``: ``part_id``
            and ``view_id`` of the image, as a COCO file carries them. ``pattern``: ``pattern``.
            ``folder``: each folder is one part, its files are the views, named alike in every
            folder. ``image``: each image is one part with one view, 0. Default ``keys``.
        pattern (str | None): Regular expression with the groups ``part`` and ``view``. It must
            match the end of the path, without suffix, from the start of a folder's or the file's
            name: ``(?P<part>[^/]+)_v(?P<view>\d+)``. Default None.
        view_names (Sequence[str] | None): Names of the views in the order of their ids; for
            ``pattern`` and ``folder``. Default None.

    Raises:
        InputError: A value here is wrong or does not go with ``group_by``.

    Example:
        >>> grouping = ViewGrouping('pattern', r'(?P<part>[^/]+)_(?P<view>[a-z]+)')
        >>> grouping.identify([{'img_path': 'x/7_top.png'}, {'img_path': 'x/7_side.png'}])
        [('7', 1), ('7', 0)]
    """

    def __init__(
        self,
        group_by: GroupBy = 'keys',
        pattern: str | None = None,
        view_names: Sequence[str] | None = None,
    ) -> None:
        if group_by not in get_args(GroupBy):
            raise InputError(
                f'MultiViewDataset: group_by must be one of {get_args(GroupBy)}, got {group_by!r}'
            )
        if (pattern is not None) != (group_by == 'pattern'):
            raise InputError(
                "MultiViewDataset: pattern and group_by='pattern' go together, got pattern="
                f'{pattern!r} and group_by={group_by!r}'
            )
        if view_names is not None and group_by not in ('pattern', 'folder'):
            raise InputError(
                "MultiViewDataset: view_names need group_by='pattern' or 'folder', got "
                f'group_by={group_by!r}'
            )
        self.group_by = group_by
        self.view_names = None if view_names is None else [str(name) for name in view_names]
        self._expression = (
            None
            if pattern is None
            else path_end(pattern, ('part', 'view'), 'MultiViewDataset: pattern')
        )

    def identify(self, infos: Sequence[Mapping[str, Any]]) -> list[tuple[str, int]]:
        """Tell part id and view id of each image of a data set.

        Args:
            infos (Sequence[Mapping]): Images with ``img_path``, and ``part_id`` and ``view_id``
                for ``keys``, ``img_id`` for ``image``.

        Returns:
            list[tuple[str, int]]: Part id and view id (0 to 999) of each.

        Raises:
            InputError: An image tells none, or folders do not name their views alike.
        """
        if self.group_by == 'keys':
            return [_from_keys(info) for info in infos]
        if self.group_by == 'image':
            return [(str(info['img_id']), 0) for info in infos]
        paths = [Path(info['img_path']) for info in infos]
        named = self._from_pattern(paths) if self._expression else self._from_folders(paths)
        number = self._numbering({name for _, name in named})
        return [
            (part, _checked(number(name), path))
            for (part, name), path in zip(named, paths, strict=True)
        ]

    def _from_pattern(self, paths: Sequence[Path]) -> list[tuple[str, str]]:
        found = []
        for path in paths:
            match = self._expression.search(path.with_suffix('').as_posix())
            if match is None:
                raise InputError(
                    f'{path}: pattern {self._expression.pattern!r} of MultiViewDataset does not '
                    'match the end of this path without its suffix; correct one of them'
                )
            found.append((match['part'], match['view']))
        return found

    def _from_folders(self, paths: Sequence[Path]) -> list[tuple[str, str]]:
        folders = sorted({path.parent for path in paths})
        root = Path(os.path.commonpath([folder.parent for folder in folders]))
        names = {path.stem for path in paths}
        if len(folders) > 1 and len(names) == len(paths):
            raise InputError(
                f'{root}: no two folders name a view alike ({", ".join(sorted(names)[:3])}, ...); '
                "MultiViewDataset group_by='folder' needs that, else use group_by='pattern'"
            )
        return [(path.parent.relative_to(root).as_posix(), path.stem) for path in paths]

    def _numbering(self, names: set[str]) -> Callable[[str], int]:
        if self.view_names is not None:
            unknown = sorted(names.difference(self.view_names))
            if unknown:
                raise InputError(
                    f'MultiViewDataset: view {unknown[0]!r} is not among view_names '
                    f'{self.view_names}; add it'
                )
            return self.view_names.index
        if all(name.isdecimal() for name in names):
            return int
        return sorted(names).index


def path_end(pattern: str, groups: Sequence[str], name: str) -> re.Pattern[str]:
    r"""Compile a pattern of the end of paths, from the start of a folder's or the file's name.

    Args:
        pattern (str): Regular expression.
        groups (Sequence[str]): Named groups that it must have.
        name (str): What messages call it.

    Returns:
        re.Pattern[str]: To be searched for in a POSIX path without its suffix.

    Raises:
        InputError: It is no regular expression, or lacks a group.

    Example:
        >>> path_end(r'(?P<part>[^/]+)_\d', ('part',), 'pattern').search('x/a_b_7')['part']
        'a_b'
    """
    try:
        expression = re.compile(rf'(?:^|(?<=/))(?:{pattern})$')
    except re.error as error:
        raise InputError(f'{name} {pattern!r}: {error}; correct it') from None
    if not expression.groupindex.keys() >= set(groups):
        wanted = ' and '.join(f'(?P<{group}>...)' for group in groups)
        many = 's' if len(groups) > 1 else ''
        raise InputError(f'{name} {pattern!r} must have the group{many} {wanted}')
    return expression


def _from_keys(info: Mapping[str, Any]) -> tuple[str, int]:
    for key in ('part_id', 'view_id'):
        if info.get(key) is None:
            raise InputError(
                f'{info["img_path"]}: the image has no key {key!r}, which MultiViewDataset '
                "group_by='keys' needs; add it, or set group_by='pattern', 'folder' or 'image'"
            )
    return str(info['part_id']), _checked(info['view_id'], info['img_path'])


def _checked(view_id: Any, path: Path | str) -> int:
    if isinstance(view_id, bool) or not isinstance(view_id, int) or not 0 <= view_id < _MAX_VIEWS:
        raise InputError(
            f'{path}: view_id must be a whole number from 0 to {_MAX_VIEWS - 1}, got {view_id!r}; '
            'correct it'
        )
    return view_id
