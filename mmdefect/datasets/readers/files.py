"""Finding what annotations name: images by stem or written path, entries of a list file."""

from __future__ import annotations

import os
import posixpath
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from pathlib import Path, PurePosixPath

from mmdefect.datasets.images import IMAGE_SUFFIXES
from mmdefect.datasets.readers.text_rows import read_text
from mmdefect.errors import InputError

__all__ = [
    'IMAGE_FOLDERS',
    'ImageIndex',
    'ImageList',
    'files_by_stem',
    'is_file',
    'name_below',
    'nearest',
    'read_list',
    'require_source',
    'subfolder',
    'walk_files',
]

# Customary names of an image folder, in lower case.
IMAGE_FOLDERS = ('images', 'jpegimages', 'imgs', 'image', 'img')
# A million images with their folders fit.
_MAX_LIST_BYTES = 64 * 1024**2


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


class ImageIndex:
    r"""The images below a folder, found by what an annotation says of them.

    The folder is looked through once, when the first image is asked for that does not lie
    where its annotation says.

    Args:
        folder (Path): Folder of the images, with all folders below.

    Raises:
        InputError: The folder is missing.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> (folder / 'sub').mkdir()
        >>> (folder / 'sub' / 'a.png').touch()
        >>> ImageIndex(folder).find('a.json', 'C:\\steel\\a.png').name
        'a.png'
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise InputError(f'{folder}: image folder is missing; check the path')
        self.folder = folder
        self._by_stem: dict[str, list[Path]] | None = None
        self._owners: dict[Path, str] = {}
        self._by_name: dict[str, list[Path]] = {}

    @property
    def by_stem(self) -> dict[str, list[Path]]:
        """Sorted paths by their stem relative to the folder.

        Raises:
            InputError: The folder is missing or holds no image.
        """
        if self._by_stem is None:
            # Looked through once, also where nothing is found.
            self._by_stem = {}
            self._by_stem = files_by_stem(self.folder, IMAGE_SUFFIXES, 'image')
            for paths in self._by_stem.values():
                for path in paths:
                    self._by_name.setdefault(path.stem, []).append(path)
                    self._by_name.setdefault(path.name, []).append(path)
        return self._by_stem

    def find(self, where: str, *names: str) -> Path:
        """Find the image of an annotation by the names it may have, the surest first.

        Each name is tried as a path below the folder, with and without suffix; then its last
        part as the name or the stem of the only such image, or of the one whose folders are
        most like those of the name.

        Args:
            where (str): The annotation file, for messages.
            *names (str): What the annotation says, or the stem of its own file, with any
                separators and folders; empty ones are passed over.

        Returns:
            Path: The image file.

        Raises:
            InputError: There is no such image, or more than one.
        """
        names = tuple(name.strip().replace('\\', '/') for name in names if name.strip())
        for name in names:
            for found in self._candidates(name, where):
                if len(found) > 1:
                    last_parts = {other.rsplit('/', 1)[-1] for other in names}
                    found = [path for path in found if path.name in last_parts] or found
                if len(found) > 1:
                    found = nearest(found, self.folder, name)
                if len(found) == 1:
                    return found[0]
                raise InputError(
                    f'{where}: image is ambiguous: {found[0]} or {found[1]}; keep one, or name it '
                    'in the annotation'
                )
        shown = names[0][:80] if names else ''
        raise InputError(
            f'{where}: image {shown!r} is missing from {self.folder}; add it or drop its annotation'
        )

    def claim(self, where: str, *names: str) -> Path:
        """Like :meth:`find`, for formats with one annotation file per image.

        Args:
            where (str): The annotation file.
            *names (str): As in :meth:`find`.

        Returns:
            Path: The image file.

        Raises:
            InputError: There is no such image, more than one, or another annotation file has
                claimed it.
        """
        path = self.find(where, *names)
        owner = self._owners.setdefault(path, where)
        if owner != where:
            raise InputError(f'{where}: image {path} belongs to {owner} already; keep one of them')
        return path

    def _candidates(self, name: str, where: str) -> Iterator[list[Path]]:
        """Images by one name, the narrowest meaning first; never an empty list."""
        try:
            if (self.folder / name).is_file():
                yield [self.folder / name]
        except (OSError, ValueError) as error:
            reason = getattr(error, 'strerror', None) or error
            raise InputError(
                f'{where}: image name {name[:80]!r} cannot be used ({reason}); correct it'
            ) from None
        by_stem, last = self.by_stem, name.rsplit('/', 1)[-1]
        for found in (
            by_stem.get(name),
            self._by_name.get(last),
            self._by_name.get(PurePosixPath(last).stem),
        ):
            if found:
                yield found


def nearest(paths: Sequence[Path], folder: Path, name: str) -> list[Path]:
    """Those files whose folders are most like the folders of a name.

    Args:
        paths (Sequence[Path]): Files below ``folder``.
        folder (Path): Where both are relative to.
        name (str): A name with folders, split by forward slashes.

    Returns:
        list[Path]: The paths whose folders share the most beginning and end with those of the
        name; all of them where none is more alike than another.

    Example:
        >>> paths = [Path('data/images/train/1.png'), Path('data/images/val/1.png')]
        >>> nearest(paths, Path('data'), 'labels/val/1')[0].as_posix()
        'data/images/val/1.png'
    """
    wanted = name.split('/')[:-1]
    shared = []
    for path in paths:
        folders = path.relative_to(folder).parts[:-1]
        shared.append(_alike(wanted, folders) + _alike(wanted[::-1], folders[::-1]))
    return [path for path, count in zip(paths, shared, strict=True) if count == max(shared)]


def _alike(one: Sequence[str], other: Sequence[str]) -> int:
    """How many parts are equal until the first that is not."""
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


class ImageList:
    """The images that a list file such as ``train.txt`` names.

    An entry is a stem, a file name or a path, below any folder: ``a``, ``a.jpg``,
    ``./images/train/a.jpg``. Of several words in a line the first counts when it names an
    image file (DeepPCB names the annotation behind it).

    Args:
        path (Path): The list file.

    Raises:
        InputError: The file cannot be read, is empty, or names an image twice.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / 'train.txt'
        >>> _ = path.write_text('rust/1.jpg')
        >>> names = ImageList(path)
        >>> names.take('images/rust/1.png'), names.take('chip/1.png'), names.left()
        (True, False, [])
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._entries: dict[str, list[str]] = {}
        self._left: dict[str, str] = {}
        for line in read_list(path):
            first = line.split()[0]
            entry = _stem(first if first.lower().endswith(IMAGE_SUFFIXES) else line)
            if entry in self._left:
                raise InputError(f'{path}: {line!r} stands twice; list each image once')
            self._left[entry] = line
            self._entries.setdefault(entry.rsplit('/', 1)[-1], []).append(entry)

    def take(self, name: str) -> bool:
        """Whether an image is listed; its entry then counts as used.

        Args:
            name (str): Path of the image, or what the annotation calls it.

        Returns:
            bool: True when an entry names it.
        """
        stem = _stem(name)
        for entry in self._entries.get(stem.rsplit('/', 1)[-1], ()):
            if stem == entry or stem.endswith(f'/{entry}') or entry.endswith(f'/{stem}'):
                self._left.pop(entry, None)
                return True
        return False

    def left(self) -> list[str]:
        """The lines that no image took, in file order.

        Returns:
            list[str]: The lines as they stand in the file.
        """
        return list(self._left.values())


def _stem(name: str) -> str:
    name = name.strip().replace('\\', '/').removeprefix('./')
    suffix = PurePosixPath(name).suffix
    return name.removesuffix(suffix) if suffix.lower() in IMAGE_SUFFIXES else name


def read_list(path: Path) -> list[str]:
    """Read a text file with one entry per line.

    Args:
        path (Path): The file, UTF-8 with or without a byte order mark.

    Returns:
        list[str]: The lines in file order, stripped, with forward slashes, empty ones left out.

    Raises:
        InputError: The file is missing, too large, cannot be read, or is empty.

    Example:
        >>> read_list(Path('none.txt'))
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: none.txt: list file is missing; check the path
    """
    if not is_file(path):
        raise InputError(f'{path}: list file is missing; check the path')
    lines = read_text(path, 'list file', _MAX_LIST_BYTES).splitlines()
    entries = [line.strip().replace('\\', '/') for line in lines if line.strip()]
    if not entries:
        raise InputError(f'{path}: list file is empty; write one image per line')
    return entries
