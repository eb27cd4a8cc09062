"""List files such as ``train.txt``: the images of a data set that are to be read."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from mmdefect.datasets.images import IMAGE_SUFFIXES
from mmdefect.datasets.readers.files import is_file
from mmdefect.datasets.readers.text_rows import read_text
from mmdefect.errors import InputError

__all__ = ['ImageList', 'read_list']

# A million images with their folders fit.
_MAX_LIST_BYTES = 64 * 1024**2


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
