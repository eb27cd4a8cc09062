"""Where on the tiles of a model its misses and false alarms lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mmdefect.evaluation.image_result import ImageResult
from mmdefect.geometry import TileGrid
from mmdefect.geometry.tile_position import tile_positions
from mmdefect.report.items import Item

__all__ = ['place_items', 'tile_rows']

# Least distance to the borders of the best tile, in pixels: a distance on an edge is in the
# upper bin, and in the last one where the image is a single tile.
_EDGES = (0.0, 8.0, 32.0)
_NAMES = ('cut by every tile', 'whole, 0 to 8 px', 'whole, 8 to 32 px', 'whole, 32 px and more')


def place_items(items: Sequence[Item], images: Sequence[ImageResult], grid: TileGrid) -> list[Item]:
    """Add to every item the tile that shows it best.

    Args:
        items (Sequence[Item]): Missed boxes and wrong detections.
        images (Sequence[ImageResult]): All images.
        grid (TileGrid): The tiles.

    Returns:
        list[Item]: The same items in the same order.

    Example:
        >>> box, label = np.array([[0., 0., 9., 9.]]), np.array([0])
        >>> image = ImageResult('a.png', 40, 20, box, label, np.array([False]), box, label,
        ...                     np.array([.9]))
        >>> item = Item(0, 'missed', 0, (0, 0, 9, 9), None, 0.0)
        >>> place_items([item], [image], TileGrid((20, 20)))[0].margin
        11.0
    """
    placed = list(items)
    by_image: dict[int, list[int]] = {}
    for at, item in enumerate(items):
        by_image.setdefault(item.image, []).append(at)
    for index, places in by_image.items():
        image, boxes = images[index], np.array([items[at].box for at in places])
        tiles, margins = tile_positions(grid, boxes, image.width, image.height)
        for at, tile, margin in zip(places, tiles.tolist(), margins.tolist(), strict=True):
            placed[at] = replace(items[at], tile=tile, margin=margin)
    return placed


def tile_rows(
    items: Sequence[Item], images: Sequence[ImageResult], grid: TileGrid
) -> list[dict[str, Any]]:
    """Count boxes, boxes found and false alarms by their place on the tiles.

    Args:
        items (Sequence[Item]): All missed boxes and wrong detections, placed.
        images (Sequence[ImageResult]): All images.
        grid (TileGrid): The tiles.

    Returns:
        list[dict[str, Any]]: A row per place: ``name``, ``truth``, ``found`` and ``wrong``.

    Example:
        >>> [row['name'] for row in tile_rows([], [], TileGrid((20, 20)))][0]
        'cut by every tile'
    """
    truth = _count(
        margin
        for image in images
        for margin in tile_positions(
            grid, image.gt_boxes[~image.gt_ignored], image.width, image.height
        )[1].tolist()
    )
    missed = _count(item.margin for item in items if item.kind == 'missed')
    wrong = _count(item.margin for item in items if item.kind != 'missed')
    return [
        {'name': name, 'truth': boxes, 'found': boxes - lost, 'wrong': alarms}
        for name, boxes, lost, alarms in zip(_NAMES, truth, missed, wrong, strict=True)
    ]


def _count(margins: Any) -> list[int]:
    """How many distances lie in each bin; where there is no tile, all of it is cut."""
    values: npt.NDArray[np.float64] = np.array(
        [-math.inf if margin is None or math.isnan(margin) else margin for margin in margins]
    )
    bins = np.searchsorted(_EDGES, values, side='right')
    return np.bincount(bins, minlength=len(_NAMES)).tolist()
