"""The images that an inspection is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mmdefect.datasets.images import IMAGE_SUFFIXES
from mmdefect.datasets.readers.files import walk_files
from mmdefect.errors import InputError

__all__ = ['ImageFiles', 'find_images']


@dataclass(frozen=True, slots=True)
class ImageFiles:
    """Images found by :func:`find_images`.

    Args:
        paths (tuple[str, ...]): Their paths, sorted, each once.
        passed_over (int): Files in folders that are no images by their names.

    Example:
        >>> ImageFiles(('a.png',), 0).paths
        ('a.png',)
    """

    paths: tuple[str, ...]
    passed_over: int


def find_images(sources: Iterable[str | Path]) -> ImageFiles:
    """List image files and all images below folders.

    Hidden files are passed over. A file that is named is taken whatever its ending.

    Args:
        sources (Iterable[str | Path]): Files and folders.

    Returns:
        ImageFiles: Their images; nothing is opened.

    Raises:
        InputError: A source does not exist, a folder cannot be listed, or there is no image.

    Example:
        >>> find_images(['none'])
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: none: no such image or folder; check the path
    """
    sources = [Path(source) for source in sources]
    paths: set[str] = set()
    passed_over = 0
    for source in sources:
        if not source.exists():
            raise InputError(f'{source}: no such image or folder; check the path')
        if not source.is_dir():
            paths.add(str(source))
            continue
        for path in walk_files(source):
            if path.suffix.lower() in IMAGE_SUFFIXES:
                paths.add(str(path))
            else:
                passed_over += 1
    if not paths:
        raise InputError(
            f'{", ".join(map(str, sources))}: no image files ({", ".join(IMAGE_SUFFIXES)}); check '
            'the path'
        )
    return ImageFiles(tuple(sorted(paths)), passed_over)
