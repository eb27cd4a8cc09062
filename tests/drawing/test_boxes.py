from __future__ import annotations

import numpy as np
import pytest

from mmdefect.drawing import class_colours, draw_boxes


@pytest.fixture
def steel() -> np.ndarray:
    return np.full((60, 80, 3), 128, np.uint8)


def test_line_has_class_colour_and_input_stays(steel: np.ndarray) -> None:
    drawn = draw_boxes(steel, [[10, 20, 40, 50]], [1], thickness=1)
    red, green, blue = (int(class_colours(2)[1][i : i + 2], 16) for i in (1, 3, 5))
    assert drawn[50, 25].tolist() == [blue, green, red]
    assert drawn[35, 25].tolist() == [128, 128, 128]
    assert (steel == 128).all()


def test_dashed_has_gaps(steel: np.ndarray) -> None:
    solid = draw_boxes(steel, [[5, 5, 70, 50]], [0])
    dashed = draw_boxes(steel, [[5, 5, 70, 50]], [0], dashed=True)
    assert 0 < (dashed != 128).sum() < (solid != 128).sum()


@pytest.mark.parametrize(
    'box',
    [[3, 3, 4, 4], [3, 3, 3, 3], [-50, -50, 500, 500], [79, 59, 80, 60]],
    ids=['one pixel', 'no area', 'beyond', 'corner'],
)
def test_odd_boxes_with_names(steel: np.ndarray, box: list[int]) -> None:
    for dashed in (False, True):
        drawn = draw_boxes(steel, [box], [0], [0.5], ['rust'], dashed=dashed)
        assert drawn.shape == steel.shape
        assert (drawn != steel).any()


def test_no_boxes(steel: np.ndarray) -> None:
    assert (draw_boxes(steel, [], [], [], ['rust']) == steel).all()


def test_flipped_image_is_fine(steel: np.ndarray) -> None:
    assert (draw_boxes(steel[:, ::-1], [[1, 1, 9, 9]], [0]) != 128).any()


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'image': np.zeros((4, 4), np.uint8)}, 'image must be'),
        ({'image': np.zeros((4, 4, 3))}, 'image must be'),
        ({'boxes': [[0, 0, float('nan'), 1]]}, 'boxes must be finite'),
        ({'labels': [0, 1]}, 'labels must be 1 long'),
        ({'labels': [-1]}, 'labels must be class indices'),
        ({'labels': [1], 'classes': ['a']}, 'labels must be class indices'),
        ({'scores': []}, 'scores must be 1 long'),
    ],
)
def test_bad_arguments(steel: np.ndarray, change: dict, message: str) -> None:
    arguments = {'image': steel, 'boxes': [[0, 0, 9, 9]], 'labels': [0], **change}
    with pytest.raises(ValueError, match=message):
        draw_boxes(**arguments)
