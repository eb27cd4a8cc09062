"""The image that an annotation names, by its path, its name or its stem."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path, PurePosixPath

from mmdefect.datasets.images import IMAGE_SUFFIXES
from mmdefect.datasets.readers.files import files_by_stem
from mmdefect.errors import InputError

__all__ = ['ImageIndex', 'nearest']


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
