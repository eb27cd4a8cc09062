"""Images with masks: a box around each connected component."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from mmdefect.datasets.images import IMAGE_SUFFIXES, image_size
from mmdefect.datasets.masks import component_boxes, component_masks, mask_values, read_mask
from mmdefect.datasets.readers.base import BaseReader, OnError, Unlabelled, require_choice
from mmdefect.datasets.readers.files import walk_files
from mmdefect.datasets.readers.mask_layout import MaskLayout
from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.registry import READERS
from mmdefect.structures import ImageRecord

__all__ = ['MaskReader']

_KNOWN_KEYS = (
    'source', 'classes', 'class_name', 'min_area', 'masks', 'list_file', 'unlabelled', 'on_error',
)  # fmt: skip
# What a mask of two values marks with: 0/1, and white in 8 and 16 bits.
_BINARY = (1, 255, 65535)


@READERS.register_module()
class MaskReader(BaseReader):
    """Read images with masks; each 8-connected component of a mask becomes a box.

    Masks lie in a folder ``masks`` (also ``mask``, ``labels``, ``label``, ``ground_truth``,
    ``gt``) that mirrors the images, or beside them; their stem is that of the image, or has
    ``_mask``, ``_gt`` or ``_label`` behind it. ``test/<class>/1.png`` with
    ``ground_truth/<class>/1_mask.png`` (MVTec) is known too. An image in a folder ``good`` needs
    no mask. A mask must have the size of its image. One mask is in memory at a time.

    A mask is binary, with 0 and one of 1, 255, 65535: its boxes are of ``class_name``. Or its
    values are classes, which ``classes`` names. Palette images hold the indices. Touching
    components of one class are one box.

    Args:
        source (str | Path): The folder.
        classes (Sequence[str] | Mapping[int, str] | None): Class names of the values from 1, or
            by value; 0 is the background. Default None: masks are binary.
        class_name (str | None): Class of binary masks. Default None: the folder below the folder
            of masks, ``ground_truth/crack`` or ``masks/crack``, unless it is a split such as
            ``train``; else ``defect``.
        min_area (int): Components of fewer pixels are specks and left out; :attr:`notes` counts
            them. Default 9.
        masks (bool): Give each box its own mask, COCO run lengths under the key ``mask`` of
            ``box_extra``, from which instance segmentation trains. Default False.
        list_file (str | Path | None): Text file with one image per line, the images to read.
            Default None: all.
        unlabelled ('raise' | 'good' | 'skip'): An image without a mask is an error, a
            good part without boxes, or left out. Default ``raise``.
        on_error ('raise' | 'drop'): What to do with a bad image. Default ``raise``.
        **unknown: Refused, naming the nearest known key.

    Raises:
        InputError: An unknown key or value here; on reading, whatever is wrong with the files.

    Example:
        >>> import tempfile
        >>> from PIL import Image
        >>> folder = Path(tempfile.mkdtemp())
        >>> Image.new('L', (40, 20)).save(folder / 'a.png')
        >>> mask = np.zeros((20, 40), np.uint8)
        >>> mask[5:9, 10:16] = 255
        >>> Image.fromarray(mask).save(folder / 'a_mask.png')
        >>> [(record.boxes.tolist(), record.labels) for record in MaskReader(folder)]
        [([[10.0, 5.0, 16.0, 9.0]], ('defect',))]
    """

    def __init__(
        self,
        source: str | Path,
        classes: Sequence[str] | Mapping[int, str] | None = None,
        class_name: str | None = None,
        min_area: int = 9,
        masks: bool = False,
        list_file: str | Path | None = None,
        unlabelled: Unlabelled = 'raise',
        on_error: OnError = 'raise',
        **unknown: Any,
    ) -> None:
        reject_unknown_keys('MaskReader', unknown, _KNOWN_KEYS)
        require_choice('MaskReader', 'unlabelled', unlabelled, get_args(Unlabelled))
        if type(min_area) is not int or min_area < 1:
            raise InputError(f'MaskReader: min_area must be a whole number from 1, got {min_area}')
        if class_name is not None and not (isinstance(class_name, str) and class_name.strip()):
            raise InputError(f'MaskReader: class_name must be a text, got {class_name!r}')
        if class_name is not None and classes is not None:
            raise InputError(
                'MaskReader: class_name is for binary masks, classes for values; give one of them'
            )
        super().__init__(source, on_error, list_file)
        self.class_names = None if classes is None else _by_value(classes)
        self.class_name = class_name
        self.min_area = min_area
        self.masks = masks
        self.unlabelled = unlabelled
        self.declares_classes = classes is not None or class_name is not None
        self._specks = 0

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of their values; else those found, which reads all masks."""
        if self.class_names is not None:
            return tuple(dict.fromkeys(self.class_names.values()))
        return super().classes if self.class_name is None else (self.class_name,)

    def read(self) -> Iterator[ImageRecord]:
        """Yield the images sorted by path.

        Raises:
            InputError: Something is wrong and ``on_error`` is ``raise``.
        """
        if not self.source.is_dir():
            kind = 'is a file' if self.source.is_file() else 'is missing'
            raise InputError(f'{self.source}: {kind}; give the folder of images and masks')
        layout = MaskLayout(
            self.folder,
            (path for path in walk_files(self.folder) if path.suffix.lower() in IMAGE_SUFFIXES),
        )
        if not layout.images:
            raise InputError(f'{self.folder}: no images beside masks; check the path')
        for mask in layout.orphans:
            if self.wanted(layout.image_name(mask)):
                self.problem(f'{mask}', 'its image is missing; add it or drop the mask')
        chosen = [path for path in layout.images if self.wanted(self._id(path))]
        without = [
            path for path in chosen if not layout.has_mask(path) and not layout.is_good(path)
        ]
        if self.unlabelled == 'raise':
            self.unlabelled_images(self.folder, without, 'mask')
        left_out = set(without) if self.unlabelled != 'good' else set()
        self._specks = 0
        for path in chosen:
            if path in left_out:
                continue
            try:
                yield self._record(path, layout)
            except InputError as error:
                self.refuse(error)
        if self._specks:
            self.notes.append(
                f'{self.name}: {self._specks} components of fewer than min_area={self.min_area} '
                'pixels left out'
            )

    def _id(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def _record(self, path: Path, layout: MaskLayout) -> ImageRecord:
        """Read one image.

        Raises:
            InputError: The image or its mask is not to be used.
        """
        width, height = image_size(path)
        boxes: NDArray[np.float32] = np.zeros((0, 4), np.float32)
        labels: tuple[str, ...] = ()
        runs: list[dict[str, Any]] = []
        mask_path = layout.mask(path)
        if mask_path is not None:
            mask = read_mask(mask_path)
            if mask.shape != (height, width):
                raise InputError(
                    f'{mask_path}: the mask has (w, h) ({mask.shape[1]}, {mask.shape[0]}) but its '
                    f'image ({width}, {height}); both must be equal'
                )
            boxes, labels, runs = self._boxes(mask, mask_path, layout)
        return ImageRecord(
            path=path,
            image_id=self._id(path),
            width=width,
            height=height,
            boxes=boxes,
            labels=labels,
            ignored=np.zeros(len(labels), bool),
            box_ids=tuple(range(1, len(labels) + 1)),
            box_extra=tuple({'mask': one} for one in runs),
        )

    def _boxes(
        self, mask: NDArray[Any], path: Path, layout: MaskLayout
    ) -> tuple[NDArray[np.float32], tuple[str, ...], list[dict[str, Any]]]:
        values = mask_values(mask)
        names = self.class_names
        if names is None:
            name = self.class_name or layout.class_name(path)
            names = _binary_names(path, values, name)
        unnamed = [value for value in values if value not in names]
        if unnamed:
            self.problem(f'{path}', f'no class for {_shown(unnamed)}; name it in classes')
        found: list[NDArray[np.float32]] = [np.zeros((0, 4), np.float32)]
        labels: list[str] = []
        runs: list[dict[str, Any]] = []
        for value in values:
            if value in names:
                if self.masks:
                    boxes, own, specks = component_masks(mask == value, self.min_area)
                    runs.extend(own)
                else:
                    boxes, specks = component_boxes(mask == value, self.min_area)
                self._specks += specks
                found.append(boxes)
                labels.extend([names[value]] * len(boxes))
        return np.concatenate(found), tuple(labels), runs


def _by_value(classes: Any) -> dict[int, str]:
    """Class names by mask value."""
    if isinstance(classes, Mapping):
        names = dict(classes)
    elif isinstance(classes, Sequence) and not isinstance(classes, str):
        names = dict(enumerate(classes, start=1))
    else:
        raise InputError(f'MaskReader: classes must be a list or a mapping, got {classes!r}')
    for value, name in names.items():
        if type(value) is not int or not 1 <= value <= 65535:
            raise InputError(
                f'MaskReader: a value in classes must be 1 to 65535 (0 is the background), got '
                f'{value!r}'
            )
        if not isinstance(name, str) or not name.strip():
            raise InputError(f'MaskReader: name of value {value} must be a text, got {name!r}')
    if not names:
        raise InputError('MaskReader: classes is empty; name at least one value')
    return dict(sorted(names.items()))


def _binary_names(path: Path, values: list[int], name: str) -> dict[int, str]:
    if not values:
        return {}
    if len(values) == 1 and values[0] in _BINARY:
        return {values[0]: name}
    if path.suffix.lower() in ('.jpg', '.jpeg'):
        raise InputError(
            f'{path}: {_shown(values)}, as JPEG leaves behind; store masks as PNG with 0 and 255'
        )
    raise InputError(f'{path}: {_shown(values)}; name them with classes={{{values[0]}: ...}}')


def _shown(values: list[int]) -> str:
    if len(values) == 1:
        return f'mask value {values[0]}'
    more = ', ...' if len(values) > 5 else ''
    return f'{len(values)} mask values ({", ".join(map(str, values[:5]))}{more})'
