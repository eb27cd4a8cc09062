"""What a data set holds: images, boxes per class, quantiles of sizes and ratios."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mmdefect.datasets.audit.table import AuditTable

__all__ = ['QUANTILES', 'ClassStatistics', 'SplitStatistics', 'Statistics', 'compute_statistics']

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_HALF = 0.5


@dataclass(frozen=True, slots=True)
class SplitStatistics:
    """Counts of one split.

    Args:
        name (str): The split.
        images (int): Images.
        good (int): Images without any box.
        boxes (int): Boxes, ignored ones included.
        ignored (int): Boxes that neither train nor count.
        parts (int): Different ``part_id``; 0 where images have none.

    Example:
        >>> SplitStatistics('val', 20, 5, 40, 0, 0).good
        5
    """

    name: str
    images: int
    good: int
    boxes: int
    ignored: int
    parts: int


@dataclass(frozen=True, slots=True)
class ClassStatistics:
    """Counts and quantiles of one class, or of all.

    Args:
        name (str): The class.
        boxes (list[int]): Boxes per split.
        images (list[int]): Images with such a box per split.
        touching (int): Boxes that touch or overlap another of the class.
        half_image (int): Boxes that cover half their image or more.
        quantiles (dict[str, list[float]]): At ``QUANTILES``: ``width``, ``height`` and ``side``
            (the root of the area) in pixels, ``ratio`` (w/h), ``share`` of the image area, and
            ``per_image`` (boxes of the class per image that has any). Empty without boxes.

    Example:
        >>> ClassStatistics('rust', [3, 1], [2, 1], 0, 0, {}).boxes
        [3, 1]
    """

    name: str
    boxes: list[int]
    images: list[int]
    touching: int
    half_image: int
    quantiles: dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts of a data set.

    Args:
        splits (list[SplitStatistics]): Per split.
        classes (list[ClassStatistics]): Per class, in the order of the table.
        total (ClassStatistics): All boxes; its ``per_image`` counts good images as 0.

    Example:
        >>> compute_statistics(AuditTable(['train'], ['rust'])).total.boxes
        [0]
    """

    splits: list[SplitStatistics]
    classes: list[ClassStatistics]
    total: ClassStatistics

    def as_dict(self) -> dict[str, Any]:
        """What JSON shows of it.

        Returns:
            dict[str, Any]: ``splits``, ``classes``, ``total`` and ``quantiles``, the levels.
        """
        return {'quantiles': list(QUANTILES), **asdict(self)}


def compute_statistics(
    table: AuditTable, touching: npt.NDArray[np.bool_] | None = None
) -> Statistics:
    """Count images and boxes; take the quantiles of sizes and ratios.

    Args:
        table (AuditTable): The data set.
        touching (np.ndarray | None): Boxes that touch another of their class, bool, shape (M,).
            Default None: none do.

    Returns:
        Statistics: Counts and quantiles.

    Example:
        >>> from pathlib import Path
        >>> table = AuditTable(['train'], ['rust'], [Path('a.png')], np.zeros(1, np.int32),
        ...     np.array([[64, 48]]), [None], np.array([0, 1]),
        ...     np.array([[10, 20, 30, 30]], np.float32), np.zeros(1, np.int32),
        ...     np.zeros(1, bool), [(7,)], [None])
        >>> compute_statistics(table).classes[0].quantiles['ratio'][3]
        2.0
    """
    if touching is None:
        touching = np.zeros(len(table.boxes), bool)
    owners = table.owners
    counts = np.diff(table.starts)
    box_split = table.split_of[owners]
    splits = []
    for index, name in enumerate(table.splits):
        mine = table.split_of == index
        parts = {part for part, own in zip(table.parts, mine, strict=True) if own}
        splits.append(
            SplitStatistics(
                name,
                images=int(mine.sum()),
                good=int((counts[mine] == 0).sum()),
                boxes=int(counts[mine].sum()),
                ignored=int(table.ignored[box_split == index].sum()),
                parts=len(parts - {None}),
            )
        )
    measures = _measures(table, owners)
    every = np.arange(len(table.boxes))
    order = np.argsort(table.labels, kind='stable')
    ends = np.cumsum(np.bincount(table.labels, minlength=len(table.classes)))
    rows = np.split(order, ends[:-1]) if len(table.classes) else []
    return Statistics(
        splits,
        [
            _of_class(name, table, mine, owners, measures, touching)
            for name, mine in zip(table.classes, rows, strict=True)
        ],
        _of_class('all', table, every, owners, measures, touching, with_good=True),
    )


def _measures(table: AuditTable, owners: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[Any]]:
    extent = (table.boxes[:, 2:].astype(np.float64)) - table.boxes[:, :2]
    area = extent.prod(axis=1)
    pixels = table.sizes.astype(np.float64).prod(axis=1)[owners]
    return {
        'width': extent[:, 0],
        'height': extent[:, 1],
        'side': np.sqrt(area),
        'ratio': extent[:, 0] / extent[:, 1],
        'share': area / pixels,
    }


def _of_class(
    name: str,
    table: AuditTable,
    rows: npt.NDArray[np.int64],
    owners: npt.NDArray[np.int64],
    measures: dict[str, npt.NDArray[Any]],
    touching: npt.NDArray[np.bool_],
    with_good: bool = False,
) -> ClassStatistics:
    splits = len(table.splits)
    per_image = np.bincount(owners[rows], minlength=len(table))
    with_box = np.bincount(table.split_of[per_image > 0], minlength=splits)
    quantiles = {}
    if len(rows):
        columns = {key: values[rows] for key, values in measures.items()}
        columns['per_image'] = per_image if with_good else per_image[per_image > 0]
        quantiles = {
            key: [float(f'{value:.6g}') for value in np.quantile(values, QUANTILES)]
            for key, values in columns.items()
        }
    return ClassStatistics(
        name,
        np.bincount(table.split_of[owners[rows]], minlength=splits).tolist(),
        with_box.tolist(),
        int(touching[rows].sum()),
        int((measures['share'][rows] >= _HALF).sum()),
        quantiles,
    )
