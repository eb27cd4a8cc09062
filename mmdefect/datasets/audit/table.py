"""A whole data set as a few arrays: what the checks of an audit compute on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mmdefect.datasets.readers import BaseReader
from mmdefect.structures import Problem

__all__ = ['AuditTable', 'Source', 'Track', 'read_table']

Track = Callable[[Iterable[Any], str, 'int | None'], Iterable[Any]]


@dataclass(frozen=True, slots=True)
class Source:
    """A split, or a part of one, and how to read it.

    Args:
        split (str): Name of the split.
        open (Callable[[], BaseReader]): Opens its reader, with ``on_error='drop'``; called when
            it is to be read, so that one annotation file after the other is in memory.

    Example:
        >>> from mmdefect.datasets.readers import VOCReader
        >>> Source('train', lambda: VOCReader('steel', on_error='drop')).open().name
        'steel'
    """

    split: str
    open: Callable[[], BaseReader]


@dataclass(eq=False)
class AuditTable:
    """All images and boxes of one or more splits.

    One million boxes take about 60 MB: 16 bytes of corners, 4 of labels, 1 of flags and the
    annotation id each.

    Args:
        splits (list[str]): Names of the splits.
        classes (list[str]): Class names: declared or found, in the order of the first split.
        paths (list[Path]): N image files, split by split.
        split_of (np.ndarray): Split of each image, int32, shape (N,).
        sizes (np.ndarray): ``(w, h)`` in pixels as annotated, int64, shape (N, 2).
        parts (list[str | None]): ``part_id`` of each image as text; None where there is none.
        starts (np.ndarray): The boxes of image i are ``starts[i]`` to ``starts[i + 1]``, int64,
            shape (N + 1,).
        boxes (np.ndarray): ``xyxy`` in pixels, float32, shape (M, 4), image by image.
        labels (np.ndarray): Class indices, int32, shape (M,).
        ignored (np.ndarray): Boxes that neither train nor count, bool, shape (M,).
        box_ids (list[tuple]): Annotation ids of each image.
        one_based (list[bool | None]): Per split whether the reader takes corners to count from
            1; None where its format does not leave that open.
        problems (list[tuple[str, Problem]]): Split and what its reader dropped.
        notes (list[tuple[str, str]]): Split and what its reader found worth a warning.

    Example:
        >>> table = AuditTable(splits=['train'], classes=['rust'])
        >>> len(table), len(table.boxes)
        (0, 0)
    """

    splits: list[str]
    classes: list[str]
    paths: list[Path] = field(default_factory=list)
    split_of: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    sizes: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 2), np.int64))
    parts: list[str | None] = field(default_factory=list)
    starts: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(1, np.int64))
    boxes: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    labels: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    ignored: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    box_ids: list[tuple[Any, ...]] = field(default_factory=list)
    one_based: list[bool | None] = field(default_factory=list)
    problems: list[tuple[str, Problem]] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)

    def __len__(self) -> int:
        """Number of images."""
        return len(self.paths)

    @property
    def owners(self) -> npt.NDArray[np.int64]:
        """Image of each box, int64, shape (M,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))

    def rows(self, image: int) -> slice:
        """Where the boxes of an image lie.

        Args:
            image (int): Row of the image.

        Returns:
            slice: Into ``boxes``, ``labels`` and ``ignored``.
        """
        return slice(int(self.starts[image]), int(self.starts[image + 1]))

    def split_name(self, image: int) -> str:
        """Name of the split of an image.

        Args:
            image (int): Row of the image.

        Returns:
            str: The name.
        """
        return self.splits[self.split_of[image]]

    def shared_folder(self) -> Path:
        """The innermost folder that all images lie in.

        Returns:
            Path: The folder; the working folder when they share none.
        """
        folders = {path.parent for path in self.paths}
        shared = min(folders, key=lambda folder: len(folder.parts), default=Path())
        while shared != shared.parent and any(
            folder != shared and shared not in folder.parents for folder in folders
        ):
            shared = shared.parent
        return shared

    def where(self, image: int, rows: Sequence[int] = ()) -> str:
        """Say where something was found.

        Args:
            image (int): Row of the image.
            rows (Sequence[int]): Rows of boxes of this image. Default: none.

        Returns:
            str: The image file and the annotation ids.
        """
        if not len(rows):
            return str(self.paths[image])
        ids = [str(self.box_ids[image][row - self.starts[image]]) for row in rows]
        return f'{self.paths[image]}, annotation{"s" if len(ids) > 1 else ""} {", ".join(ids)}'


def read_table(
    sources: Iterable[Source],
    classes: Sequence[str] = (),
    track: Track | None = None,
) -> AuditTable:
    """Read all splits into one table, record by record.

    The readers are asked to drop what they cannot use; the table keeps what they said of it.

    Args:
        sources (Iterable[Source]): Splits in the order to show them, the training split first;
            sources of one name make one split.
        classes (Sequence[str]): Class names that come first, in this order. Default: none.
        track (Callable | None): Shows progress: called with the records of a source, what is
            done, and their number or None, it returns an iterable of them. Default None.

    Returns:
        AuditTable: Images and boxes.

    Raises:
        InputError: A source cannot be read at all.

    Example:
        >>> import json, tempfile
        >>> from mmdefect.datasets.readers import COCOReader
        >>> path = Path(tempfile.mkdtemp()) / 'train.json'
        >>> _ = path.write_text(json.dumps({
        ...     'images': [{'id': 0, 'file_name': 'a.png', 'width': 64, 'height': 48}],
        ...     'annotations': [{'image_id': 0, 'category_id': 0, 'bbox': [1, 2, 10, 20]}],
        ...     'categories': [{'id': 0, 'name': 'rust'}]}))
        >>> table = read_table([Source('train', lambda: COCOReader(path, on_error='drop'))])
        >>> len(table), table.classes, table.boxes.tolist()
        (1, ['rust'], [[1.0, 2.0, 11.0, 22.0]])
    """
    numbers = {name: index for index, name in enumerate(classes)}
    table = AuditTable(splits=[], classes=[])
    columns: list[tuple[Any, ...]] = []
    for source in sources:
        if source.split not in table.splits:
            table.splits.append(source.split)
            table.one_based.append(None)
        split = table.splits.index(source.split)
        reader = source.open()
        what = ' '.join(filter(None, ('reading', source.split)))
        for record in reader if track is None else track(reader, what, None):
            columns.append(
                (
                    split,
                    (record.width, record.height),
                    record.boxes,
                    [numbers.setdefault(name, len(numbers)) for name in record.labels],
                    record.ignored,
                )
            )
            table.paths.append(record.path)
            part = record.extra.get('part_id')
            table.parts.append(None if part is None else str(part))
            table.box_ids.append(record.box_ids)
        if reader.declares_classes:
            for name in reader.classes:
                numbers.setdefault(name, len(numbers))
        table.one_based[split] = getattr(reader, 'one_based', None)
        table.problems.extend((source.split, problem) for problem in reader.problems)
        table.notes.extend((source.split, note) for note in reader.notes)
    table.classes = list(numbers)
    if columns:
        splits, sizes, boxes, labels, ignored = zip(*columns, strict=True)
        table.split_of = np.array(splits, np.int32)
        table.sizes = np.array(sizes, np.int64)
        table.boxes = np.concatenate(boxes)
        table.labels = np.concatenate([np.array(row, np.int32) for row in labels])
        table.ignored = np.concatenate(ignored)
        table.starts = np.concatenate([[0], np.cumsum([len(row) for row in labels])])
    return table
