"""Geometry of the radial views."""

from __future__ import annotations

import numpy as np
import pytest

from mmdefect.datasets.synthetic.views import (
    NUM_VIEWS,
    VIEW_RADIUS,
    VIEW_SIZE,
    tight_box,
    view_homography,
    visible_share,
    warp_to_frame,
)

CENTRE = (190.0, 193.0)


@pytest.mark.parametrize('view_id', range(NUM_VIEWS))
def test_view_is_a_rotation_whose_up_is_radial(view_id):
    frame = view_homography(CENTRE, view_id)
    assert np.allclose(frame[:2, :2] @ frame[:2, :2].T, np.eye(2))
    assert np.linalg.det(frame) == pytest.approx(1)
    turn = np.deg2rad(45 * view_id)
    radial = np.array([np.sin(turn), -np.cos(turn)])
    middle = (VIEW_SIZE - 1) / 2
    assert np.allclose((frame @ [middle, middle, 1])[:2], CENTRE + VIEW_RADIUS * radial)
    up = frame @ [middle, middle - 1, 1] - frame @ [middle, middle, 1]
    assert np.allclose(up[:2], radial)


def test_neighbouring_views_turn_by_45_degrees_about_the_axis():
    first, second = view_homography(CENTRE, 0), view_homography(CENTRE, 1)
    turn = second @ np.linalg.inv(first)
    assert np.allclose(turn @ [*CENTRE, 1], [*CENTRE, 1])


@pytest.mark.parametrize('view_id', [-1, 8])
def test_unknown_view_is_refused(view_id):
    with pytest.raises(ValueError, match='view_id must be 0 to 7'):
        view_homography(CENTRE, view_id)


def test_warp_and_tight_box_of_a_single_pixel():
    part = np.zeros((384, 384), dtype=np.float32)
    part[150, 200] = 1
    frame = view_homography((191.5, 191.5), 0)
    warped = warp_to_frame(part, frame, (VIEW_SIZE, VIEW_SIZE))
    x, y, w, h = tight_box(warped >= 0.5)
    assert (w, h) == (1, 1)
    assert np.allclose(frame @ [x, y, 1], [200, 150, 1])


def test_empty_mask_has_no_box_and_no_share():
    assert tight_box(np.zeros((4, 5), dtype=bool)) is None
    assert visible_share(np.zeros((0, 2)), np.eye(3), (4, 4)) == 0
