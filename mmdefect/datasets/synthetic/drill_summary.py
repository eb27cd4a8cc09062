"""Counts and shapes of a written drill data set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmdefect.datasets.synthetic.drill_plan import CLASSES

__all__ = ['ClassShapes', 'DrillSummary', 'SplitCounts', 'summarise']


@dataclass(frozen=True)
class SplitCounts:
    """Counts of one split.

    Args:
        parts (int): Parts.
        good_parts (int): Parts without a defect.
        images (int): Views, eight per part.
        empty_images (int): Views without a box, those of good parts included.
        defects (int): Defects, each counted once.
        boxes (int): Boxes over all views.
        truncated_boxes (int): Boxes of defects that the view cuts.

    Example:
        >>> SplitCounts(1, 1, 8, 8, 0, 0, 0).good_parts
        1
    """

    parts: int
    good_parts: int
    images: int
    empty_images: int
    defects: int
    boxes: int
    truncated_boxes: int


@dataclass(frozen=True)
class ClassShapes:
    """Shapes of one class over all splits. Ratios are width / height.

    Args:
        defects (int): Defects.
        boxes (int): Boxes over all views.
        radial_quartiles (tuple[float, float, float] | None): Lower quartile, median and upper
            quartile of the masks' tight boxes in each defect's own radial frame; None without
            defects.
        view_quartiles (tuple[float, float, float] | None): The same of the boxes in the views.

    Example:
        >>> ClassShapes(0, 0, None, None).boxes
        0
    """

    defects: int
    boxes: int
    radial_quartiles: tuple[float, float, float] | None
    view_quartiles: tuple[float, float, float] | None


@dataclass(frozen=True)
class DrillSummary:
    """What :func:`write_drill` wrote or found.

    ``str(summary)`` is a plain table.

    Args:
        out (Path): Folder of the data set.
        level (str): Level of difficulty.
        seed (int): Seed.
        kept (bool): Whether the folder already held exactly this data set and was left alone.
        splits (dict[str, SplitCounts]): Counts per split; those of ``unlabeled`` come from its
            hidden truth.
        classes (dict[str, ClassShapes]): Shapes per class.
        bit_depth (int): Bits of the images: 8 in colour, more in grey. Default 8.

    Example:
        >>> DrillSummary(Path('drill'), 'easy', 0, False, {}, {}).good_share
        0.0
    """

    out: Path
    level: str
    seed: int
    kept: bool
    splits: dict[str, SplitCounts]
    classes: dict[str, ClassShapes]
    bit_depth: int = 8

    @property
    def good_share(self) -> float:
        """Share of good parts over all splits, in [0, 1]; 0 without parts."""
        parts = sum(split.parts for split in self.splits.values())
        return sum(split.good_parts for split in self.splits.values()) / parts if parts else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Give the summary as JSON-serialisable values.

        Returns:
            dict[str, Any]: The fields plus ``good_share``.
        """
        return {**asdict(self), 'out': str(self.out), 'good_share': self.good_share}

    def __str__(self) -> str:
        """Lay the summary out as plain tables."""
        state = 'already complete, kept' if self.kept else 'written'
        kind = '' if self.bit_depth == 8 else f'{self.bit_depth}-bit grey, '
        lines = [
            f'{self.out}: drill data, {kind}level {self.level}, seed {self.seed}, {state}; '
            f'{self.good_share:.0%} of the parts are good',
            '',
            f'{"split":<12}{"parts":>7}{"good":>7}{"views":>7}{"empty":>7}{"defects":>9}'
            f'{"boxes":>7}{"cut":>6}',
        ]
        for name, split in self.splits.items():
            lines.append(
                f'{name:<12}{split.parts:>7}{split.good_parts:>7}{split.images:>7}'
                f'{split.empty_images:>7}{split.defects:>9}{split.boxes:>7}'
                f'{split.truncated_boxes:>6}'
            )
        lines += [
            '',
            'width / height of the boxes: lower quartile, median, upper quartile',
            f'{"class":<12}{"defects":>8}{"boxes":>7}   {"radial frame":<20}views',
        ]
        for name, shape in self.classes.items():
            lines.append(
                f'{name:<12}{shape.defects:>8}{shape.boxes:>7}   '
                f'{_show(shape.radial_quartiles):<20}{_show(shape.view_quartiles)}'
            )
        return '\n'.join(lines)


def summarise(
    out: Path,
    level: str,
    seed: int,
    kept: bool,
    documents: Mapping[str, dict[str, Any]],
    bit_depth: int = 8,
) -> DrillSummary:
    """Count a data set's annotations.

    Args:
        out (Path): Folder of the data set.
        level (str): Level of difficulty.
        seed (int): Seed.
        kept (bool): Whether the data set was found complete.
        documents (Mapping[str, dict[str, Any]]): COCO document per split, with annotations.
        bit_depth (int): Bits of the images. Default 8.

    Returns:
        DrillSummary: Counts per split, shapes per class.

    Example:
        >>> documents = {'val': {'images': [], 'annotations': []}}
        >>> summarise(Path('drill'), 'easy', 0, False, documents).splits['val'].parts
        0
    """
    splits = {name: _count(document) for name, document in documents.items()}
    classes = {}
    for category_id, name in enumerate(CLASSES, start=1):
        boxes = [
            annotation
            for document in documents.values()
            for annotation in document['annotations']
            if annotation['category_id'] == category_id
        ]
        defects = {box['defect_id']: box['radial_size'] for box in boxes}
        classes[name] = ClassShapes(
            defects=len(defects),
            boxes=len(boxes),
            radial_quartiles=_quartiles(size[0] / size[1] for size in defects.values()),
            view_quartiles=_quartiles(box['bbox'][2] / box['bbox'][3] for box in boxes),
        )
    return DrillSummary(out, level, seed, kept, splits, classes, bit_depth)


def _count(document: dict[str, Any]) -> SplitCounts:
    part_of = {image['id']: image['part_id'] for image in document['images']}
    boxes = document['annotations']
    marked = {box['image_id'] for box in boxes}
    parts = set(part_of.values())
    return SplitCounts(
        parts=len(parts),
        good_parts=len(parts - {part_of[image_id] for image_id in marked}),
        images=len(part_of),
        empty_images=len(part_of) - len(marked),
        defects=len({box['defect_id'] for box in boxes}),
        boxes=len(boxes),
        truncated_boxes=sum(box['truncated'] for box in boxes),
    )


def _quartiles(ratios: Iterable[float]) -> tuple[float, float, float] | None:
    values = list(ratios)
    if not values:
        return None
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return float(low), float(middle), float(high)


def _show(quartiles: tuple[float, float, float] | None) -> str:
    return '-' if quartiles is None else ' / '.join(f'{value:.2f}' for value in quartiles)
