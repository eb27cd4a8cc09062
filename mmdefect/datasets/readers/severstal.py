"""Severstal steel strips: masks as run lengths in a CSV file, a box around each component."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdefect.datasets.images import image_size
from mmdefect.datasets.masks import component_boxes, component_masks
from mmdefect.datasets.readers.base import BaseReader, OnError
from mmdefect.datasets.readers.files import require_source, walk_files
from mmdefect.datasets.readers.image_index import ImageIndex
from mmdefect.datasets.readers.image_root import find_image_root
from mmdefect.datasets.readers.severstal_rows import RunRows, read_run_rows
from mmdefect.datasets.run_length import decode_runs
from mmdefect.datasets.severstal_file import SEVERSTAL_CLASSES
from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.registry import READERS
from mmdefect.structures import ImageRecord
from mmdefect.wording import counted

__all__ = ['SeverstalReader']

_KNOWN_KEYS = (
    'source', 'image_root', 'classes', 'size', 'min_area', 'masks', 'list_file', 'on_error',
)  # fmt: skip
# Rows of it are placeholders.
_NOT_LABELS = 'sample_submission.csv'
# By class: the run lengths and what messages call them.
_Masks = dict[int, tuple[str, str]]


@READERS.register_module()
class SeverstalReader(BaseReader):
    r"""Read a run-length CSV file; each 8-connected component of a mask becomes a box.

    The header is ``ImageId,ClassId,EncodedPixels`` or ``ImageId_ClassId,EncodedPixels``, its
    columns in any order. Runs are pairs of start and length, pixels counted from 1 down the
    columns. All images of the folder are read: those that the file does not name, or names with
    empty runs only, are good; :attr:`notes` counts them and names the folders. Touching components
    of one class are one box. The text of one file and one mask are in memory at a time.

    Of a folder every CSV file is read but ``sample_submission.csv``; with several files image
    ids become ``file:id``, and an image that an earlier file names is a problem in a later one.

    Args:
        source (str | Path): The CSV file, or a folder.
        image_root (str | Path | None): Folder of the images. Default None: that of the CSV file,
            or the one beside it that holds the first images, such as ``train_images`` of
            ``train.csv``. Of folders below it only those count that hold an image which the file
            names: ``test_images`` are no good images; :attr:`notes` counts what is left out. Where
            the folder is given, or a list of images, all there count.
        classes (Sequence[str]): Names of the classes 1, 2, ... Default ``pitted, crazing,
            scratch, patch``.
        size (tuple[int, int]): ``(w, h)`` that every image must have, pixels, since runs mean
            nothing in another. Default (1600, 256).
        min_area (int): Components of fewer pixels are specks and left out; :attr:`notes` counts
            them. Default 9.
        masks (bool): Give each box its own mask, COCO run lengths under the key ``mask`` of
            ``box_extra``, from which instance segmentation trains. Default False.
        list_file (str | Path | None): Text file with one image per line, the images to read.
            Default None: all.
        on_error ('raise' | 'drop'): What to do with a bad row or image; an image with a bad mask
            is bad. Default ``raise``.
        **unknown: Refused, naming the nearest known key.

    Raises:
        InputError: An unknown key or value here; on reading, whatever is wrong with the files.

    Source:
        Severstal: Steel Defect Detection, Kaggle 2019.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in 'ab':
        ...     Image.new('L', (40, 20)).save(folder / f'{name}.jpg')
        >>> path = folder / 'train.csv'
        >>> _ = path.write_text('ImageId,ClassId,EncodedPixels\na.jpg,3,22 8 42 8\n')
        >>> reader = SeverstalReader(path, size=(40, 20))
        >>> [(record.boxes.tolist(), record.labels) for record in reader]
        [([[1.0, 1.0, 3.0, 9.0]], ('scratch',)), ([], ())]
        >>> reader.notes[0].partition(': ')[2]
        '2 images in ., 1 of them good: 1 not in the file, 0 without a run'
    """

    declares_classes = True
    drops_images = True

    def __init__(
        self,
        source: str | Path,
        image_root: str | Path | None = None,
        classes: Sequence[str] = SEVERSTAL_CLASSES,
        size: tuple[int, int] = (1600, 256),
        min_area: int = 9,
        masks: bool = False,
        list_file: str | Path | None = None,
        on_error: OnError = 'raise',
        **unknown: Any,
    ) -> None:
        reject_unknown_keys('SeverstalReader', unknown, _KNOWN_KEYS)
        if isinstance(classes, str) or not classes or len(set(classes)) < len(classes):
            raise InputError(f'SeverstalReader: classes must be names that differ, got {classes!r}')
        sides = size if isinstance(size, Sequence) and len(size) == 2 else (0, 0)
        if any(type(side) is not int or side < 1 for side in sides):
            raise InputError(
                f'SeverstalReader: size (w, h) must be two whole numbers from 1, got {size!r}'
            )
        if type(min_area) is not int or min_area < 1:
            raise InputError(
                f'SeverstalReader: min_area must be a whole number from 1, got {min_area!r}'
            )
        super().__init__(source, on_error, list_file)
        self.image_root = None if image_root is None else Path(image_root)
        self.class_names = tuple(classes)
        self.size = (sides[0], sides[1])
        self.min_area = min_area
        self.masks = masks

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes 1, 2, ..."""
        return self.class_names

    def read(self) -> Iterator[ImageRecord]:
        """Yield the images sorted by path, files sorted by name.

        Raises:
            InputError: Something is wrong and ``on_error`` is ``raise``.
        """
        files = self._files()
        owners: dict[Path, Path] = {}
        images = absent = empty = 0
        self._specks = 0
        folders: dict[str, None] = {}
        others: dict[str, int] = {}
        for path in files:
            try:
                rows = read_run_rows(path, len(self.class_names), self.refuse)
                if not (rows.masks or rows.spoiled or self.image_root):
                    raise InputError(
                        f'{path}: no row below the header, so that nothing says which images it '
                        'is about; give the whole file, or image_root=FOLDER if all images there '
                        'are good'
                    )
                root = self.image_root or find_image_root(path, self.folder, list(rows.masks))
                index = ImageIndex(root)
                masks, spoiled = self._by_path(path, rows, index, owners)
                found = sorted(image for paths in index.by_stem.values() for image in paths)
                if self.image_root is None and self.list_file is None:
                    found = self._beside_named(found, {image.parent for image in masks}, others)
            except InputError as error:
                if len(files) == 1:
                    raise
                self.refuse(error)
                continue
            stem = path.relative_to(self.folder).with_suffix('').as_posix()
            prefix = f'{stem}:' if len(files) > 1 else ''
            for image in found:
                image_id = image.relative_to(root).as_posix()
                if owners.setdefault(image, path) != path or not self.wanted(image_id):
                    continue
                if image in spoiled:
                    continue
                try:
                    record = self._record(image, f'{prefix}{image_id}', masks.get(image, {}))
                except InputError as error:
                    self.refuse(error)
                    continue
                images += 1
                folders[self._shown(image.parent)] = None
                absent += image not in masks
                empty += image in masks and not any(runs for runs, _ in masks[image].values())
                yield record
        self.notes.append(
            f'{self.name}: {counted(images, "image")} in {", ".join(folders) or "it"}, '
            f'{absent + empty} of them good: {absent} not in the file, {empty} without a run'
        )
        for folder, count in others.items():
            self.notes.append(
                f'{self.name}: {counted(count, "image")} in {folder} left out, as the file names '
                'none there; image_root=FOLDER reads all of a folder'
            )
        if self._specks:
            self.notes.append(
                f'{self.name}: {counted(self._specks, "component")} of fewer than '
                f'min_area={self.min_area} pixels left out'
            )

    def _files(self) -> list[Path]:
        require_source(self.source, 'run-length')
        if not self.source.is_dir():
            return [self.source]
        files = [
            path
            for path in walk_files(self.source)
            if path.suffix.lower() == '.csv' and path.name.lower() != _NOT_LABELS
        ]
        if not files:
            raise InputError(f'{self.source}: no CSV file in this folder; give a run-length file')
        return sorted(files)

    def _beside_named(
        self, images: Sequence[Path], named: set[Path], others: dict[str, int]
    ) -> list[Path]:
        """The images in folders with one that the file names; the others are counted."""
        for image in images:
            if image.parent not in named:
                folder = self._shown(image.parent)
                others[folder] = others.get(folder, 0) + 1
        return [image for image in images if image.parent in named]

    def _shown(self, folder: Path) -> str:
        """A folder as notes name it."""
        below = folder.is_relative_to(self.folder)
        return folder.relative_to(self.folder).as_posix() if below else str(folder)

    def _by_path(
        self,
        path: Path,
        rows: RunRows,
        index: ImageIndex,
        owners: dict[Path, Path],
    ) -> tuple[dict[Path, _Masks], set[Path]]:
        """The masks of each image file that the rows name, and the images to leave out."""
        found: dict[Path, _Masks] = {}
        spoiled: set[Path] = set()
        for name in dict.fromkeys((*rows.masks, *sorted(rows.spoiled - {''}))):
            if not self.wanted(name):
                continue
            masks = rows.masks.get(name, {})
            where = f'{path}, line {next(iter(masks.values()))[1]}' if masks else f'{path}'
            try:
                image = index.find(where, name)
            except InputError as error:
                self.refuse(error)
                continue
            if image in found or owners.setdefault(image, path) != path:
                spoiled.add(image)
                self.problem(
                    where,
                    f'image {image} has masks under another name or in another file; keep one',
                )
            if name in rows.spoiled:
                spoiled.add(image)
            found[image] = {
                kind: (runs, f'{path}, line {line}') for kind, (runs, line) in masks.items()
            }
        return found, spoiled

    def _record(self, image: Path, image_id: str, masks: _Masks) -> ImageRecord:
        """Read one image.

        Raises:
            InputError: The image or a mask of it is not to be used.
        """
        size = image_size(image)
        if size != self.size:
            raise InputError(
                f'{image}: the image has (w, h) {size}, but the run lengths are those of '
                f'{self.size}; give the original image, or set size={size}'
            )
        boxes: list[NDArray[np.float32]] = [np.zeros((0, 4), np.float32)]
        labels: list[str] = []
        own: list[dict[str, Any]] = []
        for kind, (runs, where) in sorted(masks.items()):
            mask = decode_runs(runs, size, where)
            if self.masks:
                found, encoded, specks = component_masks(mask, self.min_area)
                own.extend(encoded)
            else:
                found, specks = component_boxes(mask, self.min_area)
            self._specks += specks
            boxes.append(found)
            labels.extend([self.class_names[kind - 1]] * len(found))
        return ImageRecord(
            path=image,
            image_id=image_id,
            width=size[0],
            height=size[1],
            boxes=np.concatenate(boxes),
            labels=tuple(labels),
            ignored=np.zeros(len(labels), bool),
            box_ids=tuple(range(1, len(labels) + 1)),
            box_extra=tuple({'mask': one} for one in own),
        )
