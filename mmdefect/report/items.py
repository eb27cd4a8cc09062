"""Every missed defect and every wrong detection as one item, worst first."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from mmdefect.evaluation.error_types import BACKGROUND_IOU, ERROR_TYPES
from mmdefect.evaluation.image_errors import ImageErrors, describe_errors
from mmdefect.evaluation.image_result import ImageResult
from mmdefect.evaluation.score_table import SCORE_DECIMALS, reaches

__all__ = ['Item', 'choose_items', 'find_items']

T = TypeVar('T')
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Item:
    """One missed box or one wrong detection.

    Args:
        image (int): Position in the evaluated images, from 0.
        kind (str): ``'missed'``, or the error of the detection as in ``ERROR_TYPES``.
        label (int): Class index of the missed box or of the detection.
        box (Box): ``(x1, y1, x2, y2)`` in pixels.
        score (float | None): Score of the detection; of a missed box the lower score at which it
            is found, None when it is found at none.
        iou (float): Highest IoU of the detection with any box, or of the missed box with any
            detection that counts; 0 to 1.
        near (Box | None): What it overlaps most: ground truth under a detection, the detection
            over a missed box; None when the IoU is below 0.1.
        near_label (int | None): Class index of that.
        near_score (float | None): Score of that, when it is a detection.
        threshold (float | None): Score from which a detection of the class counts. Default None.
        tile (int | None): The tile that shows the box best, from 0; -1 where no tile does. Default
            None, as below, for a model that does not tile.
        margin (float | None): Least distance of the box to the borders of this tile in pixels,
            below 0 where every tile cuts it, infinite where the image is one tile.

    Example:
        >>> Item(0, 'missed', 1, (0, 0, 4, 4), None, 0.0).near is None
        True
    """

    image: int
    kind: str
    label: int
    box: Box
    score: float | None
    iou: float
    near: Box | None = None
    near_label: int | None = None
    near_score: float | None = None
    threshold: float | None = None
    tile: int | None = None
    margin: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The item as the page takes it.

        Returns:
            dict[str, Any]: JSON-ready; coordinates to a tenth of a pixel.
        """
        return {
            'kind': self.kind,
            'label': self.label,
            'box': [round(value, 1) for value in self.box],
            'score': self.score,
            'iou': round(self.iou, 3),
            'near': self.near and [round(value, 1) for value in self.near],
            'other': self.near_label,
            'nearScore': self.near_score,
            'threshold': self.threshold,
            'tile': self.tile,
            'margin': _finite(self.margin),
        }


def find_items(images: Sequence[ImageResult], threshold: float | Sequence[float]) -> list[Item]:
    """List what is missed and what is wrong when detections count from a threshold on.

    Missed boxes come first: those found at no score lead, larger before smaller; then those
    found at a lower score, the lowest first. Wrong detections follow, the highest score first.

    Args:
        images (Sequence[ImageResult]): All images.
        threshold (float | Sequence[float]): Score from which a detection counts, 0 to 1; one for
            all classes, or one for each.

    Returns:
        list[Item]: As many as boxes are missed and detections are wrong.

    Example:
        >>> box, label = np.array([[0., 0., 9., 9.]]), np.array([0])
        >>> image = ImageResult('a.png', 20, 20, box, label, np.array([False]), box + 9, label,
        ...                     np.array([.9]))
        >>> [item.kind for item in find_items([image], 0.5)]
        ['missed', 'background']
    """
    limits = np.asarray(threshold, np.float64)
    counted = [
        _only(image, reaches(image.scores, limits[image.labels] if limits.ndim else limits))
        for image in images
    ]
    # What is left counts, at whatever score.
    everywhere, at_score = describe_errors(images, 0), describe_errors(counted, 0)
    missed, wrong = [], []
    for index, image in enumerate(images):
        missed += _missed(index, image, everywhere[index], counted[index], at_score[index])
        wrong += _wrong(index, counted[index], at_score[index])
    missed, wrong = (
        [
            replace(item, threshold=float(limits[item.label] if limits.ndim else limits))
            for item in items
        ]
        for items in (missed, wrong)
    )
    # Python's sort keeps the order of images and boxes among equals.
    missed.sort(key=lambda item: (item.score or 0.0, 0.0 if item.score else -_area(item)))
    wrong.sort(key=lambda item: -(item.score or 0.0))
    return missed + wrong


