"""Folders and files of a data set: walked, looked up, asked about, in one line where they fail."""

from __future__ import annotations

import os
import posixpath
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from mmdefect.errors import InputError

__all__ = [
    'IMAGE_FOLDERS',
    'files_by_stem',
    'is_file',
    'name_below',
    'require_source',
    'subfolder',
    'walk_files',
]

# Customary names of an image folder, in lower case.
IMAGE_FOLDERS = ('images', 'jpegimages', 'imgs', 'image', 'img')


def walk_files(folder: Path) -> Iterator[Path]:
    """All files below a folder, the nearest first, those of one folder sorted by name.

    Hidden files and folders (``.git``, ``.ipynb_checkpoints``) are passed over, linked folders
    followed, each folder once. Memory is bounded by the largest folder.

    Args:
        folder (Path): Where to look.

    Yields:
        Path: A file; nothing is opened.

    Raises:
        InputError: A folder cannot be listed.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> (folder / 'sub').mkdir()
        >>> for name in ('b.txt', '.hidden', 'sub/a.txt'):
        ...     (folder / name).touch()
        >>> [path.name for path in walk_files(folder)]
        ['b.txt', 'a.txt']
    """
    waiting = deque([folder])
    seen: set[str] = set()
    while waiting:
        current = waiting.popleft()
        real = os.path.realpath(current)
        if real in seen:
            continue
        seen.add(real)
        entries = _entries(current)
        yield from (current / entry.name for entry in entries if _is_readable(entry))
        waiting.extend(current / entry.name for entry in entries if _is_folder(entry))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What a folder shows, sorted by name."""
    try:
        with os.scandir(folder) as listing:
            shown = [entry for entry in listing if not entry.name.startswith('.')]
    except FileNotFoundError as error:
        raise InputError(f'{folder}: no such folder; check the path') from error
    except OSError as error:
        raise InputError(
            f'{folder}: folder cannot be listed ({error.strerror or error}); check its permissions'
        ) from error
    return sorted(shown, key=lambda entry: entry.name)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # A link in a circle.
        return False


def _is_readable(entry: os.DirEntry[str]) -> bool:
    """A file, or a link to nothing, which whoever reads it reports; no pipe, no device."""
    try:
        return entry.is_file() or (entry.is_symlink() and not os.path.exists(entry.path))
    except OSError:
        # A link in a circle.
        return True


def subfolder(folder: Path, names: tuple[str, ...]) -> Path | None:
    """The first of some customary folders that there is.

    Args:
        folder (Path): Where to look, not deeper.
        names (tuple[str, ...]): Lower-case names, the likeliest first.

    Returns:
        Path | None: The folder, in whatever case its name is written; None when there is none.

    Raises:
        InputError: The folder cannot be listed.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> (folder / 'JPEGImages').mkdir()
        >>> subfolder(folder, ('images', 'jpegimages')).name
        'JPEGImages'
    """
    if not folder.is_dir():
        return None
    found = {entry.name.lower(): entry.name for entry in _entries(folder) if _is_folder(entry)}
    return next((folder / found[name] for name in names if name in found), None)


def name_below(folder: Path) -> Callable[[Path], str]:
    """A faster ``relative_to(folder).as_posix()`` for paths that :func:`walk_files` found.

    Args:
        folder (Path): The folder that was walked.

    Returns:
        Callable[[Path], str]: Takes a path, returns its name below the folder with forward
        slashes.

    Example:
        >>> name_below(Path('steel'))(Path('steel/images/1.png'))
        'images/1.png'
    """
    # '' for the working folder, '/' for the root.
    length = len(str(folder / 'x')) - 1
    return lambda path: str(path)[length:].replace(os.sep, '/')


def is_file(path: Path) -> bool:
    """Whether there is such a file, for any path that a user may give.

    Args:
        path (Path): The path.

    Returns:
        bool: True when there is.

    Raises:
        InputError: No file can have this path: it is too long, or not to be looked at.

    Example:
        >>> is_file(Path('a' * 5000))
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: aaaa...: path cannot be used (File name too long); correct it
    """
    try:
        return path.is_file()
    except (OSError, ValueError) as error:
        reason = getattr(error, 'strerror', None) or error
        raise InputError(f'{path}: path cannot be used ({reason}); correct it') from error


def require_source(source: Path, kind: str) -> None:
    """Check that what is to be read exists.

    Args:
        source (Path): A file or a folder.
        kind (str): What messages call it.

    Raises:
        InputError: It does not.

    Example:
        >>> require_source(Path('none.json'), 'LabelMe')
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: none.json: LabelMe file or folder is missing; check the path
    """
    if not (is_file(source) or source.is_dir()):
        raise InputError(f'{source}: {kind} file or folder is missing; check the path')


def files_by_stem(folder: Path, suffixes: tuple[str, ...], kind: str) -> dict[str, list[Path]]:
    """Files below a folder by their path relative to it, without suffix.

    Args:
        folder (Path): Where to look, with all folders below.
        suffixes (tuple[str, ...]): Lower-case suffixes wanted, such as ``('.xml',)``.
        kind (str): What messages call the files.

    Returns:
        dict[str, list[Path]]: Sorted paths per stem; a stem has forward slashes.

    Raises:
        InputError: The folder is missing or holds no such file.

    Example:
        >>> files_by_stem(Path('nowhere'), ('.xml',), 'annotation')
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: nowhere: annotation folder is missing; check the path
    """
    if folder.is_file():
        raise InputError(f'{folder}: is a file where a folder is needed; give its folder')
    if not folder.is_dir():
        raise InputError(f'{folder}: {kind} folder is missing; check the path')
    files: dict[str, list[Path]] = {}
    below = name_below(folder)
    for path in sorted(walk_files(folder)):
        if path.suffix.lower() in suffixes:
            stem = posixpath.splitext(below(path))[0]
            files.setdefault(stem, []).append(path)
    if not files:
        raise InputError(f'{folder}: no {kind} files ({", ".join(suffixes)}); check the path')
    return files
