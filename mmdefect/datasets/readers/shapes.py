"""Drawn shapes to upright boxes, and the boxes of one image to its record."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mmdefect.datasets.readers.base import BaseReader
from mmdefect.structures import ImageRecord

__all__ = ['Box', 'Shape', 'box_around', 'ellipse_box', 'image_name', 'shapes_record', 'turned_box']

Box = tuple[float, float, float, float]
_NOWHERE = (math.nan, math.nan, math.nan, math.nan)


@dataclass(frozen=True, slots=True)
class Shape:
    """One annotated shape.

    Args:
        label (str): Class name.
        box (Box): ``xyxy`` in pixels around it; NaN where its numbers make no sense.
        box_id (Any): What messages call it.
        extra (dict[str, Any]): Further keys, for ``box_extra``. Default empty.

    Example:
        >>> Shape('rust', (1, 2, 3, 4), 1).label
        'rust'
    """

    label: str
    box: Box
    box_id: Any
    extra: dict[str, Any] = field(default_factory=dict)


def box_around(points: Iterable[tuple[float, float]]) -> Box:
    """The box around points.

    Args:
        points (Iterable[tuple[float, float]]): ``(x, y)`` in pixels, at least one.

    Returns:
        Box: ``xyxy``; NaN when a coordinate is not finite.

    Example:
        >>> box_around([(3, 1), (2, 5)])
        (2, 1, 3, 5)
    """
    xs, ys = zip(*points, strict=True)
    if not all(map(math.isfinite, (*xs, *ys))):
        return _NOWHERE
    return min(xs), min(ys), max(xs), max(ys)


def turned_box(box: Box, degrees: float, pivot: tuple[float, float]) -> Box:
    """The upright box around a box that is turned about a point.

    Args:
        box (Box): ``xyxy`` in pixels, before turning.
        degrees (float): Angle, clockwise as seen on the screen (y points down).
        pivot (tuple[float, float]): ``(x, y)`` of the point that stays, pixels.

    Returns:
        Box: ``xyxy``; the box as it is when ``degrees`` is 0 or it has no area, NaN when a
        number is not finite.

    Example:
        >>> [round(value, 6) for value in turned_box((0, 0, 4, 2), 90, (0, 0))]
        [-2.0, 0.0, 0.0, 4.0]
    """
    x1, y1, x2, y2 = box
    if degrees == 0 or x2 <= x1 or y2 <= y1:
        return box
    if not all(map(math.isfinite, (*box, degrees, *pivot))):
        return _NOWHERE
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    offsets = [(x - pivot[0], y - pivot[1]) for x in (x1, x2) for y in (y1, y2)]
    return box_around(
        (pivot[0] + x * cosine - y * sine, pivot[1] + x * sine + y * cosine) for x, y in offsets
    )


def ellipse_box(centre: tuple[float, float], radii: tuple[float, float], degrees: float = 0) -> Box:
    """The upright box around an ellipse that is turned about its centre.

    Args:
        centre (tuple[float, float]): ``(x, y)``, pixels.
        radii (tuple[float, float]): Along x and y before turning, pixels.
        degrees (float): Angle. Default 0.

    Returns:
        Box: ``xyxy``; without area when a radius is 0 or less, NaN when a number is not finite.

    Example:
        >>> ellipse_box((5, 5), (3, 2))
        (2.0, 3.0, 8.0, 7.0)
    """
    if not all(map(math.isfinite, (*centre, *radii, degrees))):
        return _NOWHERE
    if min(radii) <= 0:
        return (*centre, *centre)
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    half_w = math.hypot(radii[0] * cosine, radii[1] * sine)
    half_h = math.hypot(radii[0] * sine, radii[1] * cosine)
    return centre[0] - half_w, centre[1] - half_h, centre[0] + half_w, centre[1] + half_h


def image_name(path: Path, folder: Path) -> str:
    """What identifies an image within a data set: its path below the image folder.

    Args:
        path (Path): The image.
        folder (Path): The image folder.

    Returns:
        str: With forward slashes; the whole path when the image lies elsewhere.

    Example:
        >>> image_name(Path('steel/rust/a.png'), Path('steel'))
        'rust/a.png'
    """
    return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()


def shapes_record(
    reader: BaseReader,
    where: str,
    path: Path,
    image_id: int | str,
    size: tuple[int, int],
    shapes: Sequence[Shape],
    extra: dict[str, Any] | None = None,
) -> ImageRecord:
    """Make the record of one image, without the shapes whose boxes are bad.

    Args:
        reader (BaseReader): Takes the problems.
        where (str): The image in its annotation file, for messages.
        path (Path): The image file.
        image_id (int | str): Unique within the reader.
        size (tuple[int, int]): ``(w, h)`` in pixels.
        shapes (Sequence[Shape]): Its shapes.
        extra (dict[str, Any] | None): Further keys of the image. Default None.

    Returns:
        ImageRecord: The record.

    Raises:
        InputError: A box is bad and the reader raises.

    Example:
        >>> from mmdefect.datasets.readers import COCOReader
        >>> reader = COCOReader('train.json', on_error='drop')
        >>> shapes = [Shape('rust', (1, 2, 3, 4), 1), Shape('rust', (1, 2, 1, 4), 2)]
        >>> record = shapes_record(reader, 'a.json', Path('a.png'), 'a.png', (8, 6), shapes)
        >>> len(record), str(reader.problems[0])
        (1, 'a.json, annotation 2: box has width 0 and height 2, both must be positive')
    """
    with np.errstate(over='ignore'):
        boxes = np.array([shape.box for shape in shapes], np.float32).reshape(-1, 4)
    good = reader.good_boxes(boxes, where, tuple(shape.box_id for shape in shapes))
    kept = [shape for shape, keep in zip(shapes, good, strict=True) if keep]
    extras = tuple(shape.extra for shape in kept)
    return ImageRecord(
        path=path,
        image_id=image_id,
        width=size[0],
        height=size[1],
        boxes=boxes[good],
        labels=tuple(shape.label for shape in kept),
        ignored=np.zeros(len(kept), bool),
        box_ids=tuple(shape.box_id for shape in kept),
        extra=extra or {},
        box_extra=extras if any(extras) else (),
    )
