"""Which mask belongs to which image, and which class its folder names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from mmdefect.datasets.readers.files import IMAGE_FOLDERS, name_below
from mmdefect.datasets.readers.layout import layout_key
from mmdefect.errors import InputError

__all__ = ['MaskLayout', 'may_hold_masks']

# Folders of masks, and what a mask's stem may add to that of its image; in lower case.
_MASK_FOLDERS = ('masks', 'mask', 'ground_truth', 'gt', 'labels', 'label')
_MASK_SUFFIXES = ('_mask', '_gt', '_label')

_MASK_FOLDER = re.compile(rf'(?<![a-z])(?:{"|".join(_MASK_FOLDERS)})(?![a-z])')
_SUFFIX = re.compile(f'(?:{"|".join(_MASK_SUFFIXES)})$', re.IGNORECASE)
_GOOD = 'good'
_SPLITS = ('train', 'training', 'val', 'valid', 'validation', 'test', 'testing', 'trainval', 'all')


def may_hold_masks(files: Iterable[Path]) -> bool:
    """Whether the name of any file or of its folder is one that masks have.

    Args:
        files (Iterable[Path]): Image files.

    Returns:
        bool: False when none can be a mask.

    Example:
        >>> may_hold_masks([Path('images/1.png')]), may_hold_masks([Path('masks/1.png')])
        (False, True)
    """
    folders: set[str] = set()
    for path in files:
        folder, _, name = path.as_posix().rpartition('/')
        folders.add(folder)
        if _SUFFIX.search(name.rpartition('.')[0]):
            return True
    return any(_MASK_FOLDER.search(folder.lower()) for folder in folders)


class MaskLayout:
    """Images and masks below a folder, matched by their paths.

    Args:
        folder (Path): The data set.
        files (Iterable[Path]): All image files below it.

    Attributes:
        images (list[Path]): The images, sorted.
        orphans (list[Path]): The masks without an image, sorted.

    Example:
        >>> files = [Path('a/images/1.png'), Path('a/masks/1_mask.png')]
        >>> layout = MaskLayout(Path('a'), files)
        >>> layout.mask(files[0]).name
        '1_mask.png'
    """

    def __init__(self, folder: Path, files: Iterable[Path]) -> None:
        self._below = name_below(folder)
        self.images: list[Path] = []
        masks: list[Path] = []
        files = sorted(files)
        names = {(path.parent, path.stem) for path in files}
        for path in files:
            bare = _SUFFIX.sub('', path.stem)
            beside = bare != path.stem and (path.parent, bare) in names
            (masks if beside or self._mask_depth(path) is not None else self.images).append(path)
        self._mirrored = self._mvtec_folders(masks)
        self._images: dict[str, list[Path]] = {}
        for path in self.images:
            self._images.setdefault(self._key(path), []).append(path)
        self._masks: dict[str, list[Path]] = {}
        self.orphans: list[Path] = []
        for path in masks:
            key = layout_key(self._name(path), _MASK_FOLDERS)
            bare = _SUFFIX.sub('', key)
            if key in self._images or bare in self._images:
                self._masks.setdefault(key if key in self._images else bare, []).append(path)
            else:
                self.orphans.append(path)

    def mask(self, image: Path) -> Path | None:
        """The mask of an image.

        Args:
            image (Path): One of :attr:`images`.

        Returns:
            Path | None: The mask; None when the image has none.

        Raises:
            InputError: There are several, or several images of one mask.
        """
        key = self._key(image)
        images, masks = self._images[key], self._masks.get(key, [])
        if masks and len(images) > 1:
            raise InputError(
                f'{masks[0]}: its image is ambiguous: {images[0]} or {images[1]}; keep one'
            )
        if len(masks) > 1:
            raise InputError(f'{image}: mask is ambiguous: {masks[0]} or {masks[1]}; keep one')
        return masks[0] if masks else None

    def has_mask(self, image: Path) -> bool:
        """Whether an image has at least one mask.

        Args:
            image (Path): One of :attr:`images`.

        Returns:
            bool: True when it has.
        """
        return self._key(image) in self._masks

    def is_good(self, image: Path) -> bool:
        """Whether an image lies in a folder of good parts.

        Args:
            image (Path): One of :attr:`images`.

        Returns:
            bool: True below a folder ``good``.
        """
        return _GOOD in (part.lower() for part in self._parts(image))

    def image_name(self, mask: Path) -> str:
        """What the image of a mask would be called.

        Args:
            mask (Path): One of :attr:`orphans`.

        Returns:
            str: Path below the data set, without suffix and folder names of masks.
        """
        return _SUFFIX.sub('', layout_key(self._name(mask), _MASK_FOLDERS))

    def class_name(self, mask: Path) -> str:
        """The class that the folder of a binary mask names.

        Args:
            mask (Path): The mask.

        Returns:
            str: The last folder below the folder of masks (of a mask beside its image: below the
            data set), unless it is a split; ``defect`` where there is none.
        """
        depth = self._mask_depth(mask)
        folders = self._parts(mask)[0 if depth is None else depth + 1 :]
        named = [name for name in folders if name.lower() not in (*_SPLITS, *IMAGE_FOLDERS)]
        return named[-1] if named else 'defect'

    def _name(self, path: Path) -> str:
        return self._below(path)

    def _parts(self, path: Path) -> tuple[str, ...]:
        """The folders of a file below the data set."""
        return tuple(self._below(path).split('/')[:-1])

    def _mask_depth(self, path: Path) -> int | None:
        """Where among its folders that of the masks stands."""
        for depth, folder in enumerate(self._parts(path)):
            if _MASK_FOLDER.search(folder.lower()):
                return depth
        return None

    def _mvtec_folders(self, masks: list[Path]) -> set[tuple[str, ...]]:
        """Folders whose ``test`` holds the images of the ``ground_truth`` beside it."""
        found = set()
        for path in masks:
            parts, depth = self._parts(path), self._mask_depth(path)
            below = parts[depth:] if depth is not None else ()
            if below[:1] == ('ground_truth',) and below[1:2] != ('test',):
                found.add(parts[:depth])
        return found

    def _key(self, image: Path) -> str:
        parts = tuple(self._name(image).split('/'))
        for depth, part in enumerate(parts[:-1]):
            if part.lower() == 'test' and parts[:depth] in self._mirrored:
                parts = parts[:depth] + parts[depth + 1 :]
                break
        return layout_key('/'.join(parts), _MASK_FOLDERS)
