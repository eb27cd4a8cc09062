"""Pascal VOC: one XML file per image."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args
from xml.etree.ElementTree import Element

import numpy as np

from mmdefect.datasets.images import image_size
from mmdefect.datasets.readers.base import BaseReader, OnError, Unlabelled, require_choice
from mmdefect.datasets.readers.files import IMAGE_FOLDERS, files_by_stem, subfolder
from mmdefect.datasets.readers.image_index import ImageIndex
from mmdefect.datasets.readers.values import text_number, whole_size
from mmdefect.datasets.readers.xml_file import read_xml
from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.registry import READERS
from mmdefect.structures import ImageRecord
from mmdefect.wording import counted

__all__ = ['VOCReader']

_KNOWN_KEYS = (
    'root', 'images', 'annotations', 'list_file', 'one_based', 'difficult', 'unlabelled',
    'on_error',
)  # fmt: skip
_XML_FOLDERS = ('annotations',)
_Difficult = Literal['ignore', 'keep']


@READERS.register_module()
class VOCReader(BaseReader):
    """Read Pascal VOC annotations: a folder of XML files and images, or one XML file.

    Files are matched by stem: ``annotations/x/a.xml`` belongs to ``images/x/a.*``, or to the
    only image of that stem, or to the one that ``<filename>`` names. The stem, with folders
    below ``annotations``, is the image id. One XML file is in memory at a time.

    Args:
        root (str | Path): Folder of the data set, or one XML file.
        images (str | None): Image folder below ``root``. Default None: ``images`` or
            ``JPEGImages`` where there is one, else ``root`` with all folders below.
        annotations (str | None): XML folder below ``root``. Default None: ``annotations`` or
            ``Annotations`` where there is one, else ``root`` with all folders below.
        list_file (str | Path | None): Text file with one stem or image per line, below ``root``
            or its ``ImageSets/Main``: the images to read. Default None: all.
        one_based (bool): Corners are 1-based and inclusive, as VOC defines them and NEU-DET
            uses them: read as ``[xmin - 1, ymin - 1, xmax, ymax]``. False keeps the four values,
            as LabelImg writes them: 0-based, ``xmax`` and ``ymax`` exclusive. Default True.
        difficult ('ignore' | 'keep'): Boxes marked difficult neither train nor count, or are
            like any other. Default ``ignore``.
        unlabelled ('raise' | 'good' | 'skip'): An image without an XML file is an error,
            a good part without boxes, or left out. Default ``raise``.
        on_error ('raise' | 'drop'): What to do with a bad box or image. Default ``raise``.
        **unknown: Refused, naming the nearest known key.

    Raises:
        InputError: An unknown key or value here; on reading, whatever is wrong with the files.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> folder = Path(tempfile.mkdtemp())
        >>> Image.new('L', (64, 48)).save(folder / 'a.png')
        >>> box = '<xmin>1</xmin><ymin>3</ymin><xmax>10</xmax><ymax>20</ymax>'
        >>> _ = (folder / 'a.xml').write_text(
        ...     '<annotation><object><name>rust</name>'
        ...     f'<bndbox>{box}</bndbox></object></annotation>')
        >>> [(record.labels, record.boxes.tolist()) for record in VOCReader(folder)]
        [(('rust',), [[0.0, 2.0, 10.0, 20.0]])]
    """

    _list_folders = ('', 'ImageSets/Main')

    def __init__(
        self,
        root: str | Path,
        images: str | None = None,
        annotations: str | None = None,
        list_file: str | Path | None = None,
        one_based: bool = True,
        difficult: _Difficult = 'ignore',
        unlabelled: Unlabelled = 'raise',
        on_error: OnError = 'raise',
        **unknown: Any,
    ) -> None:
        reject_unknown_keys('VOCReader', unknown, _KNOWN_KEYS)
        require_choice('VOCReader', 'difficult', difficult, get_args(_Difficult))
        require_choice('VOCReader', 'unlabelled', unlabelled, get_args(Unlabelled))
        super().__init__(root, on_error, list_file)
        if self.list_file is not None:
            self.name = f'{self.list_file}'
        self.images = images
        self.annotations = annotations
        self.one_based = one_based
        self.difficult = difficult
        self.unlabelled = unlabelled

    def read(self) -> Iterator[ImageRecord]:
        """Yield the images sorted by stem.

        Raises:
            InputError: Something is wrong and ``on_error`` is ``raise``.
        """
        images = ImageIndex(self._image_folder())
        if self.source.is_file():
            xml_files = {self.source.stem: [self.source]}
            stems = [self.source.stem] if self.wanted(self.source.stem) else []
        else:
            by_stem, xml_folder = images.by_stem, self._xml_folder()
            xml_files = files_by_stem(xml_folder, ('.xml',), 'annotation')
            stems = self._stems(by_stem, xml_files, xml_folder)
        below_one = 0
        for stem in stems:
            record = self._read_one(stem, xml_files, images)
            if record is not None:
                below_one += int((record.boxes[:, :2] < 0).any(axis=1).sum())
                yield record
        if below_one and self.one_based:
            self.notes.append(
                f'{self.name}: {counted(below_one, "box", "boxes")} beginning at 0 or below, which '
                '1-based corners cannot; if LabelImg wrote them, set one_based=False'
            )

    def _image_folder(self) -> Path:
        if self.images is not None:
            return self.folder / self.images
        around = self.folder.parent if self.folder.name.lower() in _XML_FOLDERS else self.folder
        found = subfolder(self.folder, IMAGE_FOLDERS) or subfolder(around, IMAGE_FOLDERS)
        return found or (around if self.source.is_file() else self.folder)

    def _xml_folder(self) -> Path:
        if self.annotations is not None:
            return self.folder / self.annotations
        return subfolder(self.folder, _XML_FOLDERS) or self.folder

    def _stems(
        self, images: dict[str, list[Path]], xml_files: dict[str, list[Path]], xml_folder: Path
    ) -> list[str]:
        stems = set(xml_files)
        # An image may lie elsewhere than its XML file: where none lies at its place, compare last
        # parts too.
        last_parts = {stem.rsplit('/', 1)[-1] for stem in xml_files.keys() - images.keys()}
        without = sorted(
            stem
            for stem in images
            if stem not in xml_files
            and stem.rsplit('/', 1)[-1] not in last_parts
            and self.wanted(stem)
        )
        if self.unlabelled == 'raise':
            paths = [images[stem][0] for stem in without]
            self.unlabelled_images(xml_folder, paths, 'XML file')
        if self.unlabelled == 'good':
            stems.update(without)
        return sorted(stem for stem in stems if self.wanted(stem))

    def _read_one(
        self,
        stem: str,
        xml_files: dict[str, list[Path]],
        images: ImageIndex,
    ) -> ImageRecord | None:
        if stem not in xml_files:
            return self._good_record(stem, images.by_stem)
        xml_file = xml_files[stem][0]
        try:
            tree = read_xml(xml_file, 'annotation', 'Pascal VOC')
            path = images.claim(str(xml_file), stem, tree.findtext('filename') or '')
            width, height = _declared_size(xml_file, tree) or image_size(path)
            names, corners, difficult = _objects(xml_file, tree)
        except InputError as error:
            self.refuse(error)
            return None
        if self.one_based:
            corners[:, :2] -= 1
        boxes = corners.astype(np.float32)
        numbers = tuple(range(1, len(names) + 1))
        good = self.good_boxes(boxes, str(xml_file), numbers)
        ignored = difficult if self.difficult == 'ignore' else np.zeros_like(difficult)
        return ImageRecord(
            path=path,
            image_id=stem,
            width=width,
            height=height,
            boxes=boxes[good],
            labels=tuple(name for name, keep in zip(names, good, strict=True) if keep),
            ignored=ignored[good],
            box_ids=tuple(number for number, keep in zip(numbers, good, strict=True) if keep),
        )

    def _good_record(self, stem: str, images: dict[str, list[Path]]) -> ImageRecord | None:
        if len(images[stem]) > 1:
            first, second, *_ = images[stem]
            self.problem(f'{first}', f'image is ambiguous: {second} has the same stem; keep one')
            return None
        size = self.size_of(images[stem][0])
        if size is None:
            return None
        empty = np.zeros((0, 4), np.float32)
        return ImageRecord(images[stem][0], stem, *size, empty, (), np.zeros(0, bool), ())


def _declared_size(path: Path, tree: Element) -> tuple[int, int] | None:
    """``<size>`` as (w, h); None when it is absent or zero, as some tools write it."""
    width, height = (text_number(tree.findtext(f'size/{key}')) for key in ('width', 'height'))
    if math.isnan(width + height) or width * height == 0:
        return None
    return whole_size(str(path), width, height)


def _objects(path: Path, tree: Element) -> tuple[list[str], np.ndarray, np.ndarray]:
    names, corners, difficult = [], [], []
    for number, item in enumerate(tree.iterfind('object'), start=1):
        name = (item.findtext('name') or '').strip()
        if not name:
            raise InputError(f'{path}: object {number} has no <name>; name its class')
        box = item.find('bndbox')
        if box is None:
            raise InputError(f'{path}: object {number} ({name}) has no <bndbox>; draw a box')
        names.append(name)
        corners.append([text_number(box.findtext(key)) for key in ('xmin', 'ymin', 'xmax', 'ymax')])
        difficult.append((item.findtext('difficult') or '0').strip() == '1')
    return names, np.array(corners, np.float64).reshape(-1, 4), np.array(difficult, bool)
