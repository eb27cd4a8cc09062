"""What every annotation reader yields, whatever the format on disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdefect.errors import one_line

__all__ = ['ImageRecord', 'Problem']


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing in the input that was left out.

    Args:
        where (str): File or image, and the annotation where there is one.
        what (str): What is wrong with it and how to mend it.

    Example:
        >>> str(Problem('a.jpg', 'cannot be decoded'))
        'a.jpg: cannot be decoded'
    """

    where: str
    what: str

    def __str__(self) -> str:
        """One line, as in logs."""
        return one_line(f'{self.where}: {self.what}')


@dataclass(frozen=True, slots=True, eq=False)
class ImageRecord:
    """One image with its boxes, in the EXIF-upright frame of the image.

    Args:
        path (Path): The image file.
        image_id (int | str): Unique within one reader.
        width (int): Pixels, upright.
        height (int): Pixels, upright.
        boxes (NDArray[np.float32]): ``xyxy`` in pixels, shape (N, 4); (0, 4) on a good image.
        labels (tuple[str, ...]): N class names.
        ignored (NDArray[np.bool_]): Shape (N,): boxes that neither train nor count (COCO
            ``iscrowd``, VOC ``difficult``).
        box_ids (tuple[Any, ...]): N ids of the annotations in their file, for messages.
        extra (dict[str, Any]): Further keys of the image, such as ``part_id``. Default empty.
        box_extra (tuple[dict[str, Any], ...]): N dicts of further keys of the boxes, such as
            ``defect_id``; empty when no box has any. Default empty.

    Raises:
        ValueError: The lengths do not agree.

    Example:
        >>> record = ImageRecord(Path('a.png'), 0, 64, 48, np.array([[1, 2, 3, 4]], np.float32),
        ...                      ('rust',), np.zeros(1, bool), (7,))
        >>> len(record), record.labels
        (1, ('rust',))
    """

    path: Path
    image_id: int | str
    width: int
    height: int
    boxes: NDArray[np.float32]
    labels: tuple[str, ...]
    ignored: NDArray[np.bool_]
    box_ids: tuple[Any, ...]
    extra: dict[str, Any] = field(default_factory=dict)
    box_extra: tuple[dict[str, Any], ...] = ()

    def __post_init__(self) -> None:
        """Check the lengths."""
        count = len(self.labels)
        if self.boxes.shape != (count, 4):
            raise ValueError(f'boxes must have shape ({count}, 4), got {self.boxes.shape}')
        if self.ignored.shape != (count,):
            raise ValueError(f'ignored must have shape ({count},), got {self.ignored.shape}')
        if len(self.box_ids) != count:
            raise ValueError(f'box_ids must have length {count}, got {len(self.box_ids)}')
        if len(self.box_extra) not in (0, count):
            raise ValueError(f'box_extra must have length 0 or {count}, got {len(self.box_extra)}')

    def __len__(self) -> int:
        """Number of boxes."""
        return len(self.labels)
