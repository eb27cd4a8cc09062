"""Parts: views merged, defects counted once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdefect.datasets.synthetic.views import NUM_VIEWS, VIEW_SIZE, view_homography
from mmdefect.errors import InputError
from mmdefect.evaluation.analysis import analyse_images
from mmdefect.evaluation.image_result import ImageResult
from mmdefect.evaluation.part_analysis import analyse_parts
from mmdefect.evaluation.view_result import ViewResult
from mmdefect.geometry import (
    MERGE_METHODS,
    between_corners,
    box_quadrilaterals,
    hull_boxes,
    invert_homography,
    project_points,
    shares_inside,
)

CENTRE = (191.5, 191.5)
A, B = [5.0, 5, 25, 25], [50.0, 50, 80, 70]


def view(truth=(), found=(), part='p', view_id=0, to_part=None, ids=None, labels=None,
         scores=None, ignored=None, found_labels=None, size=100):  # fmt: skip
    image = ImageResult(
        f'{part}_{view_id}.png', size, size,
        np.array(truth, np.float32).reshape(-1, 4),
        np.array(labels if labels is not None else [0] * len(truth), np.int64),
        np.zeros(len(truth), bool) if ignored is None else np.array(ignored, bool),
        np.array(found, np.float32).reshape(-1, 4),
        np.array(found_labels if found_labels is not None else [0] * len(found), np.int64),
        np.array(scores if scores is not None else [0.9] * len(found), np.float32),
    )  # fmt: skip
    return ViewResult(image, part, view_id, to_part, tuple(ids or [None] * len(truth)))


def registered(*args, **keys):
    return view(*args, to_part=np.eye(3), **keys)


def numbers(views, classes=1, **keys):
    analysis = analyse_parts(views, classes, 100, **keys)
    table, at = analysis.table, analysis.at
    return {
        'parts': analysis.images,
        'defects': int(table.truth.sum()),
        'found': int(table.found[:, at].sum()),
        'false': int(table.false[:, at].sum()),
        'ap50': analysis.scores.ap50,
    }


def drill_part(degrees, part='p', ids=True, detect=lambda view_id: True):
    """A radial 20x44 defect, its box in each view that shows it whole; some detected."""
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    defect = box_quadrilaterals(np.array([[-10.0, -22, 10, 22]])) @ turn.T + np.array(CENTRE)
    defect = defect + 75 * np.array([np.sin(angle), -np.cos(angle)])
    views = []
    for view_id in range(NUM_VIEWS):
        to_part = between_corners(view_homography(CENTRE, view_id))
        there = project_points(defect, invert_homography(to_part))
        seen = shares_inside(there, VIEW_SIZE, VIEW_SIZE)[0] > 0.99
        boxes = hull_boxes(there).tolist() if seen else []
        views.append(
            view(boxes, boxes if detect(view_id) else [], part, view_id, to_part,
                 ids=['d'] * len(boxes) if ids else None, size=VIEW_SIZE)
        )  # fmt: skip
    return views


@pytest.mark.parametrize('ids', [True, False])
@pytest.mark.parametrize('degrees', [0, 20, 22.5, 45, 100])
@pytest.mark.parametrize('method', ['nms', 'wbf', 'voting'])
def test_one_defect_of_20_by_44_is_one_defect_found_once(degrees, ids, method):
    views = drill_part(degrees, ids=ids)
    assert sum(len(item.image.gt_boxes) for item in views) >= 2
    made = numbers(views, method=method)
    assert (made['parts'], made['defects'], made['found'], made['false']) == (1, 1, 1, 0)
    assert made['ap50'] == pytest.approx(1)


@pytest.mark.parametrize('seen', range(3))
def test_found_in_any_of_its_views_is_found(seen):
    views = drill_part(45)
    shown = [item.view_id for item in views if len(item.image.gt_boxes)]
    assert len(shown) == 3
    views = drill_part(45, detect=lambda view_id: view_id == shown[seen])
    made = numbers(views)
    assert (made['defects'], made['found'], made['false']) == (1, 1, 0)
    # One vote of three is not enough.
    assert numbers(views, method='voting')['found'] == 0


def test_iou_is_that_of_the_pixels_of_its_view():
    turned = between_corners(view_homography(CENTRE, 1))
    truth = [40.0, 40, 60, 80]
    for top, found in ((59.9, 1), (60.1, 0)):
        views = [view([truth], [[40.0, top, 60, 80]], to_part=turned)]
        assert numbers(views)['found'] == found


@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_parts_of_one_view_are_images(small_images, data):
    images = data.draw(small_images())
    views = [
        ViewResult(image, index, 0, np.eye(3), tuple(range(len(image.gt_labels))))
        for index, image in enumerate(images)
    ]
    # Boxes at one place with IoU 0.5 or more would be merged, so nothing is.
    parts = analyse_parts(views, 3, 100, method='soft_nms', sigma=1e9, min_score=0)
    expected = analyse_images(images, 3, 100)
    np.testing.assert_allclose(parts.scores.ap, expected.scores.ap)
    for name in ('truth', 'found', 'false', 'flagged_defect', 'flagged_good', 'false_on_good'):
        np.testing.assert_array_equal(getattr(parts.table, name), getattr(expected.table, name))
    np.testing.assert_array_equal(parts.confusion, expected.confusion)
    np.testing.assert_allclose(parts.mean_iou, expected.mean_iou)


def test_defects_by_id_and_by_place():
    far = [60.0, 5, 80, 25]
    same = [registered([A], ids=['x']), registered([far], ids=['x'], view_id=1)]
    assert numbers(same)['defects'] == 1
    other = [registered([A], ids=['x']), registered([A], ids=['y'], view_id=1)]
    assert numbers(other)['defects'] == 2
    nameless = [registered([A]), registered([A, far], view_id=1)]
    assert numbers(nameless)['defects'] == 2
    mixed = [registered([A], ids=['x']), registered([A, far], ids=[None, 'x'], view_id=1)]
    assert numbers(mixed)['defects'] == 2
    classes = [registered([A], ids=['x']), registered([A], ids=['x'], labels=[1], view_id=1)]
    assert numbers(classes, 2)['defects'] == 2
    # Ids 0 and '' are ids.
    assert numbers([registered([A, far], ids=[0, 0])])['defects'] == 1


def test_false_alarms_of_a_part_are_merged_too():
    good = [registered(found=[A], view_id=k) for k in range(3)]
    made = numbers([*good, registered([A], [A], part='q')])
    assert (made['parts'], made['false']) == (2, 1)


def test_ignored_defect_counts_neither_way():
    crowd = [registered([A], [A], ignored=[True]), registered([A], view_id=1, ignored=[True])]
    made = numbers(crowd)
    assert (made['defects'], made['found'], made['false']) == (0, 0, 0)
    # Ignored in one view only, it still counts.
    half = [registered([A], [A], ignored=[True]), registered([A], view_id=1)]
    made = numbers(half)
    assert (made['defects'], made['found'], made['false']) == (1, 1, 0)


def test_free_views_are_not_merged():
    views = [
        view([A], [A, B], ids=['x'], scores=[0.9, 0.5]),
        view([B], [B, A], ids=['x'], view_id=1, scores=[0.8, 0.5]),
        view([], [], view_id=2),
    ]
    analysis = analyse_parts(views, 1, 100)
    # At 0.5: the defect is found once, the second finding of it does not count, A and B at the
    # wrong place are false.
    assert analysis.table.truth.tolist() == [1]
    assert analysis.table.found[0, 50] == 1 and analysis.table.false[0, 50] == 2
    # Without ids each box is a defect of its own.
    views = [view([A], [A]), view([A], [], view_id=1)]
    assert numbers(views)['defects'] == 2


def test_votes_need_only_the_views_that_show_the_place():
    aside = np.array([[1.0, 0, 200], [0, 1, 0], [0, 0, 1]])
    views = [registered([A], [A]), view(view_id=1, to_part=aside)]
    assert numbers(views, method='voting')['found'] == 1
    assert numbers([views[0], registered(view_id=1)], method='voting')['found'] == 0
    partly = view(view_id=1, to_part=np.array([[1.0, 0, 10], [0, 1, 0], [0, 0, 1]]))
    assert numbers([views[0], partly], method='voting', inside=0.75)['found'] == 0
    assert numbers([views[0], partly], method='voting', inside=0.8)['found'] == 1


def test_order_of_views_and_parts_does_not_matter():
    views = [item for part in 'ab' for item in drill_part(45 if part == 'a' else 20, part)]
    first, second = analyse_parts(views, 1, 100), analyse_parts(views[::-1], 1, 100)
    np.testing.assert_array_equal(first.table.found, second.table.found)
    np.testing.assert_allclose(first.mean_iou, second.mean_iou)


def test_most_detections_of_a_part():
    boxes = [[10.0 * k, 0, 10 * k + 8, 8] for k in range(6)]
    analysis = analyse_parts([registered(boxes, boxes, scores=np.arange(6) / 10 + 0.2)], 1, 4)
    assert analysis.table.found[0, 1] == 4


@pytest.mark.parametrize('method', MERGE_METHODS)
def test_nothing_to_merge(method):
    made = numbers([], method=method)
    assert made['parts'] == made['defects'] == 0
    made = numbers([registered(), registered(view_id=1)], method=method)
    assert (made['parts'], made['defects'], made['false']) == (1, 0, 0)


def test_some_views_registered_and_others_not():
    with pytest.raises(InputError, match=r"p_1\.png: part_homography is absent.*part 'p'"):
        analyse_parts([registered(), view(view_id=1)], 1, 100)
