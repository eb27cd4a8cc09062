"""YOLO: one text file per image, a line per box, coordinates as shares of the image size."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from mmdefect.datasets.images import IMAGE_SUFFIXES, image_size
from mmdefect.datasets.readers.base import BaseReader, OnError, Unlabelled, require_choice
from mmdefect.datasets.readers.detection import CLASS_FILES
from mmdefect.datasets.readers.files import name_below, walk_files
from mmdefect.datasets.readers.layout import by_layout, layout_key
from mmdefect.datasets.readers.text_rows import is_label_row, numbers, read_head, read_rows
from mmdefect.datasets.readers.yolo_classes import (
    class_names,
    find_class_names,
    read_class_names,
)
from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.registry import READERS
from mmdefect.structures import ImageRecord

__all__ = ['YOLOReader']

_KNOWN_KEYS = ('source', 'classes', 'list_file', 'unlabelled', 'on_error')
_LABEL_WORDS = ('labels', 'label')
_LABEL_FOLDER = re.compile(r'(?<![a-z])labels(?![a-z])')
# How far a coordinate may lie outside 0..1: what rounding to three digits leaves.
_ROUNDING = 1e-3


@READERS.register_module()
class YOLOReader(BaseReader):
    """Read YOLO labels: ``class cx cy w h`` per line, in shares of the image size.

    A line with more corners, ``class x1 y1 x2 y2 x3 y3 ...``, is a polygon (YOLO-seg, OBB) and
    becomes the box around it. A line of six values is a prediction with its confidence, no
    label, and refused. An empty file is a good image.

    Images and labels lie side by side or in folders that differ by ``images`` and ``labels``:
    ``images/train`` and ``labels/train``, ``train/images`` and ``train/labels``. The path of an
    image below the folder is its id. Of the text files one is in memory at a time.

    Args:
        source (str | Path): The folder, or a ``data.yaml`` in it, of which only the class names
            are taken.
        classes (Sequence[str] | None): Class names in their order, from 0. Default None: those
            of ``data.yaml`` (``names``), ``classes.txt`` or ``obj.names`` below the folder.
        list_file (str | Path | None): Text file with one image per line, the images to read.
            Default None: all.
        unlabelled ('raise' | 'good' | 'skip'): An image without a label file is an
            error, a good part without boxes, or left out. Default ``raise``.
        on_error ('raise' | 'drop'): What to do with a bad box or image. Default ``raise``.
        **unknown: Refused, naming the nearest known key.

    Raises:
        InputError: An unknown key or value here; on reading, whatever is wrong with the files.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> folder = Path(tempfile.mkdtemp())
        >>> Image.new('L', (40, 20)).save(folder / 'a.png')
        >>> _ = (folder / 'a.txt').write_text('0 0.5 0.5 0.25 0.5')
        >>> reader = YOLOReader(folder, classes=['rust'])
        >>> [(record.boxes.tolist(), record.labels) for record in reader]
        [([[15.0, 5.0, 25.0, 15.0]], ('rust',))]
    """

    declares_classes = True

    def __init__(
        self,
        source: str | Path,
        classes: Sequence[str] | None = None,
        list_file: str | Path | None = None,
        unlabelled: Unlabelled = 'raise',
        on_error: OnError = 'raise',
        **unknown: Any,
    ) -> None:
        reject_unknown_keys('YOLOReader', unknown, _KNOWN_KEYS)
        require_choice('YOLOReader', 'unlabelled', unlabelled, get_args(Unlabelled))
        super().__init__(source, on_error, list_file)
        self.unlabelled = unlabelled
        self._names = None if classes is None else class_names(classes, 'YOLOReader classes')
        self._names_from = 'classes'

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of their numbers."""
        return tuple(self._class_names(None).values())

    def _class_names(self, files: list[Path] | None) -> dict[int, str]:
        if self._names is None and self.source.is_file():
            self._names = read_class_names(self.source)
            self._names_from = f'{self.source}'
        elif self._names is None:
            self._names, path = find_class_names(self.folder, files or walk_files(self.folder))
            self._names_from = f'{path}'
        return self._names

    def read(self) -> Iterator[ImageRecord]:
        """Yield the images sorted by path.

        Raises:
            InputError: Something is wrong and ``on_error`` is ``raise``.
        """
        if not self.folder.is_dir():
            raise InputError(f'{self.folder}: folder is missing; check the path')
        files = list(walk_files(self.folder))
        names = self._class_names(files)
        images = sorted(path for path in files if path.suffix.lower() in IMAGE_SUFFIXES)
        if not images:
            raise InputError(f'{self.folder}: no image files; check the path')
        texts = [
            path
            for path in files
            if path.suffix.lower() == '.txt' and path.name.lower() not in CLASS_FILES
        ]
        by_key = by_layout(images, self.folder, _LABEL_WORDS)
        labels = by_layout(texts, self.folder, _LABEL_WORDS)
        self._report_orphans(labels, by_key)
        below = name_below(self.folder)
        chosen = [(name, path) for path in images if self.wanted(name := below(path))]
        keys = [layout_key(name, _LABEL_WORDS) for name, _ in chosen]
        without = [path for key, (_, path) in zip(keys, chosen, strict=True) if key not in labels]
        if self.unlabelled == 'raise':
            self.unlabelled_images(self.folder, without, 'label file')
        for key, (name, path) in zip(keys, chosen, strict=True):
            if key not in labels and self.unlabelled != 'good':
                continue
            try:
                yield self._record(name, path, by_key[key], labels.get(key, []), names)
            except InputError as error:
                self.refuse(error)

    def _report_orphans(self, labels: dict[str, list[Path]], images: dict[str, list[Path]]) -> None:
        """Label files whose image is missing; other text files are passed over."""
        below = name_below(self.folder)
        for key in sorted(labels.keys() - images.keys()):
            path = labels[key][0]
            folders = below(path).lower().split('/')[:-1]
            is_label = any(_LABEL_FOLDER.search(folder) for folder in folders)
            if not is_label:
                is_label = is_label_row(read_head(path).partition('\n')[0])
            if is_label and self.wanted(key):
                self.problem(f'{path}', 'its image is missing; add it or drop the label file')

    def _record(
        self, name: str, path: Path, images: list[Path], labels: list[Path], names: dict[int, str]
    ) -> ImageRecord:
        """Read one image.

        Raises:
            InputError: The image or its label file is not to be used.
        """
        for kind, files in (('image', images), ('label file', labels)):
            if len(files) > 1:
                raise InputError(f'{path}: {kind} is ambiguous: {files[0]} or {files[1]}; keep one')
        width, height = image_size(path)
        lines, shares, found = self._rows(labels, names)
        boxes = (shares * [width, height, width, height]).astype(np.float32)
        where = f'{labels[0]}' if labels else ''
        good = self.good_boxes(boxes, where, tuple(f'in line {line}' for line in lines))
        kept = np.flatnonzero(good).tolist()
        return ImageRecord(
            path=path,
            image_id=name,
            width=width,
            height=height,
            boxes=boxes[good],
            labels=tuple(found[index] for index in kept),
            ignored=np.zeros(len(kept), bool),
            box_ids=tuple(lines[index] for index in kept),
        )

    def _rows(
        self, labels: list[Path], names: dict[int, str]
    ) -> tuple[list[int], NDArray[np.float64], list[str]]:
        """Line numbers, ``xyxy`` in shares, and class names of the lines that are right."""
        lines: list[int] = []
        corners: list[list[float]] = []
        found: list[str] = []
        rows = read_rows(labels[0]) if labels else []
        plain = _plain_rows(rows, names)
        if plain is not None:
            return plain
        for line, words in rows:
            where = f'{labels[0]}, line {line}'
            if len(words) == 6:
                raise InputError(
                    f'{where}: six values, of which the last is a confidence: these are '
                    'predictions, not labels; save labels without it'
                )
            try:
                number, *values = numbers(where, words)
                corners.append(_corners(where, values))
                if number not in names:
                    raise InputError(
                        f'{where}: class {number:g} is none of those in {self._names_from} '
                        f'(0 to {max(names)}); correct it or add its name'
                    )
            except InputError as error:
                del corners[len(lines) :]
                self.refuse(error)
                continue
            lines.append(line)
            found.append(names[int(number)])
        return lines, np.array(corners, np.float64).reshape(-1, 4), found


