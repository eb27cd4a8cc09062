"""DeepPCB: a tested board, its defect-free template, and a text file of boxes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdefect.datasets.images import IMAGE_SUFFIXES, image_size
from mmdefect.datasets.readers.base import BaseReader, OnError
from mmdefect.datasets.readers.files import files_by_stem
from mmdefect.datasets.readers.image_index import nearest
from mmdefect.datasets.readers.text_rows import numbers, read_rows
from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.registry import READERS
from mmdefect.structures import ImageRecord
from mmdefect.wording import counted

__all__ = ['DeepPCBReader']

# Types 1 to 6.
_CLASSES = ('open', 'short', 'mousebite', 'spur', 'copper', 'pin-hole')
_TEST, _TEMPLATE = '_test', '_temp'


@READERS.register_module()
class DeepPCBReader(BaseReader):
    """Read DeepPCB pairs: ``<id>_test.jpg``, ``<id>_temp.jpg`` and ``<id>.txt``.

    A line of the text file is ``x1 y1 x2 y2 type``, with blanks or commas; an empty file is a
    good board. Each tested image is one record. Its ``extra`` names the part, ``part_id``, and
    the template beside it, ``template_path``, relative to the folder of the image; a template
    alone is no image to read. One text file is in memory at a time.

    Args:
        source (str | Path): The folder; text files may lie in other folders below it than their
            images, as in ``00041/`` and ``00041_not/``.
        list_file (str | Path | None): ``train.txt`` or ``val.txt`` of the set, which name
            images without ``_test``. Default None: all.
        on_error ('raise' | 'drop'): What to do with a bad box or image. Default ``raise``.
        **unknown: Refused, naming the nearest known key.

    Raises:
        InputError: An unknown key or value here; on reading, whatever is wrong with the files.

    Source:
        Tang, He, Huang, Yang: Online PCB Defect Detector On A New PCB Defect Dataset, 2019.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> folder = Path(tempfile.mkdtemp())
        >>> for kind in ('test', 'temp'):
        ...     Image.new('L', (64, 48)).save(folder / f'7_{kind}.png')
        >>> _ = (folder / '7.txt').write_text('1 2 10 20 3')
        >>> (record,) = DeepPCBReader(folder)
        >>> record.labels, record.boxes.tolist(), record.extra['template_path']
        (('mousebite',), [[1.0, 2.0, 10.0, 20.0]], '7_temp.png')
    """

    declares_classes = True

    def __init__(
        self,
        source: str | Path,
        list_file: str | Path | None = None,
        on_error: OnError = 'raise',
        **unknown: Any,
    ) -> None:
        reject_unknown_keys('DeepPCBReader', unknown, ('source', 'list_file', 'on_error'))
        super().__init__(source, on_error, list_file)

    @property
    def classes(self) -> tuple[str, ...]:
        """The six types in their order."""
        return _CLASSES

    def read(self) -> Iterator[ImageRecord]:
        """Yield the tested images sorted by path.

        Raises:
            InputError: Something is wrong and ``on_error`` is ``raise``.
        """
        images = files_by_stem(self.source, IMAGE_SUFFIXES, 'image')
        labels: dict[str, list[Path]] = {}
        for paths in files_by_stem(self.folder, ('.txt',), 'label').values():
            labels.setdefault(paths[0].stem, []).append(paths[0])
        parts = [stem.removesuffix(_TEST) for stem in images if stem.endswith(_TEST)]
        if not parts:
            raise InputError(f'{self.folder}: no image <id>{_TEST}.jpg; check the path')
        self._report_orphans(labels, parts)
        alone = 0
        for part in sorted(parts):
            if not self.wanted(part) and not self.wanted(f'{part}{_TEST}'):
                continue
            record = self._read_one(part, images, labels)
            if record is not None:
                alone += 'template_path' not in record.extra
                yield record
        if alone:
            tested = counted(alone, 'tested image')
            self.notes.append(f'{self.name}: {tested} without a {_TEMPLATE} image')

    def _report_orphans(self, labels: dict[str, list[Path]], parts: list[str]) -> None:
        names = {part.rsplit('/', 1)[-1] for part in parts}
        for name in sorted(labels.keys() - names):
            for path in labels[name]:
                # Lists of the set and notes lie elsewhere than labels.
                if path.parent.name.endswith('_not') and self.wanted(name):
                    self.problem(
                        f'{path}', f'image {name}{_TEST} is missing; add it or drop its labels'
                    )

    def _read_one(
        self, part: str, images: dict[str, list[Path]], labels: dict[str, list[Path]]
    ) -> ImageRecord | None:
        name = part.rsplit('/', 1)[-1]
        where = f'{self.folder / part}{_TEST}'
        label_files = nearest(labels.get(name, []), self.folder, part)
        try:
            path = _only(where, 'the image', images[f'{part}{_TEST}'])
            width, height = image_size(path)
            label_file = _only(f'{path}', f'label file {name}.txt', label_files)
            lines, boxes, names = self._rows(label_file)
        except InputError as error:
            self.refuse(error)
            return None
        good = self.good_boxes(boxes, f'{label_file}', tuple(f'in line {line}' for line in lines))
        kept = np.flatnonzero(good).tolist()
        templates = images.get(f'{part}{_TEMPLATE}', [])
        extra = {'part_id': name}
        if templates:
            extra['template_path'] = templates[0].name
        return ImageRecord(
            path=path,
            image_id=part,
            width=width,
            height=height,
            boxes=boxes[good],
            labels=tuple(names[index] for index in kept),
            ignored=np.zeros(len(kept), bool),
            box_ids=tuple(lines[index] for index in kept),
            extra=extra,
        )

    def _rows(self, path: Path) -> tuple[list[int], NDArray[np.float32], list[str]]:
        """Line numbers, boxes and class names of the lines that have both."""
        lines, corners, names = [], [], []
        for line, words in read_rows(path):
            where = f'{path}, line {line}'
            try:
                *box, kind = numbers(where, words)
                if len(box) != 4:
                    raise InputError(f'{where}: {len(words)} values; write x1 y1 x2 y2 type')
                if kind not in range(1, len(_CLASSES) + 1):
                    raise InputError(f'{where}: type {kind:g} is none of 1 to 6; correct it')
            except InputError as error:
                self.refuse(error)
                continue
            lines.append(line)
            corners.append(box)
            names.append(_CLASSES[int(kind) - 1])
        with np.errstate(over='ignore'):
            boxes = np.array(corners, np.float64).reshape(-1, 4).astype(np.float32)
        return lines, boxes, names


def _only(where: str, what: str, found: list[Path]) -> Path:
    if not found:
        raise InputError(f'{where}: {what} is missing; write an empty one if the board is good')
    if len(found) > 1:
        raise InputError(f'{where}: {what} is ambiguous: {found[0]} or {found[1]}; keep one')
    return found[0]
