"""Merging of boxes in part coordinates, against loops and our operators for upright boxes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdefect.datasets.synthetic.views import NUM_VIEWS, VIEW_SIZE, view_homography
from mmdefect.geometry import (
    MERGE_METHODS,
    between_corners,
    box_quadrilaterals,
    hull_boxes,
    intersection_over_smaller,
    invert_homography,
    merge_views,
    project_points,
    quadrilateral_ious,
    shares_inside,
)
from mmdefect.ops import nms, soft_nms

SEEDS = st.integers(0, 2**32 - 1)


def random_boxes(seed, count=25, size=60):
    generator = np.random.default_rng(seed)
    low = generator.uniform(0, size, (count, 2))
    boxes = np.concatenate([low, low + generator.uniform(4, 30, (count, 2))], axis=1)
    boxes = boxes.astype(np.float32)
    scores = generator.permutation(count) / count * 0.9 + 0.05
    return boxes, scores, generator.integers(0, 3, count), generator.integers(0, 4, count)


def merge(boxes, scores, labels, views, *args, **keys):
    return merge_views(
        box_quadrilaterals(np.array(boxes, float)), np.array(scores, float),
        np.array(labels, int), np.array(views, int), *args, **keys,
    )  # fmt: skip


def defect_in_its_views(degrees, seed):
    """A radial defect of 20x44 px, its box in each drill view that shows it, jittered."""
    generator = np.random.default_rng(seed)
    centre, angle = np.array([191.5, 191.5]), np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    defect = box_quadrilaterals(np.array([[-10.0, -22, 10, 22]])) @ turn.T
    defect = defect + centre + 75 * np.array([np.sin(angle), -np.cos(angle)])
    places, views = [], []
    for view in range(NUM_VIEWS):
        to_part = between_corners(view_homography(tuple(centre), view))
        there = project_points(defect, invert_homography(to_part))
        if shares_inside(there, VIEW_SIZE, VIEW_SIZE)[0] > 0.99:
            boxes = hull_boxes(there) + generator.normal(0, 1, 4)
            places.append(project_points(box_quadrilaterals(boxes), to_part)[0])
            views.append(view)
    scores = generator.uniform(0.5, 1, len(views))
    return np.array(places), scores, np.zeros(len(views), int), np.array(views), defect


@pytest.mark.parametrize('method', ['nms', 'wbf', 'voting'])
@pytest.mark.parametrize('degrees', [0, 20, 22.5, 45, 100, 315])
def test_one_defect_of_20_by_44_gives_one_part_box(method, degrees):
    *found, defect = defect_in_its_views(degrees, 3)
    assert len(found[0]) >= 2
    merged = merge_views(*found, method)
    assert len(merged.scores) == 1 and merged.members.tolist() == [0] * len(found[0])
    assert intersection_over_smaller(merged.places, defect)[0, 0] > 0.9
    softened = merge_views(*found, 'soft_nms')
    assert (softened.scores[1:] < 0.2).all() and softened.scores[0] == found[1].max()


@settings(deadline=None, max_examples=25)
@given(SEEDS)
def test_one_view_equals_our_operators(seed):
    boxes, scores, labels, _ = random_boxes(seed)
    one_view, one_class = np.zeros_like(labels), np.zeros_like(labels)
    merged = merge(boxes, scores, one_class, one_view, 'nms')
    tensors = torch.from_numpy(boxes), torch.from_numpy(scores.astype(np.float32))
    assert merged.leaders.tolist() == nms(*tensors, 0.5).tolist()
    merged = merge(boxes, scores, one_class, one_view, 'soft_nms', sigma=0.4, min_score=0)
    dets, kept = soft_nms(*tensors, sigma=0.4, min_score=0, method='gaussian')
    assert merged.leaders.tolist() == kept.tolist()
    np.testing.assert_allclose(merged.scores, dets[:, 4], rtol=1e-4)


def overlap_of(boxes, views, a, b):
    corners = box_quadrilaterals(boxes[[a, b]])
    measure = quadrilateral_ious if views[a] == views[b] else intersection_over_smaller
    return measure(corners, corners)[0, 1]


@settings(deadline=None, max_examples=20)
@given(SEEDS)
def test_several_views_equal_a_loop(seed):
    boxes, scores, labels, views = random_boxes(seed)
    left = sorted(range(len(scores)), key=lambda i: -scores[i])
    clusters = []
    while left:
        leader = left[0]
        joined = [
            i for i in left
            if i == leader
            or (labels[i] == labels[leader] and overlap_of(boxes, views, leader, i) >= 0.5)
        ]  # fmt: skip
        clusters.append(joined)
        left = [i for i in left if i not in joined]
    merged = merge(boxes, scores, labels, views, 'nms')
    assert merged.leaders.tolist() == [cluster[0] for cluster in clusters]
    for index, cluster in enumerate(clusters):
        assert np.flatnonzero(merged.members == index).tolist() == sorted(cluster)
    shown = np.random.default_rng(seed).integers(4, 6, len(scores))
    fused = merge(boxes, scores, labels, views, 'wbf', shown=shown)
    for cluster in clusters:
        position = fused.leaders.tolist().index(cluster[0])
        share = len(set(views[cluster])) / shown[cluster[0]]
        assert fused.scores[position] == pytest.approx(scores[cluster].mean() * share)
        alike = [
            i for i in cluster
            if quadrilateral_ious(*box_quadrilaterals(boxes[[cluster[0], i]])[:, None])[0, 0] >= 0.5
        ]  # fmt: skip
        mean = np.average(boxes[alike], axis=0, weights=scores[alike])
        np.testing.assert_allclose(hull_boxes(fused.places)[position], mean, rtol=1e-6)
    assert (np.diff(fused.scores) <= 0).all()


@settings(deadline=None)
@given(SEEDS, st.sampled_from(MERGE_METHODS))
def test_order_of_the_boxes_does_not_matter(seed, method):
    boxes, scores, labels, views = random_boxes(seed)
    order = np.random.default_rng(seed).permutation(len(scores))
    first = merge(boxes, scores, labels, views, method)
    second = merge(boxes[order], scores[order], labels[order], views[order], method)
    np.testing.assert_allclose(second.scores, first.scores, rtol=1e-12)
    # Means that are equal but for rounding may change places.
    one, two = np.argsort(first.leaders), np.argsort(order[second.leaders])
    assert order[second.leaders][two].tolist() == first.leaders[one].tolist()
    np.testing.assert_allclose(second.places[two], first.places[one], rtol=1e-9)
    assert second.labels[two].tolist() == first.labels[one].tolist()


def test_corners_are_averaged_whichever_view_lists_them():
    box = np.array([[0.0, 0, 10, 20]])
    first = box_quadrilaterals(box)
    # The same place seen from a view turned by 90 degrees, mirrored, a little larger.
    second = np.roll(box_quadrilaterals(box + [-1, -1, 1, 1])[:, ::-1], 1, axis=1)
    third = first + [40, 0]
    places = np.concatenate([first, second, third])
    merged = merge_views(places, np.array([0.6, 0.2, 0.1]), np.zeros(3, int), np.array([0, 1, 2]),
                         'wbf', shown=np.array([2, 2, 1]))  # fmt: skip
    np.testing.assert_allclose(hull_boxes(merged.places)[0], [-0.25, -0.25, 10.25, 20.25])
    np.testing.assert_allclose(merged.scores, [0.4, 0.1])


def test_a_turned_hull_adds_its_score_but_not_its_corners():
    square = box_quadrilaterals(np.array([[0.0, 0, 20, 20]]))
    diamond = np.array([[[10.0, -4], [24, 10], [10, 24], [-4, 10]]])
    merged = merge_views(np.concatenate([square, diamond]), np.array([0.8, 0.4]),
                         np.zeros(2, int), np.array([0, 1]), 'wbf')  # fmt: skip
    np.testing.assert_allclose(merged.places, square)
    np.testing.assert_allclose(merged.scores, [0.6])


def test_votes():
    boxes = [[0, 0, 10, 10], [1, 0, 10, 10], [0, 1, 10, 10], [30, 0, 40, 10], [60, 0, 70, 10]]
    scores, labels, views = [0.5, 0.9, 0.4, 0.99, 0.3], [0] * 5, [0, 1, 2, 0, 1]
    merged = merge(boxes, scores, labels, views, 'voting')
    assert merged.leaders.tolist() == [1] and merged.members.tolist() == [0, 0, 0, -1, -1]
    assert not len(merge(boxes, scores, labels, views, 'voting', min_votes=4, shown=np.full(5, 5))
                   .scores)  # fmt: skip
    # Where only one view shows a place, one vote is all there is.
    shown = np.array([3, 3, 3, 1, 2])
    merged = merge(boxes, scores, labels, views, 'voting', shown=shown)
    assert merged.leaders.tolist() == [3, 1] and merged.scores.tolist() == [0.99, 0.9]
    assert merged.members.tolist() == [1, 1, 1, 0, -1]


def test_two_boxes_of_one_view_overlap_by_iou_only():
    boxes, scores = [[0, 0, 100, 100], [10, 10, 30, 30]], [0.9, 0.8]
    assert len(merge(boxes, scores, [0, 0], [0, 0]).scores) == 2
    assert len(merge(boxes, scores, [0, 0], [0, 1]).scores) == 1
    assert len(merge(boxes, scores, [0, 1], [0, 1]).scores) == 2


@pytest.mark.parametrize('method', MERGE_METHODS)
def test_nothing_one_and_nan(method):
    merged = merge_views(np.zeros((0, 4, 2)), np.zeros(0), np.zeros(0, int), np.zeros(0, int),
                         method)  # fmt: skip
    assert merged.places.shape == (0, 4, 2) and merged.labels.dtype == np.int64
    nan = float('nan')
    merged = merge([[0, 0, 1, 1], [nan] * 4], [0.5, 0.4], [2, 2], [0, 1], method, min_votes=1)
    assert merged.labels.tolist() == [2, 2] and merged.members.tolist() == [0, 1]
    merged = merge([[0, 0, 1, 1]], [0.0], [0], [0], method, min_score=0, min_votes=1)
    assert merged.scores.tolist() == [0] and np.isfinite(merged.places).all()


@pytest.mark.parametrize(
    ('keys', 'message'),
    [
        ({'method': 'mean'}, "method must be one of nms, soft_nms, wbf, voting, got 'mean'"),
        ({'min_overlap': 0}, 'min_overlap must be above 0 and at most 1, got 0'),
        ({'min_votes': 0}, 'min_votes must be at least 1, got 0'),
        ({'sigma': 0}, 'sigma must be above 0, got 0'),
    ],
)
def test_bad_values(keys, message):
    with pytest.raises(ValueError, match=message):
        merge([], [], [], [], **keys)
