"""Overlaps of quadrilaterals, against a clipper that goes corner by corner."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mmdefect.geometry import (
    box_quadrilaterals,
    clip_polygons,
    hull_boxes,
    intersection_areas,
    intersection_over_smaller,
    project_points,
    quadrilateral_ious,
    shares_inside,
)
from mmdefect.geometry import quadrilaterals as module


def slow_area(corners):
    return 0.5 * sum(
        ax * by - bx * ay
        for (ax, ay), (bx, by) in zip(corners, [*corners[1:], *corners[:1]], strict=True)
    )


def slow_intersection(first, second):
    """Sutherland and Hodgman by the book, one corner after the other."""
    subject, window = [tuple(p) for p in first], [tuple(p) for p in second]
    if slow_area(window) < 0:
        window.reverse()
    for start, end in zip(window, [*window[1:], *window[:1]], strict=True):

        def side(p, start=start, end=end):
            return (end[0] - start[0]) * (p[1] - start[1]) - (end[1] - start[1]) * (p[0] - start[0])

        output = []
        for here, there in zip(subject, [*subject[1:], *subject[:1]], strict=True):
            a, b = side(here), side(there)
            if a >= 0:
                output.append(here)
            if (a >= 0) != (b >= 0):
                t = a / (a - b)
                output.append(tuple(h + t * (o - h) for h, o in zip(here, there, strict=True)))
        subject = output
        if not subject:
            return 0.0
    return abs(slow_area(subject))


def turned(box, degrees, mirrored=False):
    """A box turned about its centre."""
    corners = box_quadrilaterals(np.array([box]))[0]
    centre = corners.mean(axis=0)
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = (corners - centre) @ turn.T + centre
    return corners[::-1] if mirrored else corners


@st.composite
def quadrilaterals(draw):
    # Few places, sizes and angles, so that edges and corners coincide.
    x, y = draw(st.integers(0, 6)), draw(st.integers(0, 6))
    w, h = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    degrees = draw(st.sampled_from([0, 0, 90, 180, 45, 45, 30, 17.3]))
    corners = turned([x, y, x + w, y + h], degrees, draw(st.booleans()))
    if draw(st.booleans()):
        tilt = np.array([[1, 0, 0], [0, 1, 0], [draw(st.floats(-0.05, 0.05)), 0.02, 1]])
        corners = project_points(corners, tilt)
    return corners


LISTS = st.lists(quadrilaterals(), max_size=4).map(lambda x: np.array(x).reshape(-1, 4, 2))


@settings(deadline=None)
@given(LISTS, LISTS)
@example(np.zeros((0, 4, 2)), np.zeros((2, 4, 2)))
def test_all_pairs_equal_the_slow_clipper(first, second):
    areas = intersection_areas(first, second)
    assert areas.shape == (len(first), len(second))
    slow = [[slow_intersection(a, b) for b in second] for a in first]
    np.testing.assert_allclose(areas, np.array(slow).reshape(areas.shape), atol=1e-9)
    np.testing.assert_allclose(areas, intersection_areas(second, first).T, atol=1e-9)


@settings(deadline=None)
@given(LISTS, LISTS)
def test_shares_are_shares(first, second):
    ious, smaller = quadrilateral_ious(first, second), intersection_over_smaller(first, second)
    assert ((ious >= 0) & (ious <= smaller + 1e-12) & (smaller <= 1)).all()
    np.testing.assert_allclose(np.diagonal(quadrilateral_ious(first, first)), 1, atol=1e-9)
    np.testing.assert_allclose(np.diagonal(intersection_over_smaller(first, first)), 1, atol=1e-9)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_counted_points_agree(seed):
    """Areas against the share of points in both, which knows nothing of clipping."""
    generator = np.random.default_rng(seed)
    low = generator.uniform(0, 40, 2)
    first = turned([*low, *(low + generator.uniform(5, 50, 2))], generator.uniform(0, 360))
    low = generator.uniform(0, 40, 2)
    second = turned([*low, *(low + generator.uniform(5, 50, 2))], generator.uniform(0, 360))
    x, y = np.meshgrid(np.arange(-40, 140, 0.9), np.arange(-40, 140, 0.9))

    def contains(corners):
        sides = [
            (end[0] - start[0]) * (y - start[1]) - (end[1] - start[1]) * (x - start[0])
            for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True)
        ]
        return np.all(np.array(sides) >= 0, axis=0)

    counted = (contains(first) & contains(second)).sum() * 0.81
    area = intersection_areas(first[None], second[None])[0, 0]
    assert area == pytest.approx(counted, abs=25)


def test_the_hull_of_a_turned_box_is_no_substitute():
    box = turned([0, 0, 20, 44], 0)[None]
    hull = box_quadrilaterals(hull_boxes(turned([0, 0, 20, 44], 45)[None]))
    assert quadrilateral_ious(box, hull)[0, 0] < 0.5
    assert intersection_over_smaller(box, hull)[0, 0] == pytest.approx(1, abs=0.03)


def test_boxes_agree_with_plain_arithmetic():
    boxes = np.random.default_rng(0).uniform(0, 50, (2, 30, 2))
    boxes = np.concatenate([boxes.min(axis=0), boxes.max(axis=0)], axis=1)
    low = np.maximum(boxes[:, None, :2], boxes[:, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[:, 2:])
    common = (high - low).clip(0).prod(axis=2)
    corners = box_quadrilaterals(boxes)
    np.testing.assert_allclose(intersection_areas(corners, corners), common, atol=1e-9)
    np.testing.assert_allclose(hull_boxes(corners), boxes)


def test_far_from_the_origin_nothing_is_lost():
    squares = box_quadrilaterals(np.array([[0.0, 0, 1, 1], [0.5, 0, 1.5, 1]])) + 1e6
    assert quadrilateral_ious(squares, squares)[0, 1] == pytest.approx(1 / 3, abs=1e-8)


def test_without_area_or_without_image():
    boxes = box_quadrilaterals(np.array([[0.0, 0, 4, 4], [1, 1, 1, 3], [0, 0, 0, 0]]))
    boxes = np.concatenate([boxes, np.full((1, 4, 2), np.nan)])
    for measure in (intersection_areas, quadrilateral_ious, intersection_over_smaller):
        values = measure(boxes, boxes)
        assert values[0, 0] > 0
        values[0, 0] = 0
        assert not values.any()
    assert shares_inside(boxes, 2, 4).tolist() == [0.5, 0, 0, 0]


def test_shares_inside_an_image():
    boxes = np.array([[0.0, 0, 10, 10], [-5, -5, 5, 5], [10, 0, 12, 4], [2, 2, 3, 3]])
    assert shares_inside(box_quadrilaterals(boxes), 10, 10).tolist() == [1, 0.25, 0, 1]


def test_pairs_come_in_portions(monkeypatch):
    corners = np.stack([turned([x, 0, x + 8, 9], 10 * x) for x in range(9)])
    whole = intersection_areas(corners, corners)
    monkeypatch.setattr(module, '_PAIRS_AT_ONCE', 7)
    np.testing.assert_allclose(intersection_areas(corners, corners), whole, rtol=1e-12)


def test_clipping_by_several_windows_one_after_the_other():
    views = [turned([0, 0, 20, 44], 0)[None]]
    views += [box_quadrilaterals(hull_boxes(turned([0, 0, 20, 44], d)[None])) for d in (45, 90)]
    common = views[0]
    for view in views[1:]:
        common = clip_polygons(common, view)
    np.testing.assert_allclose(hull_boxes(common), [[0, 12, 20, 32]], atol=1e-9)
