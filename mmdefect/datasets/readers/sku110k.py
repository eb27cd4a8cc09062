"""SKU-110K: shelves of packed products, one row of a CSV file per box."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mmdefect.datasets.readers.base import BaseReader, OnError
from mmdefect.datasets.readers.files import is_file, require_source, walk_files
from mmdefect.datasets.readers.image_root import find_image_root, image_path
from mmdefect.datasets.readers.sku110k_rows import BoxTable, read_box_table
from mmdefect.datasets.readers.values import whole_size
from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.registry import READERS
from mmdefect.structures import ImageRecord
from mmdefect.wording import counted

__all__ = ['SKU110KReader']


@READERS.register_module()
class SKU110KReader(BaseReader):
    """Read ``annotations_train.csv``, ``annotations_val.csv`` or ``annotations_test.csv``.

    A row is ``image_name,x1,y1,x2,y2,class,image_width,image_height``; there is no header, though
    one with these names is passed over. Rows of an image need not be adjacent. Corners that stand
    the other way round are sorted and counted in :attr:`notes`; boxes past the border stay as they
    are (a data set clips and counts them); boxes without area are a problem. Images that are not
    there, and classes beside the one of SKU-110K, are noted too. An image without any row is not
    read, for the file alone says which split an image is in.

    Of a folder every CSV file is read, one in memory at a time (100 bytes a box); images that an
    earlier file lists too are a problem. The file name is the image id.

    Args:
        source (str | Path): The CSV file, or a folder.
        image_root (str | Path | None): Folder of the images. Default None: that of the CSV file,
            or the one beside it that holds the first images, such as ``images``.
        list_file (str | Path | None): Text file with one image per line, the images to read.
            Default None: all.
        on_error ('raise' | 'drop'): What to do with a bad row, box or image. Default ``raise``.
        **unknown: Refused, naming the nearest known key.

    Raises:
        InputError: An unknown key or value here; on reading, whatever is wrong with the file.

    Source:
        Goldman, Herzig, Eisenschtat, Goldberger, Hassner: Precise Detection in Densely Packed
        Scenes, CVPR 2019.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / 'annotations_val.csv'
        >>> _ = path.write_text('val_0.jpg,1,2,30,20,object,64,48')
        >>> [(record.image_id, record.boxes.tolist()) for record in SKU110KReader(path)]
        [('val_0.jpg', [[1.0, 2.0, 30.0, 20.0]])]
    """

    def __init__(
        self,
        source: str | Path,
        image_root: str | Path | None = None,
        list_file: str | Path | None = None,
        on_error: OnError = 'raise',
        **unknown: Any,
    ) -> None:
        known = ('source', 'image_root', 'list_file', 'on_error')
        reject_unknown_keys('SKU110KReader', unknown, known)
        super().__init__(source, on_error, list_file)
        self.image_root = None if image_root is None else Path(image_root)

    def read(self) -> Iterator[ImageRecord]:
        """Yield the images in the order of their first rows, files sorted by name.

        Raises:
            InputError: Something is wrong and ``on_error`` is ``raise``.
        """
        files = self._files()
        owners: dict[str, Path] = {}
        turned = 0
        boxes: Counter[str] = Counter()
        for path in files:
            try:
                table = read_box_table(path, self.refuse)
                if not table.images:
                    raise InputError(f'{path}: no boxes; give a file with one row per box')
            except InputError as error:
                if len(files) == 1:
                    raise
                self.refuse(error)
                continue
            turned += table.reversed_corners
            counts = np.bincount(table.labels, minlength=len(table.classes)).tolist()
            boxes.update(dict(zip(table.classes, counts, strict=True)))
            yield from self._records(path, table, owners)
        if turned:
            self.notes.append(
                f'{self.name}: {counted(turned, "box", "boxes")} with reversed corners sorted'
            )
        if len(boxes) > 1:
            found = ', '.join(
                f'{name} ({counted(count, "box", "boxes")})' for name, count in boxes.most_common()
            )
            self.notes.append(
                f'{self.name}: {len(boxes)} classes, while SKU-110K has one: {found}; correct the '
                'rows if one is a slip'
            )

    def _files(self) -> list[Path]:
        require_source(self.source, 'SKU-110K')
        if not self.source.is_dir():
            return [self.source]
        files = sorted(path for path in walk_files(self.source) if path.suffix.lower() == '.csv')
        if not files:
            raise InputError(f'{self.source}: no CSV file in this folder; give an SKU-110K file')
        return files

    def _records(
        self, path: Path, table: BoxTable, owners: dict[str, Path]
    ) -> Iterator[ImageRecord]:
        again = [name for name in table.images if owners.setdefault(name, path) != path]
        if again:
            self.problem(
                f'{path}',
                f'{counted(len(again), "image")} also in {owners[again[0]]} (first: {again[0]}); '
                'give one of the files, not their folder',
            )
        root = self.image_root or find_image_root(path, self.folder, table.images)
        missing = []
        for index, name in enumerate(table.images):
            if owners[name] == path and self.wanted(name):
                image = image_path(root, name)
                if not is_file(image):
                    missing.append(name)
                record = self._record(path, image, table, index)
                if record is not None:
                    yield record
        if missing:
            self.notes.append(
                f'{path}: {len(missing)} of its images are not in {root} (first: {missing[0]}); '
                'put them there, or give image_root=FOLDER'
            )

    def _record(self, path: Path, image: Path, table: BoxTable, index: int) -> ImageRecord | None:
        name, rows = table.images[index], table.rows(index)
        where = f'{path}, image {name}'
        lines, sizes = table.lines[rows], table.sizes[rows]
        try:
            width, height = whole_size(where, *sizes[0].tolist())
            if (sizes != sizes[0]).any():
                other = int((sizes != sizes[0]).any(axis=1).argmax())
                raise InputError(
                    f'{where}: has (w, h) {_shown(sizes[0])} in line {lines[0]} and '
                    f'{_shown(sizes[other])} in line {lines[other]}; correct one'
                )
        except InputError as error:
            self.refuse(error)
            return None
        boxes, good = table.boxes[rows], table.good[rows]
        if not good.all():
            self.good_boxes(boxes[~good], where, tuple(f'in line {line}' for line in lines[~good]))
            boxes, lines = boxes[good], lines[good]
        labels = table.labels[rows][good].tolist()
        return ImageRecord(
            path=image,
            image_id=name,
            width=width,
            height=height,
            boxes=boxes,
            labels=tuple(table.classes[label] for label in labels),
            ignored=np.zeros(len(labels), bool),
            box_ids=tuple(lines.tolist()),
        )


def _shown(size: np.ndarray[Any, Any]) -> str:
    return f'({size[0]:g}, {size[1]:g})'
