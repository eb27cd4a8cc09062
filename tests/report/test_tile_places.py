from __future__ import annotations

import json

import numpy as np

from mmdefect.evaluation import ImageResult
from mmdefect.geometry import TileGrid
from mmdefect.report.items import find_items
from mmdefect.report.tile_places import place_items, tile_rows

GRID = TileGrid((100, 100), 0.2)


def image(truth, found=(), size=(180, 100), ignored=None):
    boxes, placed = np.array(truth, float).reshape(-1, 4), np.array(found, float).reshape(-1, 4)
    return ImageResult(
        'a.png', *size, boxes, np.zeros(len(boxes), int),
        np.zeros(len(boxes), bool) if ignored is None else np.array(ignored),
        placed, np.zeros(len(placed), int), np.full(len(placed), 0.9),
    )  # fmt: skip


def test_every_box_has_its_place():
    images = [
        image([[10, 10, 30, 30], [70, 0, 190, 9]], [[10, 10, 30, 30], [84, 80, 90, 90]]),
        image([[72, 50, 95, 60]], size=(180, 100)),
        image([[5, 5, 9, 9]], size=(90, 90)),
        image([[5, 5, 9, 9]], ignored=[True]),
    ]
    items = place_items(find_items(images, 0.5), images, GRID)
    assert [(item.kind, item.image, item.tile, item.margin) for item in items] == [
        ('missed', 0, 1, -10), ('missed', 1, 0, 5), ('missed', 2, 0, np.inf),
        ('background', 0, 0, 10),
    ]  # fmt: skip
    assert [item.to_dict()['margin'] for item in items] == [-10, 5, None, 10]
    json.dumps([item.to_dict() for item in items], allow_nan=False)
    rows = tile_rows(items, images, GRID)
    assert [(row['truth'], row['found'], row['wrong']) for row in rows] == [
        (1, 0, 0), (1, 0, 0), (0, 0, 1), (2, 1, 0),
    ]  # fmt: skip


def test_no_tile_and_nothing_at_all():
    grid = TileGrid((100, 100), edge='drop')
    images = [image([[5, 5, 9, 9]], size=(50, 50))]
    (item,) = place_items(find_items(images, 0.5), images, grid)
    assert item.tile == -1 and item.to_dict()['margin'] is None
    assert tile_rows([item], images, grid)[0] == {
        'name': 'cut by every tile', 'truth': 1, 'found': 0, 'wrong': 0,
    }  # fmt: skip
    assert place_items([], [], GRID) == []
