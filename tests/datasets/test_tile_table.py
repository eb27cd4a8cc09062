from __future__ import annotations

import numpy as np
import pytest

from mmdefect.datasets.tile_table import CLEAN, DEFECT, FRAGMENT, tabulate_tiles, visible_shares
from mmdefect.geometry import TileGrid


def info(width, height, *boxes, **extra):
    instances = [dict(bbox=box, bbox_label=0, **extra) for box in boxes]
    return dict(img_path='a.png', width=width, height=height, instances=instances)


def test_what_tiles_show():
    infos = [info(16, 8, [6, 0, 9, 4]), info(8, 8), info(5, 9, [0, 0, 1, 1], ignore_flag=1)]
    table = tabulate_tiles(infos, TileGrid((8, 8)), 0.5)
    assert table.images.tolist() == [0, 0, 1, 2, 2]
    assert table.boxes.tolist()[:2] == [[0, 0, 8, 8], [8, 0, 16, 8]]
    assert table.boxes.tolist()[3:] == [[0, 0, 5, 8], [0, 1, 5, 9]]
    assert table.shows.tolist() == [DEFECT, FRAGMENT, CLEAN, CLEAN, CLEAN]


def test_tiles_end_with_the_image():
    table = tabulate_tiles([info(10, 8)], TileGrid((8, 8), edge='pad'), 0.5)
    assert table.boxes.tolist() == [[0, 0, 8, 8], [8, 0, 10, 8]]


def test_shares():
    tiles = np.array([[0, 0, 10, 10], [10, 0, 20, 10]])
    boxes = np.array([[8.0, 0, 12, 10], [9, 9, 10, 10], [3, 3, 3, 3], [30, 0, 40, 9]])
    assert visible_shares(tiles, boxes).tolist() == [[0.5, 1, 1, 0], [0.5, 0, 0, 0]]


def test_a_tile_inside_a_long_defect_shows_it():
    long = [4, 2, 100, 6]
    table = tabulate_tiles([info(104, 8, long)], TileGrid((8, 8)), 0.6)
    assert table.shows.tolist() == [FRAGMENT, *[DEFECT] * 11, FRAGMENT]
    shares = visible_shares(table.boxes, np.array([long], float))[:, 0]
    assert shares.tolist() == [0.5, *[1.0] * 11, 0.5]


@pytest.mark.parametrize(
    ('infos', 'grid', 'words'),
    [
        ([dict(img_path='a.png', instances=[])], TileGrid((8, 8)), 'a.png: .* no width'),
        ([info(7, 7)], TileGrid((8, 8), edge='drop'), 'no image has a tile of 8x8 px'),
        ([], TileGrid((8, 8)), 'no image has a tile'),
    ],
)
def test_no_tiles(infos, grid, words):
    with pytest.raises(ValueError, match=words):
        tabulate_tiles(infos, grid, 0.5)
