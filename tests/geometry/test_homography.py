"""Homographies between views."""

from __future__ import annotations

import re

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmdefect.geometry import (
    as_homography,
    between_corners,
    compose_homographies,
    invert_homography,
    project_points,
)

NUMBERS = st.floats(-3, 3).map(lambda x: round(x, 3))


@st.composite
def homographies(draw):
    """Turned, scaled, sheared and shifted, with a little perspective."""
    angle, scale, shear = draw(NUMBERS), draw(st.floats(0.3, 3)), draw(st.floats(-0.5, 0.5))
    cos, sin = np.cos(angle), np.sin(angle)
    affine = np.array([[cos, -sin, 40 * draw(NUMBERS)], [sin, cos, 40 * draw(NUMBERS)], [0, 0, 1]])
    tilt = np.array([[scale, shear, 0], [0, scale, 0], [0.001 * draw(NUMBERS), 0, 1]])
    return as_homography(affine @ tilt)


POINTS = np.array([[0.0, 0.0], [10.5, 3.0], [50.0, 80.0], [99.0, 0.5]])


@given(homographies())
def test_inverse_leads_back(matrix):
    there = project_points(POINTS, matrix)
    assert np.isfinite(there).all()
    np.testing.assert_allclose(project_points(there, invert_homography(matrix)), POINTS, atol=1e-7)


@given(homographies(), homographies())
def test_composition_applies_the_first_first(first, second):
    step_by_step = project_points(project_points(POINTS, first), second)
    at_once = project_points(POINTS, compose_homographies(first, second))
    # A point beyond the horizon of the first may be in front of the two together.
    known = np.isfinite(step_by_step)
    np.testing.assert_allclose(at_once[known], step_by_step[known], rtol=1e-9, atol=1e-6)
    assert np.array_equal(compose_homographies(), np.eye(3))


@given(homographies())
def test_opencv_agrees(matrix):
    theirs = cv2.perspectiveTransform(POINTS[None], matrix)[0]
    np.testing.assert_allclose(project_points(POINTS, matrix), theirs, rtol=1e-9, atol=1e-9)


def test_sign_and_scale_of_the_matrix_do_not_matter():
    matrix = np.array([[1.0, 0.2, 3], [0, 1, -2], [0.001, 0, 1]])
    np.testing.assert_allclose(as_homography(-7 * matrix), matrix)
    beyond = np.array([[-1500.0, 0.0]])
    assert np.isnan(project_points(beyond, as_homography(-7 * matrix))).all()


def test_corners_of_pixels_follow_their_centres():
    turn = np.array([[0.0, -1, 79], [1, 0, 0], [0, 0, 1]])  # an 80 px high image by 90 degrees
    centre = np.array([[12.0, 34.0]])
    np.testing.assert_allclose(
        project_points(centre + 0.5, between_corners(turn)), project_points(centre, turn) + 0.5
    )
    # The whole image maps on the whole image, not half a pixel beside it.
    image = np.array([[0.0, 0.0], [60.0, 80.0]])
    np.testing.assert_allclose(project_points(image, between_corners(turn)), [[80, 0], [0, 60]])


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        (np.eye(2), 'part_homography must have shape (3, 3), got (2, 2)'),
        ('abc', "part_homography must be a 3x3 matrix of numbers, got 'abc'"),
        ([[1, 0], [1]], 'part_homography must be a 3x3 matrix of numbers'),
        (np.full((3, 3), np.nan), 'part_homography must be finite'),
        (np.zeros((3, 3)), 'part_homography must have an inverse'),
        (np.ones((3, 3)), 'part_homography must have an inverse'),
        ([[0, 0, 1], [0, 1, 0], [1, 0, 0]], 'part_homography must not send the origin to infinity'),
    ],
)
def test_bad_homographies(values, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        as_homography(values, 'part_homography')


def test_matrix_without_inverse():
    with pytest.raises(ValueError, match='must have an inverse'):
        invert_homography(np.zeros((3, 3)))


@pytest.mark.parametrize('shape', [(0, 2), (3, 0, 2), (5, 4, 2)])
def test_any_number_of_points(shape):
    assert project_points(np.zeros(shape, np.float32), np.eye(3)).shape == shape
