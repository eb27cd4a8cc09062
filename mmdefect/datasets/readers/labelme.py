"""LabelMe: one JSON file per image, shapes drawn by hand."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath
from typing import Any, get_args

from mmdefect.datasets.images import image_size
from mmdefect.datasets.json_file import read_json
from mmdefect.datasets.readers.base import BaseReader, OnError, Unlabelled, require_choice
from mmdefect.datasets.readers.files import files_by_stem, require_source
from mmdefect.datasets.readers.image_index import ImageIndex
from mmdefect.datasets.readers.shapes import (
    Box,
    Shape,
    box_around,
    ellipse_box,
    image_name,
    shapes_record,
)
from mmdefect.datasets.readers.values import json_number, whole_size
from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.registry import READERS
from mmdefect.structures import ImageRecord

__all__ = ['LabelMeReader']

_KNOWN_KEYS = ('source', 'image_root', 'list_file', 'unlabelled', 'on_error')
# A file holds one image, in base64 where LabelMe was told so.
_MAX_BYTES = 256 * 1024**2
# Shapes that have an area, and the fewest points of each.
_FEWEST_POINTS = {
    'rectangle': 2, 'polygon': 3, 'circle': 2, 'line': 2, 'linestrip': 2, 'mask': 2, 'rotation': 4,
}  # fmt: skip
_EXTRA_KEYS = ('group_id', 'flags', 'description')


@READERS.register_module()
class LabelMeReader(BaseReader):
    """Read LabelMe annotations: a folder of JSON files, with folders below, or one file.

    The image is the one that ``imagePath`` names, relative to the JSON file, else the only one
    of that name or of the JSON file's stem below ``image_root``. ``imageData`` is never decoded.
    Its path below ``image_root`` is the image id. One JSON file is in memory at a time.

    Shapes become the upright boxes around them: ``rectangle`` (any two corners), ``polygon``,
    ``circle``, ``line``, ``linestrip``, ``rotation`` (of X-AnyLabeling), and ``mask`` by its two
    inclusive corners. A ``point`` or ``points`` shape has no area and is a problem, and so is a
    line straight along an axis. ``group_id``, ``flags`` and ``description`` of a shape are
    carried in ``box_extra``, ``flags`` of the image in ``extra``.

    Args:
        source (str | Path): The folder, or one JSON file.
        image_root (str | Path | None): Folder of the images, with all folders below. Default
            None: that of the JSON files.
        list_file (str | Path | None): Text file with one image per line, compared with the
            stems of the JSON files. Default None: all.
        unlabelled ('raise' | 'good' | 'skip'): An image below ``image_root`` without a
            JSON file is an error, a good part without boxes, or left out: LabelMe writes no file
            for an image that nothing was drawn on. Only where ``source`` is a folder. Default
            ``raise``.
        on_error ('raise' | 'drop'): What to do with a bad shape or image. Default ``raise``.
        **unknown: Refused, naming the nearest known key.

    Raises:
        InputError: An unknown key or value here; on reading, whatever is wrong with the files.

    Example:
        >>> import json, tempfile
        >>> from PIL import Image
        >>> folder = Path(tempfile.mkdtemp())
        >>> Image.new('L', (30, 20)).save(folder / 'a.png')
        >>> shape = {'label': 'rust', 'shape_type': 'circle', 'points': [[10, 9], [14, 9]]}
        >>> _ = (folder / 'a.json').write_text(
        ...     json.dumps({'imagePath': 'a.png', 'imageData': None, 'shapes': [shape]}))
        >>> [(record.labels, record.boxes.tolist()) for record in LabelMeReader(folder)]
        [(('rust',), [[6.0, 5.0, 14.0, 13.0]])]
    """

    def __init__(
        self,
        source: str | Path,
        image_root: str | Path | None = None,
        list_file: str | Path | None = None,
        unlabelled: Unlabelled = 'raise',
        on_error: OnError = 'raise',
        **unknown: Any,
    ) -> None:
        reject_unknown_keys('LabelMeReader', unknown, _KNOWN_KEYS)
        require_choice('LabelMeReader', 'unlabelled', unlabelled, get_args(Unlabelled))
        super().__init__(source, on_error, list_file)
        self.image_root = self.folder if image_root is None else Path(image_root)
        self.unlabelled = unlabelled

    def read(self) -> Iterator[ImageRecord]:
        """Yield the images sorted by JSON file, then those without one where they are good.

        Raises:
            InputError: Something is wrong and ``on_error`` is ``raise``.
        """
        require_source(self.source, 'LabelMe')
        images = ImageIndex(self.image_root)
        if not self.source.is_dir():
            if self.wanted(self.source.stem):
                yield self._record(self.source, *self._open(self.source, images))
            return
        labelled: set[Path] = set()
        for stem, paths in files_by_stem(self.folder, ('.json',), 'LabelMe').items():
            if not self.wanted(stem):
                continue
            for path in paths:
                try:
                    content, image, size = self._open(path, images)
                except InputError as error:
                    # Bad or not, the file says that its image is labelled.
                    labelled.update(images.by_stem.get(stem, ()))
                    self.refuse(error)
                    continue
                labelled.add(image)
                yield self._record(path, content, image, size)
        if self.unlabelled != 'skip':
            yield from self._without_file(images, labelled)

    def _without_file(self, images: ImageIndex, labelled: set[Path]) -> Iterator[ImageRecord]:
        without = [
            path
            for paths in images.by_stem.values()
            for path in paths
            if path not in labelled and self.wanted(image_name(path, self.image_root))
        ]
        if self.unlabelled == 'raise':
            self.unlabelled_images(self.image_root, without, 'LabelMe file')
            return
        for path in without:
            size = self.size_of(path)
            if size is not None:
                yield shapes_record(
                    self, f'{path}', path, image_name(path, self.image_root), size, ()
                )

    def _open(self, path: Path, images: ImageIndex) -> tuple[dict[str, Any], Path, tuple[int, int]]:
        """Content, image and ``(w, h)`` of a file; raises whatever ``on_error`` says."""
        content = read_json(path, 'LabelMe', _MAX_BYTES)
        if not isinstance(content, dict) or not isinstance(content.get('shapes'), list):
            raise InputError(
                f'{path}: not LabelMe: no list "shapes"; move the file elsewhere or correct it'
            )
        image = images.claim(str(path), *self._names(path, content.get('imagePath')))
        width, height = content.get('imageWidth'), content.get('imageHeight')
        if width is None or height is None:
            return content, image, image_size(image)
        return content, image, whole_size(str(path), json_number(width), json_number(height))

    def _record(
        self, path: Path, content: dict[str, Any], image: Path, size: tuple[int, int]
    ) -> ImageRecord:
        where, flags = str(path), content.get('flags')
        shapes = [
            self._shape(where, number, item)
            for number, item in enumerate(content['shapes'], start=1)
        ]
        return shapes_record(
            self,
            where,
            image,
            image_name(image, self.image_root),
            size,
            [shape for shape in shapes if shape is not None],
            {'flags': flags} if flags else None,
        )

    def _names(self, path: Path, written: Any) -> tuple[str, ...]:
        """What the image may be called below the image folder, the surest first."""
        stem = image_name(path, self.folder).removesuffix(path.suffix)
        if not isinstance(written, str):
            return (stem,)
        written = written.strip().replace('\\', '/')
        if not written or PureWindowsPath(written).anchor:
            return (written, stem)
        try:
            beside = os.path.relpath(path.parent / written, self.image_root)
        except ValueError:
            # On another drive.
            return (written, stem)
        return (Path(beside).as_posix(), written, stem)

    def _shape(self, where: str, number: int, item: Any) -> Shape | None:
        shape = f'{where}, shape {number}'
        if not isinstance(item, dict):
            self.problem(shape, 'must be an object; remove it')
            return None
        label = item.get('label')
        if not isinstance(label, str) or not label.strip():
            self.problem(shape, 'has no label; name its class')
            return None
        # Early versions knew polygons only and named no type.
        kind = item.get('shape_type') or 'polygon'
        points = _points(item.get('points'))
        if kind in ('point', 'points'):
            self.problem(shape, f'a {kind} shape has no area; draw a box or remove it')
        elif not isinstance(kind, str) or kind not in _FEWEST_POINTS:
            self.problem(
                shape, f'unknown shape_type {kind!r}; known are {", ".join(_FEWEST_POINTS)}'
            )
        elif points is None:
            self.problem(shape, '"points" must be a list of [x, y]; draw the shape again')
        elif len(points) < _FEWEST_POINTS[kind]:
            self.problem(
                shape,
                f'a {kind} needs {_FEWEST_POINTS[kind]} points, got {len(points)}; draw it again',
            )
        else:
            extra = {key: item[key] for key in _EXTRA_KEYS if item.get(key) not in (None, '', {})}
            return Shape(label.strip(), _box(kind, points), number, extra)
        return None


def _points(value: Any) -> list[tuple[float, float]] | None:
    if not isinstance(value, list):
        return None
    points = []
    for point in value:
        if not isinstance(point, list) or len(point) != 2:
            return None
        points.append((json_number(point[0]), json_number(point[1])))
    return points


def _box(kind: str, points: list[tuple[float, float]]) -> Box:
    if kind == 'circle':
        centre, rim = points[:2]
        radius = math.dist(centre, rim)
        return ellipse_box(centre, (radius, radius))
    x1, y1, x2, y2 = box_around(points)
    # The corners of a mask are its first and last pixel.
    return (x1, y1, x2 + 1, y2 + 1) if kind == 'mask' else (x1, y1, x2, y2)