def _plain_rows(
    rows: list[tuple[int, list[str]]], names: dict[int, str]
) -> tuple[list[int], NDArray[np.float64], list[str]] | None:
    """All lines at once where each is a right box, which is the common case; else None."""
    if any(len(words) != 5 for _, words in rows):
        return None
    try:
        values = [float(word) for _, words in rows for word in words]
    except ValueError:
        return None
    table = np.array(values, np.float64).reshape(-1, 5)
    shares = table[:, 1:]
    # Not a number fails every comparison.
    inside = ((shares >= -_ROUNDING) & (shares <= 1 + _ROUNDING)).all()
    if not inside or not np.isin(table[:, 0], list(names)).all():
        return None
    half = shares[:, 2:] / 2
    boxes = np.hstack([shares[:, :2] - half, shares[:, :2] + half])
    return [line for line, _ in rows], boxes, [names[int(number)] for number in table[:, 0]]


def _corners(where: str, values: list[float]) -> list[float]:
    """The box of one line, ``xyxy`` in shares of the image size."""
    if len(values) < 4 or len(values) % 2:
        raise InputError(
            f'{where}: {len(values) + 1} values; write class cx cy w h, or class and the corners '
            'of a polygon'
        )
    for value in values:
        if not -_ROUNDING <= value <= 1 + _ROUNDING:
            raise InputError(
                f'{where}: {value:g} lies outside 0..1; YOLO coordinates are shares of the image '
                'size'
            )
    if len(values) == 4:
        x, y, w, h = values
        return [x - w / 2, y - h / 2, x + w / 2, y + h / 2]
    return [min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2])]
