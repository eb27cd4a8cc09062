"""What an inspection of whole parts finds: views merged, defects counted once."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mmdefect.errors import InputError
from mmdefect.evaluation.analysis import Analysis, analyse_boxes
from mmdefect.evaluation.flat_boxes import FlatBoxes, flatten_images
from mmdefect.evaluation.image_result import ImageResult
from mmdefect.evaluation.matching import collect_overlaps
from mmdefect.evaluation.view_result import ViewResult
from mmdefect.geometry import (
    MergedBoxes,
    box_quadrilaterals,
    group_views,
    hull_boxes,
    intersection_areas,
    invert_homography,
    merge_views,
    polygon_areas,
    project_points,
    quadrilateral_ious,
    shares_inside,
)

__all__ = ['analyse_parts']


@dataclass(frozen=True, slots=True)
class _Part:
    """A part with K boxes of ground truth that show D defects, and M merged detections.

    A plane is where boxes can overlap: the part for registered views, the view for free ones.
    """

    name: str
    registered: bool
    places: npt.NDArray[np.float64]
    planes: npt.NDArray[np.int64]
    defects: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    ignored: npt.NDArray[np.bool_]
    found: MergedBoxes
    found_planes: npt.NDArray[np.int64]


def analyse_parts(
    views: Sequence[ViewResult],
    classes: int,
    max_dets: int,
    inside: float = 0.75,
    min_overlap: float = 0.5,
    **merging: Any,
) -> Analysis:
    """Measure parts as :func:`mmdefect.evaluation.analysis.analyse_images` measures images.

    Detections of registered views are merged in part coordinates
    (:func:`mmdefect.geometry.merge_views`). Boxes of ground truth with the same ``defect_id`` and
    class are one defect; those without are grouped by overlap
    (:func:`mmdefect.geometry.group_views`). The IoU of a detection and a defect is the largest one
    with any of the defect's boxes, as quadrilaterals: with the box of the view that the detection
    comes from it is that of the pixels, as affine maps keep it.

    Free views are not merged: the planes of different views have nothing in common. Of several
    detections of one defect the best one finds it, and the others do not count.

    Args:
        views (Sequence[ViewResult]): Inspect views of all parts, in any order.
        classes (int): Number of classes C.
        max_dets (int): Best-scored detections counted per part and class, after merging.
        inside (float): Lowest share of a place that an image must contain to show it, above 0, at
            most 1. Default 0.75.
        min_overlap (float): Overlap from which boxes of two views are the same, above 0, at most
            1. Default 0.5.
        **merging (Any): ``method`` and more of :func:`mmdefect.geometry.merge_views`.

    Returns:
        Analysis: The numbers, with parts for images and defects for boxes.

    Raises:
        InputError: Some views of a part are registered and others are not.
        ValueError: A label is not below ``classes``.

    Example:
        >>> analyse_parts([], 2, 100).images
        0
    """
    by_part: dict[Hashable, list[ViewResult]] = {}
    for view in views:
        by_part.setdefault(view.part_id, []).append(view)
    parts = [_merge(part, inside, min_overlap, merging) for part in by_part.values()]
    boxes = flatten_images([_as_image(part) for part in parts], max_dets)
    overlaps = collect_overlaps(boxes, _portions(parts, boxes))
    free = ~np.array([part.registered for part in parts], bool)[boxes.image]
    again = np.where(free, overlaps.own_iou, 0)
    overlaps = replace(overlaps, ignored_share=np.maximum(overlaps.ignored_share, again))
    return analyse_boxes(boxes, overlaps, classes)


def _merge(
    views: list[ViewResult], inside: float, min_overlap: float, merging: dict[str, Any]
) -> _Part:
    views = sorted(views, key=lambda view: view.view_id)
    registered = _is_registered(views)
    places, planes = _on_part(views, [view.image.gt_boxes for view in views])
    labels = np.concatenate([view.image.gt_labels for view in views]).astype(np.int64)
    ignored = np.concatenate([view.image.gt_ignored for view in views]).astype(bool)
    defects = _number_defects(views, places, planes, labels, registered, min_overlap)
    count = int(defects.max(initial=-1)) + 1
    first = np.unique(defects, return_index=True)[1]
    # A defect counts if one of its boxes does.
    counts = np.bincount(defects, ~ignored, count) > 0
    found_places, found_views = _on_part(views, [view.image.boxes for view in views])
    scores = np.concatenate([view.image.scores for view in views])
    found_labels = np.concatenate([view.image.labels for view in views]).astype(np.int64)
    if registered:
        shown = np.ones(len(scores), np.int64)
        for index, view in enumerate(views):
            there = project_points(found_places, invert_homography(view.to_part))
            share = shares_inside(there, view.image.width, view.image.height)
            shown += (share >= inside) & (found_views != index)
        found = merge_views(
            found_places, scores, found_labels, found_views, min_overlap=min_overlap, shown=shown,
            **merging,
        )  # fmt: skip
    else:
        order = np.argsort(-scores, kind='stable')
        found = MergedBoxes(
            found_places[order], scores[order], found_labels[order], order, np.argsort(order)
        )
    return _Part(
        name=str(views[0].part_id),
        registered=registered,
        places=places,
        planes=np.zeros_like(planes) if registered else planes,
        defects=defects,
        labels=labels[first],
        ignored=~counts,
        found=found,
        found_planes=(np.zeros_like(found_views) if registered else found_views)[found.leaders],
    )


def _is_registered(views: list[ViewResult]) -> bool:
    free = [view for view in views if view.to_part is None]
    if free and len(free) < len(views):
        raise InputError(
            f'{free[0].image.path}: part_homography is absent, but other views of part '
            f'{free[0].part_id!r} have one; give it to all views or to none'
        )
    return not free


def _on_part(
    views: list[ViewResult], boxes: list[npt.NDArray[Any]]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Quadrilaterals of the boxes of all views, and the place of each one's view in the list."""
    places = [
        project_points(box_quadrilaterals(box), np.eye(3) if view.to_part is None else view.to_part)
        for view, box in zip(views, boxes, strict=True)
    ]
    return np.concatenate(places), np.repeat(np.arange(len(views)), [len(box) for box in boxes])


