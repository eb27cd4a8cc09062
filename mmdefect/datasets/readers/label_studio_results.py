"""The results of one Label Studio annotation: regions to shapes, answers to further keys."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from mmdefect.datasets.readers.shapes import Box, Shape, box_around, ellipse_box, turned_box
from mmdefect.datasets.readers.values import json_number, whole_size
from mmdefect.errors import InputError

__all__ = ['declared_size', 'image_answers', 'region_shapes']

# Results that answer a question about a region or about the image, with the answer's key.
_ANSWERS = ('choices', 'datetime', 'number', 'rating', 'taxonomy', 'textarea')
_NO_REGIONS = (*_ANSWERS, 'pairwise', 'ranker', 'relation')
_SIZE_KEYS = ('original_width', 'original_height')
_CURES = {
    'brush': 'a brush mask is no box; export the project as PNG masks and read those',
    'keypoint': 'a key point has no area; draw a box or remove it',
}


def declared_size(where: str, results: Sequence[dict[str, Any]]) -> tuple[int, int] | None:
    """The size of the image as the regions declare it.

    Args:
        where (str): The task, for messages.
        results (Sequence[dict[str, Any]]): Results of one annotation.

    Returns:
        tuple[int, int] | None: ``(w, h)`` in pixels; None when no result says it.

    Raises:
        InputError: A declared size is no size, or two regions differ.

    Example:
        >>> declared_size('task 1', [{'original_width': 64, 'original_height': 48}])
        (64, 48)
    """
    sizes = sorted(
        {
            whole_size(where, *(json_number(result[key]) for key in _SIZE_KEYS))
            for result in results
            if all(result.get(key) is not None for key in _SIZE_KEYS)
        }
    )
    if len(sizes) > 1:
        raise InputError(
            f'{where}: its regions are on images of (w, h) {sizes[0]} and {sizes[1]}; give each '
            'image its own task'
        )
    return sizes[0] if sizes else None


def region_shapes(
    where: str,
    results: Sequence[dict[str, Any]],
    size: tuple[int, int],
    problem: Callable[[str, str], None],
) -> list[Shape]:
    """The regions of an annotation as shapes.

    Args:
        where (str): The task, for messages.
        results (Sequence[dict[str, Any]]): Results of one annotation.
        size (tuple[int, int]): ``(w, h)`` of the image, pixels; Label Studio counts in percent.
        problem (Callable[[str, str], None]): Takes where something is wrong, and what.

    Returns:
        list[Shape]: One per region; what was answered about it is in its ``extra``.

    Example:
        >>> value = {'x': 50, 'y': 0, 'width': 25, 'height': 50, 'rectanglelabels': ['rust']}
        >>> result = {'id': 'x1', 'type': 'rectanglelabels', 'value': value}
        >>> region_shapes('task 1', [result], (64, 48), print)[0].box
        (32.0, 0.0, 48.0, 24.0)
    """
    # An outline and its class that were given with separate tools are two results of one id.
    classified = {_region(result) for result in results if _class_names(result)} - {None}
    answers = _answers(results)
    shapes = []
    for number, result in enumerate(results, start=1):
        names, region = _class_names(result), _region(result)
        if result.get('type') in _NO_REGIONS or (not names and region in classified):
            continue
        outline = _outline(result)
        fault = _fault(result, outline, names)
        if fault:
            problem(f'{where}, result {number}', fault)
        else:
            box = _box(outline, result['value'], size)
            shapes.append(Shape(names[0], box, number, answers.get(region, {})))
    return shapes


def image_answers(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What was answered about the whole image: choices, texts, ratings.

    Args:
        results (Sequence[dict[str, Any]]): Results of one annotation.

    Returns:
        dict[str, Any]: Answer by its ``from_name``.

    Example:
        >>> value = {'choices': ['second shift']}
        >>> image_answers([{'type': 'choices', 'from_name': 'shift', 'value': value}])
        {'shift': ['second shift']}
    """
    regions = {_region(result) for result in results if result.get('type') not in _NO_REGIONS}
    answers: dict[str, Any] = {}
    for region, found in _answers(results).items():
        if region is None or region not in regions:
            answers.update(found)
    return answers


def _region(result: dict[str, Any]) -> str | None:
    """What the results about one region have in common."""
    region = result.get('id')
    return region if isinstance(region, str) else None


def _class_names(result: dict[str, Any]) -> list[str]:
    kind, value = result.get('type'), result.get('value')
    if not isinstance(kind, str) or not kind.endswith('labels') or not isinstance(value, dict):
        return []
    names = value.get(kind)
    if not isinstance(names, list):
        return []
    return [name.strip() for name in names if isinstance(name, str) and name.strip()]


def _answers(results: Sequence[dict[str, Any]]) -> dict[str | None, dict[str, Any]]:
    answers: dict[str | None, dict[str, Any]] = {}
    for result in results:
        kind, value, name = (result.get(key) for key in ('type', 'value', 'from_name'))
        if kind in _ANSWERS and isinstance(value, dict) and isinstance(name, str):
            answers.setdefault(_region(result), {})[name] = value.get(kind)
    return answers


def _outline(result: dict[str, Any]) -> str:
    """The tool that a region was drawn with, ``''`` where that cannot be told."""
    kind, value = result.get('type'), result.get('value')
    if not isinstance(kind, str) or not isinstance(value, dict):
        return ''
    if kind != 'labels':
        return kind.removesuffix('labels')
    keys = {'rle': 'brush', 'points': 'polygon', 'radiusX': 'ellipse', 'height': 'rectangle'}
    return next((outline for key, outline in keys.items() if key in value), 'keypoint')


def _fault(result: dict[str, Any], outline: str, names: list[str]) -> str | None:
    """Why a region is no box."""
    if outline in _CURES:
        return _CURES[outline]
    if outline not in ('rectangle', 'polygon', 'ellipse'):
        return f'type {result.get("type")!r} is no region of an image; remove it'
    if len(names) != 1:
        return f'has {len(names)} classes; give the region one class'
    if result.get('image_rotation'):
        return (
            f'the image was turned by {result["image_rotation"]!r} degrees while labelling; turn '
            'the image file and label it again'
        )
    if result.get('item_index'):
        return 'the task has several images; give each image its own task'
    points = result['value'].get('points')
    if outline == 'polygon' and not (
        isinstance(points, list)
        and len(points) >= 3
        and all(isinstance(point, list) and len(point) == 2 for point in points)
    ):
        return 'a polygon needs a list of at least 3 [x, y] as "points"; draw it again'
    return None


def _box(outline: str, value: dict[str, Any], size: tuple[int, int]) -> Box:
    """The upright box in pixels; a missing number becomes NaN."""
    scale_x, scale_y = size[0] / 100, size[1] / 100
    if outline == 'polygon':
        return box_around(
            (json_number(x) * scale_x, json_number(y) * scale_y) for x, y in value['points']
        )
    x, y = json_number(value.get('x')) * scale_x, json_number(value.get('y')) * scale_y
    turned = value.get('rotation')
    degrees = 0.0 if turned is None else json_number(turned)
    keys = ('radiusX', 'radiusY') if outline == 'ellipse' else ('width', 'height')
    w, h = json_number(value.get(keys[0])) * scale_x, json_number(value.get(keys[1])) * scale_y
    if outline == 'ellipse':
        return ellipse_box((x, y), (w, h), degrees)
    if math.isnan(degrees):
        return (math.nan,) * 4
    # Label Studio turns about the corner that was the upper left one.
    return turned_box((x, y, x + w, y + h), degrees, (x, y))
