"""Which part an image file shows, told by its path."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mmdefect.datasets.view_grouping import path_end
from mmdefect.errors import InputError

__all__ = ['PartPattern']


class PartPattern:
    r"""Tell parts by a pattern of paths, as :class:`mmdefect.datasets.MultiViewDataset` does.

    Args:
        pattern (str | None): Regular expression with the group ``part``. It must match the end of
            the path, without suffix, from the start of a folder's or the file's name:
            ``(?P<part>[^/]+)_v\d+``; ``(?P<part>[^/]+)/[^/]+`` makes each folder a part. Default
            None: each image is its own part.

    Raises:
        InputError: The pattern cannot be used.

    Example:
        >>> PartPattern(r'(?P<part>[^/]+)_v\d+').parts(['x/c7_v0.png', 'x/c7_v1.png'])
        {'x/c7_v0.png': 'c7', 'x/c7_v1.png': 'c7'}
    """

    def __init__(self, pattern: str | None = None) -> None:
        self._expression = None if pattern is None else path_end(pattern, ('part',), 'part pattern')

    def parts(self, paths: Iterable[str]) -> dict[str, str | None]:
        """Tell the parts of images.

        Args:
            paths (Iterable[str]): Their paths.

        Returns:
            dict[str, str | None]: Part by path, None where the image is its own part.

        Raises:
            InputError: The pattern does not match a path.
        """
        if self._expression is None:
            return dict.fromkeys(paths)
        found: dict[str, str | None] = {}
        for path in paths:
            match = self._expression.search(Path(path).with_suffix('').as_posix())
            if match is None or not match['part']:
                raise InputError(
                    f'{path}: part pattern {self._expression.pattern!r} does not match the end of '
                    'this path without its suffix; correct one of them'
                )
            found[path] = match['part']
        return found
