"""CVAT: the XML export of a task or project, "CVAT for images 1.1"."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from mmdefect.datasets.images import image_size
from mmdefect.datasets.readers.base import BaseReader, OnError
from mmdefect.datasets.readers.cvat_shapes import read_shape
from mmdefect.datasets.readers.files import files_by_stem, require_source
from mmdefect.datasets.readers.image_index import ImageIndex
from mmdefect.datasets.readers.shapes import Shape, image_name, shapes_record
from mmdefect.datasets.readers.values import text_number, whole_size
from mmdefect.datasets.readers.xml_file import stream_xml
from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.registry import READERS
from mmdefect.structures import ImageRecord

__all__ = ['CVATReader']

_KNOWN_KEYS = ('source', 'image_root', 'list_file', 'on_error')


@READERS.register_module()
class CVATReader(BaseReader):
    """Read "CVAT for images 1.1": one XML file, or all XML files of a folder.

    The image is the one of its ``name`` below ``image_root``, else the only one of that last
    part; its path below ``image_root`` is the image id. Files of any size are streamed, one
    ``<image>`` in memory at a time. An ``<image>`` without shapes is a good part. Classes are
    those declared in ``<meta>``, of one file after the other. "CVAT for video" is refused.

    Shapes become the upright boxes around them: ``<box>`` and ``<ellipse>``, turned or not,
    ``<polygon>``, ``<polyline>``, and ``<mask>`` by its frame. ``<points>``, ``<skeleton>`` and
    ``<cuboid>`` are problems. Attributes, ``occluded`` and ``group_id`` are carried in
    ``box_extra``, the labels of ``<tag>`` as ``tags`` in ``extra``.

    Args:
        source (str | Path): The XML file, or a folder of such.
        image_root (str | Path | None): Folder of the images, with all folders below. Default
            None: that of the XML file.
        list_file (str | Path | None): Text file with one image per line, the images to read.
            Default None: all.
        on_error ('raise' | 'drop'): What to do with a bad shape or image. Default ``raise``.
        **unknown: Refused, naming the nearest known key.

    Raises:
        InputError: An unknown key or value here; on reading, whatever is wrong with the files.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> folder = Path(tempfile.mkdtemp())
        >>> Image.new('L', (64, 48)).save(folder / 'a.png')
        >>> box = '<box label="rust" occluded="0" xtl="1" ytl="2" xbr="9.5" ybr="8"/>'
        >>> _ = (folder / 'annotations.xml').write_text(
        ...     '<annotations><meta><task><labels><label><name>rust</name></label></labels></task>'
        ...     f'</meta><image id="0" name="a.png" width="64" height="48">{box}</image>'
        ...     '</annotations>')
        >>> reader = CVATReader(folder)
        >>> reader.classes, [record.boxes.tolist() for record in reader]
        (('rust',), [[[1.0, 2.0, 9.5, 8.0]]])
    """

    declares_classes = True

    def __init__(
        self,
        source: str | Path,
        image_root: str | Path | None = None,
        list_file: str | Path | None = None,
        on_error: OnError = 'raise',
        **unknown: Any,
    ) -> None:
        reject_unknown_keys('CVATReader', unknown, _KNOWN_KEYS)
        super().__init__(source, on_error, list_file)
        self.image_root = self.folder if image_root is None else Path(image_root)
        self._declared: tuple[str, ...] | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names as declared in ``<meta>``; those of all boxes where none are."""
        if self._declared is None:
            names: dict[str, None] = {}
            for path in self._files():
                try:
                    names.update(dict.fromkeys(_classes_of_file(path)))
                except InputError:
                    if self._must_raise():
                        raise
            self._declared = tuple(names)
        return self._declared or super().classes

    def read(self) -> Iterator[ImageRecord]:
        """Yield the images in file order, files sorted by name.

        Raises:
            InputError: Something is wrong and ``on_error`` is ``raise``.
        """
        require_source(self.source, 'CVAT')
        images = ImageIndex(self.image_root)
        for path in self._files():
            try:
                yield from self._records(path, images)
            except InputError as error:
                if self._must_raise():
                    raise
                self.refuse(error)

    def _files(self) -> list[Path]:
        if not self.source.is_dir():
            return [self.source]
        return [
            path
            for paths in files_by_stem(self.folder, ('.xml',), 'CVAT').values()
            for path in paths
        ]

    def _must_raise(self) -> bool:
        """A file alone that is none leaves nothing to go on with."""
        return self.on_error == 'raise' or not self.source.is_dir()

    def _records(self, path: Path, images: ImageIndex) -> Iterator[ImageRecord]:
        classes: frozenset[str] = frozenset()
        number = 0
        for element in _elements(path):
            if element.tag == 'meta':
                classes = frozenset(_declared(element))
            elif element.tag == 'image':
                number += 1
                record = self._record(f'{path}, image {number}', element, classes, images)
                if record is not None:
                    yield record

    def _record(
        self, where: str, element: Element, classes: frozenset[str], images: ImageIndex
    ) -> ImageRecord | None:
        name = element.get('name') or ''
        where += f' ({name})'
        if not self.wanted(name):
            return None
        subset = element.get('subset')
        try:
            image = images.claim(where, f'{subset}/{name}' if subset and name else name, name)
            size = _size(where, element) or image_size(image)
        except InputError as error:
            # The image file may be what is wrong; the annotation file is named all the same.
            self.problem(where, str(error).removeprefix(f'{where}: '))
            return None
        shapes: list[Shape] = []
        tags: list[str] = []
        for count, child in enumerate(element, start=1):
            if child.tag == 'tag':
                tags.append(child.get('label') or '')
                continue
            shape = f'{where}, shape {count}'
            try:
                shapes.append(read_shape(shape, count, child, classes))
            except InputError as error:
                self.problem(shape, str(error).removeprefix(f'{shape}: '))
        extra: dict[str, Any] = {'tags': tags} if tags else {}
        return shapes_record(
            self, where, image, image_name(image, self.image_root), size, shapes, extra
        )


def _elements(path: Path) -> Iterator[Element]:
    for element in stream_xml(path, 'annotations', 'CVAT'):
        if element.tag == 'track':
            raise InputError(
                f'{path}: is "CVAT for video" (<track>), which names no image files; export as '
                '"CVAT for images 1.1"'
            )
        yield element


def _classes_of_file(path: Path) -> list[str]:
    """Reads up to ``<meta>``, which stands at the beginning."""
    for element in _elements(path):
        if element.tag == 'meta':
            return _declared(element)
    return []


def _declared(meta: Element) -> list[str]:
    return [
        name
        for label in meta.iterfind('.//labels/label')
        if (name := (label.findtext('name') or '').strip())
    ]


def _size(where: str, element: Element) -> tuple[int, int] | None:
    width, height = element.get('width'), element.get('height')
    if width is None or height is None:
        return None
    return whole_size(where, text_number(width), text_number(height))
