"""A set of anchors against boxes: what it covers, by class and level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mmdefect.engine.anchors.head_anchors import HeadAnchors
from mmdefect.engine.anchors.training_boxes import TrainingBoxes
from mmdefect.evaluation.anchors import AnchorSet, Coverage, best_grid_iou, best_shape_iou

__all__ = ['AnchorsSeen', 'ClassCoverage', 'see_anchors', 'unreached_boxes']

# Unreached boxes that are listed, worst first.
_LISTED = 1000


@dataclass(frozen=True, slots=True)
class ClassCoverage:
    """Coverage of the boxes of a class.

    Args:
        name (str): The class.
        shape (Coverage): With the anchors centred on each box.
        grid (Coverage): With the anchors where they are.

    Example:
        >>> ClassCoverage('rust', Coverage.of([.8], .5), Coverage.of([.6], .5)).grid.at_70
        0.0
    """

    name: str
    shape: Coverage
    grid: Coverage


@dataclass(frozen=True, slots=True)
class AnchorsSeen:
    """A set of anchors against the boxes.

    Args:
        per_location (list[int]): Anchors per place of each level.
        per_image (int): Anchors of an input of median size.
        total (ClassCoverage): Coverage of all boxes.
        classes (list[ClassCoverage]): Coverage of each class.
        levels (list[float]): Share of the boxes that each level covers best.
        unreached (int): Boxes with which every anchor stays below both thresholds.

    Example:
        >>> total = ClassCoverage('all', Coverage.of([.8], .5), Coverage.of([.6], .5))
        >>> AnchorsSeen([9], 900, total, [], [1.0], 0).per_image
        900
    """

    per_location: list[int]
    per_image: int
    total: ClassCoverage
    classes: list[ClassCoverage]
    levels: list[float]
    unreached: int


def see_anchors(
    anchors: AnchorSet, boxes: TrainingBoxes, found: HeadAnchors
) -> tuple[AnchorsSeen, npt.NDArray[np.float32]]:
    """Measure what anchors cover of the boxes.

    Args:
        anchors (AnchorSet): The anchors.
        boxes (TrainingBoxes): The boxes.
        found (HeadAnchors): Thresholds and border of the head that the anchors are for.

    Returns:
        tuple[AnchorsSeen, np.ndarray]: Coverage, and the best IoU of each box on the real grid,
        float32, shape (N,).

    Example:
        >>> from mmengine.config import Config
        >>> from mmdefect.engine.anchors.head_anchors import read_head_anchors
        >>> from mmdefect.evaluation.anchors import PlacedBoxes
        >>> generator = dict(type='AnchorGenerator', strides=[16], ratios=[1.], scales=[2])
        >>> head = dict(type='RetinaHead', anchor_generator=generator)
        >>> found = read_head_anchors(Config(dict(model=dict(bbox_head=head))), 'c.py')
        >>> size, row = np.array([[64, 64]]), np.zeros(1, np.int64)
        >>> box = np.array([[16, 16, 48, 48]], np.float32)
        >>> placed = PlacedBoxes(box, row, size, size)
        >>> boxes = TrainingBoxes(placed, (64, 64), box, row, ['rust'], [], [])
        >>> seen, best = see_anchors(found.anchors, boxes, found)
        >>> seen.per_image, seen.levels, best.tolist()
        (16, [1.0], [1.0])
    """
    placed = boxes.placed
    shape = best_shape_iou(placed.extents, anchors)
    grid, which = best_grid_iou(placed, anchors, found.allowed_border)

    def of(name: str, rows: Any) -> ClassCoverage:
        parts = (Coverage.of(best[rows], found.positive) for best in (shape, grid))
        return ClassCoverage(name, *parts)

    levels = np.bincount(anchors.levels[which], minlength=len(anchors.strides)) / len(placed)
    seen = AnchorsSeen(
        per_location=anchors.per_location,
        per_image=anchors.count(boxes.input_size),
        total=of('all', slice(None)),
        classes=[of(name, boxes.labels == label) for label, name in enumerate(boxes.classes)],
        levels=levels.tolist(),
        unreached=int((grid < np.float32(min(found.positive, found.negative))).sum()),
    )
    return seen, grid


def unreached_boxes(
    best: npt.NDArray[np.float32], boxes: TrainingBoxes, reach: float
) -> list[dict[str, Any]]:
    """List boxes that no anchor reaches.

    Args:
        best (np.ndarray): Best IoU of each box, float32, shape (N,).
        boxes (TrainingBoxes): The boxes.
        reach (float): IoU that an anchor must have.

    Returns:
        list[dict]: ``file``, ``class``, ``box`` (``xyxy`` in the file, pixels) and ``iou``, worst
        first, 1,000 at most.

    Example:
        >>> from pathlib import Path
        >>> from mmdefect.evaluation.anchors import PlacedBoxes
        >>> size, row = np.array([[64, 64]]), np.zeros(1, np.int64)
        >>> box = np.array([[1, 2, 3, 4]], np.float32)
        >>> placed = PlacedBoxes(box, row, size, size)
        >>> boxes = TrainingBoxes(placed, (64, 64), box, row, ['rust'], [Path('a.png')], [])
        >>> unreached_boxes(np.array([0.25], np.float32), boxes, 0.4)
        [{'file': 'a.png', 'class': 'rust', 'box': [1.0, 2.0, 3.0, 4.0], 'iou': 0.25}]
    """
    rows = np.flatnonzero(best < np.float32(reach))
    rows = rows[np.argsort(best[rows], kind='stable')][:_LISTED]
    return [
        {
            'file': str(boxes.paths[boxes.placed.owners[row]]),
            'class': boxes.classes[boxes.labels[row]],
            'box': [round(value, 2) for value in boxes.original[row].tolist()],
            'iou': round(float(best[row]), 4),
        }
        for row in rows.tolist()
    ]
