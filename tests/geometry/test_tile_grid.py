from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdefect.geometry import TileGrid

SIDE = st.integers(1, 40)
IMAGE = st.integers(1, 130)
OVERLAP = st.floats(0, 0.99)


def covered(boxes, width, height):
    """Count the tiles over each pixel, one by one."""
    seen = np.zeros((height, width), int)
    for x1, y1, x2, y2 in boxes:
        seen[y1:y2, x1:x2] += 1
    return seen


def starts_by_hand(image, tile, stride, edge):
    """The textbook loop."""
    found, start = [], 0
    while True:
        if start + tile >= image:
            if start + tile == image or edge == 'pad':
                found.append(start)
            elif edge == 'shift':
                found.append(max(0, image - tile))
            return found
        found.append(start)
        start += stride


def test_a_strip_of_steel():
    boxes = TileGrid((256, 256), 0.5).boxes(1600, 256)
    assert boxes.dtype == np.int64 and boxes.shape == (12, 4)
    assert boxes[:, 0].tolist() == [*range(0, 1281, 128), 1344]
    assert covered(boxes, 1600, 256).min() == 1
    dropping = TileGrid((256, 256), 0.5, 'drop')
    assert len(dropping.boxes(1600, 256)) == 11
    assert dropping.unseen(1600, 256) == (64, 0)
    assert TileGrid((256, 256), 0.5, 'pad').boxes(1600, 256)[-1].tolist() == [1408, 0, 1664, 256]


@pytest.mark.parametrize(
    ('width', 'edge', 'expected'),
    [
        (7, 'shift', [[0, 0, 7, 8]]), (7, 'pad', [[0, 0, 8, 8]]), (7, 'drop', []),
        (8, 'shift', [[0, 0, 8, 8]]), (8, 'pad', [[0, 0, 8, 8]]), (8, 'drop', [[0, 0, 8, 8]]),
        (9, 'shift', [[0, 0, 8, 8], [1, 0, 9, 8]]),
        (9, 'pad', [[0, 0, 8, 8], [4, 0, 12, 8]]),
        (9, 'drop', [[0, 0, 8, 8]]),
    ],
)  # fmt: skip
def test_smaller_than_a_tile_equal_and_one_pixel_more(width, edge, expected):
    grid = TileGrid([8, 8], (0.5, 0), edge)
    assert grid.boxes(width, 8).tolist() == expected
    assert grid.boxes(width, 8).shape == (len(expected), 4)
    unseen = {7: 7, 8: 0, 9: 1}[width] if edge == 'drop' else 0
    assert grid.unseen(width, 8) == (unseen, 0)


@settings(max_examples=150, deadline=None)
@given(SIDE, SIDE, OVERLAP, OVERLAP, IMAGE, IMAGE, st.sampled_from(['shift', 'pad', 'drop']))
def test_parity_with_the_loop_and_coverage(tile_w, tile_h, over_x, over_y, width, height, edge):
    grid = TileGrid((tile_w, tile_h), (over_x, over_y), edge)
    boxes = grid.boxes(width, height)
    step_x, step_y = grid.stride
    assert boxes.tolist() == [
        [x, y, *((min(x + tile_w, width), min(y + tile_h, height)) if edge == 'shift'
                 else (x + tile_w, y + tile_h))]
        for y in starts_by_hand(height, tile_h, step_y, edge)
        for x in starts_by_hand(width, tile_w, step_x, edge)
    ]  # fmt: skip
    unseen_x, unseen_y = grid.unseen(width, height)
    seen = covered(boxes, width, height) > 0
    assert seen[: height - unseen_y, : width - unseen_x].all()
    assert seen.sum() == (height - unseen_y) * (width - unseen_x)
    if edge != 'pad':
        assert (boxes >= 0).all() and (boxes[:, [2, 3]] <= (width, height)).all()
    if edge != 'drop':
        assert (unseen_x, unseen_y) == (0, 0)
        # One tile fewer along either axis, at this distance, would not reach the end.
        columns = len(np.unique(boxes[:, 0]))
        assert columns == 1 or (columns - 2) * step_x + tile_w < width


def test_shares_are_not_lost_to_rounding():
    assert TileGrid((100, 10), 0.29).stride == (71, 8)
    assert TileGrid((3, 1), 0.99).stride == (1, 1)


@pytest.mark.parametrize(
    ('arguments', 'name'),
    [
        (((0, 4),), 'size'), (((4, -1),), 'size'), ((4,), 'size'), (((4, 4, 4),), 'size'),
        (((4.5, 4),), 'size'), (('ab',), 'size'), (((True, 4),), 'size'),
        (((4, 4), 1.0), 'overlap'), (((4, 4), -0.1), 'overlap'), (((4, 4), (0, 1)), 'overlap'),
        (((4, 4), float('nan')), 'overlap'), (((4, 4), 'half'), 'overlap'),
        (((4, 4), 0.5, 'crop'), 'edge'),
    ],
)  # fmt: skip
def test_values_out_of_range(arguments, name):
    with pytest.raises(ValueError, match=f'^{name} must be .* got '):
        TileGrid(*arguments)


@pytest.mark.parametrize('size', [(0, 5), (5, 0)])
def test_images_without_pixels(size):
    grid = TileGrid((4, 4))
    for method in (grid.boxes, grid.unseen):
        with pytest.raises(ValueError, match='must have pixels'):
            method(*size)
