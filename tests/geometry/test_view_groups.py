"""Grouping of boxes that show the same thing in several views."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdefect.datasets.synthetic.views import NUM_VIEWS, VIEW_SIZE, view_homography
from mmdefect.geometry import (
    between_corners,
    box_quadrilaterals,
    group_views,
    hull_boxes,
    intersection_over_smaller,
    invert_homography,
    project_points,
    quadrilateral_ious,
    shares_inside,
)


def groups_of(boxes, views, labels=None, **keys):
    labels = np.zeros(len(boxes), int) if labels is None else np.array(labels)
    corners = box_quadrilaterals(np.array(boxes, float).reshape(-1, 4))
    return group_views(corners, np.array(views, int), labels, **keys).tolist()


def seen_in_views(centre, defect):
    """The box of a defect in each drill view that shows it, as quadrilaterals of the part."""
    found, views = [], []
    for view in range(NUM_VIEWS):
        to_part = between_corners(view_homography(centre, view))
        there = project_points(defect, invert_homography(to_part))
        if shares_inside(there, VIEW_SIZE, VIEW_SIZE)[0] > 0.99:
            boxes = hull_boxes(there)
            found.append(project_points(box_quadrilaterals(boxes), to_part)[0])
            views.append(view)
    return np.array(found), np.array(views)


@pytest.mark.parametrize('degrees', [0, 10, 22.5, 45, 70, 90, 200])
def test_one_defect_of_20_by_44_is_one_group(degrees):
    centre = (191.5, 191.5)
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    defect = box_quadrilaterals(np.array([[-10.0, -22, 10, 22]])) @ turn.T
    defect = defect + np.array(centre) + 75 * np.array([np.sin(angle), -np.cos(angle)])
    corners, views = seen_in_views(centre, defect)
    assert len(views) >= 2
    assert set(group_views(corners, views, np.zeros(len(views), int))) == {0}


def test_hulls_in_part_coordinates_would_be_two():
    """Why quadrilaterals: the IoU of upright hulls of the same defect is below one half."""
    centre = (191.5, 191.5)
    defect = box_quadrilaterals(np.array([[-10.0, -22, 10, 22]])) + np.array(centre) - [0, 75]
    corners, _ = seen_in_views(centre, defect)
    hulls = box_quadrilaterals(hull_boxes(corners))
    assert quadrilateral_ious(hulls, hulls).min() < 0.5
    assert intersection_over_smaller(corners, corners).min() > 0.9


def test_same_view_and_other_class_stay_apart():
    box = [0, 0, 10, 10]
    assert groups_of([box] * 2, [3, 3]) == [0, 1]
    assert groups_of([box] * 2, [0, 1], [0, 1]) == [0, 1]
    assert groups_of([box] * 4, [0, 1, 0, 1]) == [0, 0, 1, 1]


def test_overlap_of_exactly_one_half_counts():
    assert groups_of([[0, 0, 10, 10], [5, 0, 15, 10]], [0, 1]) == [0, 0]
    assert groups_of([[0, 0, 10, 10], [5.01, 0, 15.01, 10]], [0, 1]) == [0, 1]
    assert groups_of([[0, 0, 10, 10], [5, 0, 15, 10]], [0, 1], min_overlap=0.6) == [0, 1]


def test_assignment_is_optimal_not_greedy():
    # Greedily the first of view 0 would take the second of view 1 and leave two boxes alone.
    boxes = [[0, 0, 10, 10], [6, 0, 16, 10], [-4, 0, 6, 10], [2, 0, 12, 10]]
    assert groups_of(boxes, [0, 0, 1, 1]) == [0, 1, 0, 1]


def test_a_large_box_does_not_take_the_place_of_an_equal_one():
    boxes = [[0, 0, 100, 100], [10, 10, 20, 20], [11, 10, 21, 20]]
    assert groups_of(boxes, [0, 0, 1]) == [0, 1, 1]


def test_pieces_of_a_defect_join_over_the_view_that_shows_it_whole():
    boxes = [[0, 0, 10, 10], [0, 0, 30, 10], [20, 0, 30, 10]]
    assert groups_of(boxes, [0, 1, 2]) == [0, 0, 0]


def test_nothing_one_and_nan():
    assert groups_of([], []) == []
    assert groups_of([[0, 0, 1, 1]], [0]) == [0]
    nan = float('nan')
    assert groups_of([[0, 0, 1, 1], [nan] * 4, [0, 0, 1, 1]], [0, 1, 2]) == [0, 1, 0]
    with pytest.raises(ValueError, match='min_overlap must be above 0 and at most 1, got 0'):
        groups_of([], [], min_overlap=0)


@st.composite
def scenes(draw):
    count = draw(st.integers(0, 7))
    numbers = st.integers(0, 8)
    rows = [(draw(numbers), draw(numbers), draw(st.integers(1, 8)), draw(st.integers(1, 8)))
            for _ in range(count)]  # fmt: skip
    boxes = [[x, y, x + w, y + h] for x, y, w, h in rows]
    views = [draw(st.integers(0, 1)) for _ in range(count)]
    return boxes, views, [draw(st.integers(0, 1)) for _ in range(count)]


@settings(deadline=None)
@given(scenes())
def test_two_views_equal_the_best_of_all_matchings(scene):
    boxes, views, labels = scene
    groups = np.array(groups_of(boxes, views, labels))
    corners = box_quadrilaterals(np.array(boxes, float).reshape(-1, 4))
    overlap = intersection_over_smaller(corners, corners)
    gain = overlap + quadrilateral_ious(corners, corners)
    allowed = (overlap >= 0.5) & np.equal.outer(labels, labels) & np.not_equal.outer(views, views)
    here, there = (np.flatnonzero(np.array(views, int) == view) for view in (0, 1))
    if len(here) > len(there):
        here, there = there, here
    best = max(
        sum(gain[a, b] for a, b in zip(here, order, strict=True) if allowed[a, b])
        for order in permutations(there, len(here))
    )
    pairs = [(a, b) for a, b in combinations(range(len(boxes)), 2) if groups[a] == groups[b]]
    assert all(allowed[a, b] for a, b in pairs)
    assert sum(gain[a, b] for a, b in pairs) == pytest.approx(best)
    assert len({x for pair in pairs for x in pair}) == 2 * len(pairs)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_groups_of_many_views(seed):
    generator = np.random.default_rng(seed)
    low = generator.uniform(0, 60, (40, 2))
    corners = box_quadrilaterals(np.concatenate([low, low + generator.uniform(5, 30, (40, 2))], 1))
    views, labels = generator.integers(0, 5, 40), generator.integers(0, 2, 40)
    groups = group_views(corners, views, labels)
    for group in range(groups.max() + 1):
        members = groups == group
        assert len(set(labels[members])) == 1
        assert len(set(views[members])) == members.sum()
    assert list(dict.fromkeys(groups.tolist())) == list(range(groups.max() + 1))
