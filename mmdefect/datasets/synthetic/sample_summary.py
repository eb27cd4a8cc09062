"""Counts and sizes of written sample data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmdefect.datasets.synthetic.sample_folder import SampleFolder

__all__ = ['ClassSizes', 'SampleCounts', 'SampleSummary', 'summarise_samples']


@dataclass(frozen=True)
class SampleCounts:
    """Counts of one split.

    Args:
        parts (int): Parts.
        images (int): Images.
        good (int): Images without a box.
        boxes (int): Boxes.
        most (int): Most boxes of an image.

    Example:
        >>> SampleCounts(1, 2, 1, 3, 3).good
        1
    """

    parts: int
    images: int
    good: int
    boxes: int
    most: int


@dataclass(frozen=True)
class ClassSizes:
    """Boxes of one class over all splits.

    Args:
        boxes (int): Boxes.
        sides (tuple[float, float, float] | None): Square root of the area, pixels: lower
            quartile, median and upper quartile; None without boxes.
        ratios (tuple[float, float, float] | None): Width / height likewise.

    Example:
        >>> ClassSizes(0, None, None).boxes
        0
    """

    boxes: int
    sides: tuple[float, float, float] | None
    ratios: tuple[float, float, float] | None


@dataclass(frozen=True)
class SampleSummary:
    """What a data set holds.

    Args:
        out (Path): Folder of the data set.
        kind (str): Kind of data.
        level (str): Level of difficulty.
        seed (int): Seed.
        kept (bool): Whether the data set was found complete and left alone.
        splits (dict[str, SampleCounts]): Counts per split.
        classes (dict[str, ClassSizes]): Sizes per class.

    Example:
        >>> SampleSummary(Path('shelf'), 'shelf', 'easy', 0, False, {}, {}).defective_share
        0.0
    """

    out: Path
    kind: str
    level: str
    seed: int
    kept: bool
    splits: dict[str, SampleCounts]
    classes: dict[str, ClassSizes]

    @property
    def defective_share(self) -> float:
        """Share of images with a box over all splits, in [0, 1]; 0 without images."""
        images = sum(split.images for split in self.splits.values())
        good = sum(split.good for split in self.splits.values())
        return (images - good) / images if images else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Give the summary as JSON-serialisable values.

        Returns:
            dict[str, Any]: The fields plus ``defective_share``.
        """
        return {**asdict(self), 'out': str(self.out), 'defective_share': self.defective_share}

    def __str__(self) -> str:
        """Lay the summary out as plain tables."""
        state = 'already complete, kept' if self.kept else 'written'
        lines = [
            f'{self.out}: {self.kind} data, level {self.level}, seed {self.seed}, {state}; '
            f'{self.defective_share:.0%} of the images have boxes',
            '',
            f'{"split":<12}{"parts":>7}{"images":>8}{"good":>7}{"boxes":>8}{"most":>7}',
        ]
        for name, split in self.splits.items():
            lines.append(
                f'{name:<12}{split.parts:>7}{split.images:>8}{split.good:>7}{split.boxes:>8}'
                f'{split.most:>7}'
            )
        lines += [
            '',
            'lower quartile, median, upper quartile of the boxes',
            f'{"class":<12}{"boxes":>7}   {"side, px":<20}width / height',
        ]
        for name, sizes in self.classes.items():
            lines.append(
                f'{name:<12}{sizes.boxes:>7}   {_show(sizes.sides, 0):<20}{_show(sizes.ratios, 2)}'
            )
        return '\n'.join(lines)


def summarise_samples(
    folder: SampleFolder,
    level: str,
    seed: int,
    kept: bool,
    documents: Mapping[str, dict[str, Any]],
) -> SampleSummary:
    """Count a data set's annotations.

    Args:
        folder (SampleFolder): Folder of the data set.
        level (str): Level of difficulty.
        seed (int): Seed.
        kept (bool): Whether the data set was found complete.
        documents (Mapping[str, dict[str, Any]]): COCO content per split.

    Returns:
        SampleSummary: Counts per split, sizes per class.

    Example:
        >>> folder = SampleFolder(Path('x'), 'shelf', ('val',), '')
        >>> document = {'images': [], 'annotations': [], 'categories': []}
        >>> summarise_samples(folder, 'easy', 0, False, {'val': document}).splits['val'].images
        0
    """
    names = {
        category['id']: category['name']
        for document in documents.values()
        for category in document['categories']
    }
    boxes: dict[str, list[list[float]]] = {name: [] for name in names.values()}
    for document in documents.values():
        for annotation in document['annotations']:
            boxes[names[annotation['category_id']]].append(annotation['bbox'][2:])
    return SampleSummary(
        out=folder.out,
        kind=folder.kind,
        level=level,
        seed=seed,
        kept=kept,
        splits={name: _count(documents[name]) for name in folder.documents},
        classes={name: _sizes(sides) for name, sides in boxes.items()},
    )


def _count(document: dict[str, Any]) -> SampleCounts:
    owners = [annotation['image_id'] for annotation in document['annotations']]
    per_image = np.bincount(owners, minlength=len(document['images']) + 1)[1:]
    return SampleCounts(
        parts=len({image['part_id'] for image in document['images']}),
        images=len(document['images']),
        good=int((per_image == 0).sum()),
        boxes=len(owners),
        most=int(per_image.max(initial=0)),
    )


def _sizes(sides: list[list[float]]) -> ClassSizes:
    if not sides:
        return ClassSizes(0, None, None)
    width, height = np.array(sides, np.float64).T
    return ClassSizes(len(sides), _quartiles(np.sqrt(width * height)), _quartiles(width / height))


def _quartiles(values: Any) -> tuple[float, float, float]:
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75]).tolist()
    return low, middle, high


def _show(quartiles: tuple[float, float, float] | None, digits: int) -> str:
    return '-' if quartiles is None else ' / '.join(f'{value:.{digits}f}' for value in quartiles)
