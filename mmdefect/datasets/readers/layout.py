"""Which annotation file belongs to which image, told by their folders and stems."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from mmdefect.datasets.readers.files import IMAGE_FOLDERS, name_below

__all__ = ['by_layout', 'layout_key']


@lru_cache
def _words(words: tuple[str, ...]) -> re.Pattern[str]:
    inner = '|'.join(sorted((*IMAGE_FOLDERS, *words), key=len, reverse=True))
    return re.compile(rf'(?<![a-z])(?:{inner})(?![a-z])')


def layout_key(name: str, words: tuple[str, ...]) -> str:
    """What the paths of an image and of its annotation have in common.

    The suffix goes, and from the folders the words that only say which of the two it is:
    ``images/train/1.jpg``, ``train/labels/1.txt`` and ``train_images/1.png`` are all
    ``train/1``.

    Args:
        name (str): Path below the data set, with forward slashes.
        words (tuple[str, ...]): Lower-case words for folders of annotations, such as
            ``('labels',)``; ``images``, ``imgs`` and ``JPEGImages`` always go.

    Returns:
        str: The key; its folders are in lower case, its last part is as written.

    Example:
        >>> layout_key('images/Train/1.jpg', ('labels',)), layout_key('1.txt', ('labels',))
        ('train/1', '1')
    """
    folder, _, last = name.rpartition('/')
    return _plain_folder(folder, words) + posixpath.splitext(last)[0]


@lru_cache(maxsize=4096)
def _plain_folder(folder: str, words: tuple[str, ...]) -> str:
    parts = (_words(words).sub('', part.lower()).strip('_- ') for part in folder.split('/'))
    return ''.join(f'{part}/' for part in parts if part)


def by_layout(paths: Iterable[Path], folder: Path, words: tuple[str, ...]) -> dict[str, list[Path]]:
    """Files by their :func:`layout_key`.

    Args:
        paths (Iterable[Path]): Files below ``folder``.
        folder (Path): The data set.
        words (tuple[str, ...]): As in :func:`layout_key`.

    Returns:
        dict[str, list[Path]]: The files of each key, in the order given.

    Example:
        >>> by_layout([Path('a/images/1.jpg')], Path('a'), ('labels',))['1'][0].name
        '1.jpg'
    """
    found: dict[str, list[Path]] = {}
    below = name_below(folder)
    for path in paths:
        key = layout_key(below(path), words)
        found.setdefault(key, []).append(path)
    return found