def _number_defects(
    views: list[ViewResult],
    places: npt.NDArray[np.float64],
    planes: npt.NDArray[np.int64],
    labels: npt.NDArray[np.int64],
    registered: bool,
    min_overlap: float,
) -> npt.NDArray[np.int64]:
    """Defect that each box shows, from 0, shape (K,)."""
    names = [name for view in views for name in view.defect_ids]
    groups = np.arange(len(names))
    if registered:
        unnamed = np.array([name is None for name in names], bool)
        groups[unnamed] = group_views(
            places[unnamed], planes[unnamed], labels[unnamed], min_overlap
        )
    keys: list[tuple[Hashable, ...]] = [
        ('by id', name, label) if name is not None else ('by place', group)
        for name, label, group in zip(names, labels.tolist(), groups.tolist(), strict=True)
    ]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return np.array([numbers[key] for key in keys], np.int64)


def _as_image(part: _Part) -> ImageResult:
    """The part as the flat boxes take it; boxes are hulls, for sizes only."""
    first = np.unique(part.defects, return_index=True)[1]
    hulls, found = hull_boxes(part.places), hull_boxes(part.found.places)
    return ImageResult(
        path=part.name,
        width=0,
        height=0,
        gt_boxes=hulls[first],
        gt_labels=part.labels,
        gt_ignored=part.ignored,
        boxes=found,
        labels=part.found.labels,
        scores=part.found.scores,
    )


def _portions(
    parts: list[_Part], boxes: FlatBoxes
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]]:
    """Pairs of detections and defects that overlap, part by part."""
    starts = np.searchsorted(boxes.image, np.arange(len(parts) + 1))
    for index, part in enumerate(parts):
        chosen = boxes.position[starts[index] : starts[index + 1]]
        if not len(chosen) or not len(part.defects):
            continue
        found, order = part.found.places[chosen], np.argsort(part.defects, kind='stable')
        share = quadrilateral_ious(found, part.places)
        held = intersection_areas(found, part.places)
        areas = polygon_areas(found)[:, None]
        held = np.divide(held, areas, out=np.zeros_like(held), where=areas > 0)
        share = np.where(part.ignored[part.defects], held, share)
        share[part.found_planes[chosen][:, None] != part.planes] = 0
        first = np.searchsorted(part.defects[order], np.arange(len(part.labels)))
        best = np.maximum.reduceat(share[:, order], first, axis=1)
        rows, columns = best.nonzero()
        yield (
            rows + starts[index],
            columns + boxes.truth_start[index],
            best[rows, columns],
        )
