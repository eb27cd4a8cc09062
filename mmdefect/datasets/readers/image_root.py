"""Where the images lie that an annotation file of many images names."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

__all__ = ['find_image_root', 'image_path']

_LOOKED_AT = 10


def find_image_root(ann_file: Path, folder: Path, names: Sequence[str]) -> Path:
    """Find the folder that the first images of an annotation file are in.

    Args:
        ann_file (Path): The file. What its stem ends with behind ``_`` may be a split, as in
            ``instances_train2017`` and ``annotations_val``.
        folder (Path): The data set. Of a file in a folder below it, or in one called
            ``annotations``, images may also lie beside that folder.
        names (Sequence[str]): File names of the images; the first ten are looked for. Without
            any, the folders alone count, those named after the split first.

    Returns:
        Path: The first of the customary folders that holds one of them: that of the file, or
        below it ``images``, ``<split>``, ``images/<split>``, ``<split>_images``; that of the file
        where none does.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> (folder / 'train_images').mkdir()
        >>> (folder / 'train_images' / 'a.jpg').touch()
        >>> find_image_root(folder / 'train.csv', folder, ['a.jpg']).name
        'train_images'
    """
    home = ann_file.parent
    inside = home != folder or home.name.lower() == 'annotations'
    split = ann_file.stem.rsplit('_', 1)[-1]
    places = ('', 'images', split, f'images/{split}', f'{split}_images')
    bases = (home, home.parent) if inside else (home,)
    if not names:
        found = (base / below for base in bases for below in reversed(places[1:]))
        return next(filter(Path.is_dir, found), home)
    for base in bases:
        for below in places:
            root = base / below
            if any(_is_file(image_path(root, name)) for name in islice(names, _LOOKED_AT)):
                return root
    return home


def image_path(root: Path, name: str) -> Path:
    r"""The path of an image that an annotation file names.

    Args:
        root (Path): Folder that names are relative to.
        name (str): The name; a file written on Windows may hold backslashes.

    Returns:
        Path: The path.

    Example:
        >>> image_path(Path('images'), 'train\\1.png').as_posix()
        'images/train/1.png'
    """
    return root / name.replace('\\', '/')


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
