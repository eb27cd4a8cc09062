from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdefect.geometry import TileGrid
from mmdefect.geometry.tile_position import tile_positions

# 1600x256 in 256 px tiles: from 0, 128, ...; the last one from 1344.
STRIP = TileGrid((256, 256), 0.5)


@pytest.mark.parametrize(
    ('grid', 'box', 'size', 'expected'),
    [
        (STRIP, (0, 0, 20, 20), (1600, 256), (0, 236)),
        (STRIP, (250, 0, 262, 20), (1600, 256), (1, 122)),
        (STRIP, (1590, 0, 1600, 256), (1600, 256), (11, 246)),
        (STRIP, (200, 0, 500, 20), (1600, 256), (2, -56)),
        (STRIP, (5, 5, 6, 6), (200, 100), (0, np.inf)),
        (TileGrid((100, 100)), (90, 90, 110, 110), (200, 200), (0, -10)),
        (TileGrid((100, 100), edge='pad'), (190, 10, 205, 20), (210, 100), (1, -5)),
        (TileGrid((100, 100), edge='drop'), (205, 10, 215, 20), (220, 100), (1, -15)),
        (TileGrid((100, 100), edge='drop'), (5, 5, 6, 6), (50, 50), (-1, np.nan)),
    ],
)
def test_best_tile(grid, box, size, expected):
    tiles, margins = tile_positions(grid, np.array([box], float), *size)
    assert (tiles.dtype, margins.dtype) == (np.int64, np.float64)
    np.testing.assert_equal((int(tiles[0]), float(margins[0])), expected)


def test_no_box():
    for grid in (STRIP, TileGrid((100, 100), edge='drop')):
        tiles, margins = tile_positions(grid, np.zeros((0, 4)), 50, 50)
        assert tiles.shape == margins.shape == (0,)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_inside_the_tile_with_that_margin(data):
    width, height = data.draw(st.integers(1, 90)), data.draw(st.integers(1, 90))
    edge = data.draw(st.sampled_from(['shift', 'pad']))
    grid = TileGrid((data.draw(st.integers(1, 40)), 30), data.draw(st.floats(0, 0.9)), edge)
    x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    box = np.array(
        [x, y, data.draw(st.integers(x + 1, width)), data.draw(st.integers(y + 1, height))]
    )
    (tile,), (margin,) = tile_positions(grid, box[None].astype(float), width, height)
    tiles = grid.boxes(width, height)
    clipped = np.minimum(tiles, [width, height, width, height])
    whole = (clipped[:, :2] <= box[:2]).all(1) & (clipped[:, 2:] >= box[2:]).all(1)
    assert whole.any() == (margin >= 0)
    assert not whole.any() or whole[tile]