def _only(image: ImageResult, kept: np.ndarray) -> ImageResult:
    return replace(
        image, boxes=image.boxes[kept], labels=image.labels[kept], scores=image.scores[kept]
    )


def _missed(
    index: int, image: ImageResult, all_scores: ImageErrors, counted: ImageResult, at: ImageErrors
) -> list[Item]:
    finder = np.full(len(image.gt_boxes), np.nan)
    hits = all_scores.matches >= 0
    finder[all_scores.matches[hits]] = image.scores[hits]
    items = []
    for row in np.flatnonzero(~at.found & ~image.gt_ignored):
        item = Item(
            image=index,
            kind='missed',
            label=int(image.gt_labels[row]),
            box=_box(image.gt_boxes[row]),
            score=None if np.isnan(finder[row]) else _score(finder[row]),
            iou=float(at.truth_iou[row]),
        )
        if item.iou >= BACKGROUND_IOU:
            near = int(at.nearest_detection[row])
            item = replace(
                item,
                near=_box(counted.boxes[near]),
                near_label=int(counted.labels[near]),
                near_score=_score(counted.scores[near]),
            )
        items.append(item)
    return items


def _wrong(index: int, image: ImageResult, at: ImageErrors) -> list[Item]:
    items = []
    for row in np.flatnonzero(at.errors >= 0):
        item = Item(
            image=index,
            kind=ERROR_TYPES[at.errors[row]],
            label=int(image.labels[row]),
            box=_box(image.boxes[row]),
            score=_score(image.scores[row]),
            iou=float(at.iou[row]),
        )
        if item.iou >= BACKGROUND_IOU:
            near = int(at.nearest_truth[row])
            item = replace(
                item, near=_box(image.gt_boxes[near]), near_label=int(image.gt_labels[near])
            )
        items.append(item)
    return items


def choose_items(items: Sequence[T], limit: int, is_first: Callable[[T], bool]) -> list[T]:
    """Keep the first ones of two kinds of items, half of the places for each kind.

    A kind that has too few leaves its places to the other.

    Args:
        items (Sequence[T]): Items, worst first.
        limit (int): Items at most, 0 or more.
        is_first (Callable[[T], bool]): Whether an item is of the first kind, which gets the odd
            place.

    Returns:
        list[T]: At most ``limit`` items in the same order.

    Raises:
        ValueError: ``limit`` is negative.

    Example:
        >>> choose_items([1, 3, 5, 6, 8], 3, lambda item: item % 2 == 1)
        [1, 3, 6]
    """
    if limit < 0:
        raise ValueError(f'limit must be 0 or more, got {limit}')
    kinds = [is_first(item) for item in items]
    first = [place for place, kind in enumerate(kinds) if kind]
    second = [place for place, kind in enumerate(kinds) if not kind]
    share = min(len(first), max(limit - limit // 2, limit - len(second)))
    return [items[place] for place in sorted([*first[:share], *second[: limit - share]])]


def _area(item: Item) -> float:
    return (item.box[2] - item.box[0]) * (item.box[3] - item.box[1])


def _box(row: np.ndarray) -> Box:
    x1, y1, x2, y2 = (float(value) for value in row)
    return x1, y1, x2, y2


def _finite(value: float | None) -> float | None:
    return round(value, 1) if value is not None and math.isfinite(value) else None


def _score(value: float) -> float:
    return round(float(value), SCORE_DECIMALS)
