"""Votes of the views on the teacher's boxes."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.registry import MODELS
from mmengine.structures import InstanceData

import mmdefect.registry  # noqa: F401  registers the scope
from mmdefect.datasets.synthetic.views import NUM_VIEWS, VIEW_SIZE, view_homography
from mmdefect.errors import InputError
from mmdefect.geometry import (
    between_corners,
    box_quadrilaterals,
    hull_boxes,
    invert_homography,
    project_points,
    shares_inside,
)
from mmdefect.models.pseudo_labels.view_consensus import ViewConsensus

CENTRE = np.array([191.5, 191.5])


def found(boxes=(), labels=None, scores=None):
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    return InstanceData(
        bboxes=boxes,
        scores=torch.full((len(boxes),), 0.9) if scores is None else torch.tensor(scores),
        labels=torch.tensor([0] * len(boxes) if labels is None else labels, dtype=torch.int64),
    )


def sample(view=0, part='p', shape=(50, 50), **meta):
    keys = {
        'img_path': f'{part}_{view}.png', 'part_id': part, 'view_id': view,
        'view_role': 'inspect', 'ori_shape': shape, 'img_shape': shape,
        'homography_matrix': np.eye(3, dtype=np.float32), 'part_homography': np.eye(3),
    }  # fmt: skip
    return DetDataSample(metainfo={**keys, **meta})


def consensus_of(boxes, samples=None, **keys):
    samples = [sample(view) for view in range(len(boxes))] if samples is None else samples
    predictions = [item if isinstance(item, InstanceData) else found(item) for item in boxes]
    labels, counts = ViewConsensus(**keys)(predictions, samples)
    return [item.weights.tolist() for item in labels], labels, counts


A, B = [5.0, 5, 20, 20], [6.0, 5, 20, 21]


# ----------------------------------------------------------------------------------- drill parts
def defect_at(degrees, width=20.0, height=44.0, radius=75.0):
    """A radial defect of the drill, in box coordinates of the part."""
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    box = box_quadrilaterals(np.array([[-width / 2, -height / 2, width / 2, height / 2]]))
    return box @ turn.T + CENTRE + radius * np.array([np.sin(angle), -np.cos(angle)])


def augmented(generator, size=VIEW_SIZE):
    """Resize and flips, as MMDetection's steps record them; its matrix and the new (w, h)."""
    scale = generator.uniform(0.5, 2, 2)
    matrix, extent = np.diag([*scale, 1.0]), size * scale
    for axis in (0, 1):
        if generator.random() < 0.5:
            flip = np.eye(3)
            flip[axis, [axis, 2]] = -1, extent[axis]
            matrix = flip @ matrix
    return matrix.astype(np.float32), extent


def drill_views(defect, generator):
    """Samples of the eight views and the exact box in each that shows the whole defect."""
    samples, boxes = [], []
    for view in range(NUM_VIEWS):
        homography = view_homography(tuple(CENTRE), view)
        matrix, (width, height) = augmented(generator)
        samples.append(
            sample(
                view,
                shape=(VIEW_SIZE, VIEW_SIZE),
                img_shape=(height, width),
                homography_matrix=matrix,
                part_homography=homography.tolist(),
            )
        )
        in_view = project_points(defect, invert_homography(between_corners(homography)))
        whole = shares_inside(in_view, VIEW_SIZE, VIEW_SIZE)[0] > 0.999
        boxes.append(hull_boxes(project_points(in_view, matrix)) if whole else np.zeros((0, 4)))
    return samples, boxes


@pytest.mark.parametrize('degrees', [0, 20, 22.5, 45, 100, 315])
def test_one_defect_of_20_by_44_is_confirmed_in_all_its_views(degrees):
    samples, boxes = drill_views(defect_at(degrees), np.random.default_rng(int(degrees)))
    assert sum(map(len, boxes)) >= 2
    weights, _, counts = consensus_of(boxes, samples)
    assert {weight for image in weights for weight in image} == {1.25}
    assert counts.judged.tolist() == counts.confirmed.tolist() == [sum(map(len, boxes))]


@pytest.mark.parametrize('degrees', [0, 45, 90, 180, 315])
def test_missed_box_is_added_where_it_belongs(degrees):
    samples, boxes = drill_views(defect_at(degrees), np.random.default_rng(1 + int(degrees)))
    shown = [view for view in range(NUM_VIEWS) if len(boxes[view])]
    assert len(shown) == 3
    for missed in shown:
        given = [box if view != missed else np.zeros((0, 4)) for view, box in enumerate(boxes)]
        _, labels, counts = consensus_of(given, samples, add_missed=True)
        added = labels[missed]
        assert added.added.tolist() == [True] and added.weights.tolist() == [0.5]
        truth, box = boxes[missed][0], added.bboxes[0].numpy()
        common = (np.minimum(truth[2:], box[2:]) - np.maximum(truth[:2], box[:2])).clip(0).prod()
        union = sum((b[2:] - b[:2]).prod() for b in (truth, box)) - common
        # Two views turned by 45 degrees leave open how long and narrow it is.
        assert common / union > (0.4 if 45 * missed == degrees else 0.9)
        np.testing.assert_allclose(truth[:2] + truth[2:], box[:2] + box[2:], atol=0.1)
        assert counts.added >= 1


def test_views_that_do_not_show_the_place_have_no_vote():
    samples, boxes = drill_views(defect_at(0), np.random.default_rng(0))
    opposite = (np.flatnonzero([len(box) for box in boxes])[0] + 4) % NUM_VIEWS
    assert not len(boxes[opposite])
    lonely = [box if view == 0 else np.zeros((0, 4)) for view, box in enumerate(boxes)]
    weights, _, counts = consensus_of(lonely, samples)
    assert weights[0] == [0.5] and counts.judged.tolist() == [1]
    # With only the opposite view left, nobody else can say anything: the weight stays 1.
    weights, _, counts = consensus_of([boxes[0], np.zeros((0, 4))], [samples[0], samples[opposite]])
    assert weights == [[1], []]
    assert counts.judged.sum() == counts.confirmed.sum() == counts.added == 0


# --------------------------------------------------------------------------------------- weights
def test_confirmed_lonely_and_one_to_one():
    # One of the two boxes of view 1 finds its partner taken.
    weights, _, counts = consensus_of([[A, [30.0, 30, 40, 40]], [B, A], []])
    assert weights == [[1.25, 0.5], [0.5, 1.25], []]
    assert counts.judged.tolist() == [4] and counts.confirmed.tolist() == [2]


def test_other_class_does_not_confirm():
    weights, _, _ = consensus_of([found([A], [0]), found([B], [1])])
    assert weights == [[0.5], [0.5]]


def test_hard_class_asks_for_more_views():
    boxes = [found([A, [30.0, 30, 45, 45]], [0, 1]), found([A, [30.0, 30, 45, 45]], [0, 1]),
             found(), found()]  # fmt: skip
    keys = {'min_votes': {'rust': 3}, 'classes': ('chip', 'rust')}
    weights, _, counts = consensus_of(boxes, **keys)
    assert weights[0] == weights[1] == pytest.approx([1.25, 0.875])
    assert counts.judged.tolist() == [2, 2] and counts.confirmed.tolist() == [2, 0]
    # No more votes than there are views can be asked for.
    weights, _, _ = consensus_of(boxes[:2], **keys)
    assert weights == [[1.25, 1.25]] * 2


def test_keys_change_weights():
    keys = {'confirmed_weight': 2.0, 'lonely_weight': 0.1}
    weights, _, _ = consensus_of([[A, [30.0, 30, 40, 40]], [B]], **keys)
    assert weights[0] == pytest.approx([2, 0.1])
    assert consensus_of([[[0.0, 0, 10, 10]], [[4.0, 0, 14, 10]]])[0] == [[1.25], [1.25]]
    loose = consensus_of([[[0.0, 0, 10, 10]], [[4.0, 0, 14, 10]]], min_overlap=0.7)[0]
    assert loose == [[0.5], [0.5]]


@pytest.mark.parametrize(('inside', 'expected'), [(0.9, 1.0), (0.5, 0.5)])
def test_share_that_an_image_must_contain(inside, expected):
    aside = np.array([[1.0, 0, 12.5], [0, 1, 0], [0, 0, 1]])  # shows from x = 12.5 on
    samples = [sample(0), sample(1, part_homography=aside)]
    assert consensus_of([[A], []], samples, inside=inside)[0][0] == [expected]


def test_what_the_augmentation_cropped_away_is_not_shown():
    crop = np.array([[1.0, 0, -25], [0, 1, 0], [0, 0, 1]], np.float32)
    cropped = sample(1, homography_matrix=crop, img_shape=(50, 25))
    assert consensus_of([[A], []], [sample(0), cropped])[0] == [[1], []]
    # Nor is a canvas beyond the original view.
    shifted = np.array([[1.0, 0, 100], [0, 1, 0], [0, 0, 1]])
    beyond = sample(1, part_homography=shifted, img_shape=(50, 400),
                    homography_matrix=np.array([[1, 0, 200], [0, 1, 0], [0, 0, 1]]))  # fmt: skip
    assert consensus_of([[A], []], [sample(0), beyond])[0] == [[1], []]


def test_parts_do_not_vote_for_each_other_and_one_drawn_twice_is_two():
    samples = [sample(0, 'a'), sample(1, 'b'), sample(0, 'c'), sample(0, 'c')]
    assert consensus_of([[A]] * 4, samples)[0] == [[1]] * 4


def test_reference_views_have_no_say():
    samples = [sample(0), sample(1, view_role='reference'), sample(2)]
    weights, labels, _ = consensus_of([[A], [A], []], samples, add_missed=True)
    assert weights == [[0.5], [1], []]
    assert not torch.cat([item.added for item in labels]).any()


def test_free_views_agree_by_class():
    samples = [sample(view, part_homography=None) for view in range(3)]
    boxes = [found([A, A], [0, 1]), found([[30.0, 30, 40, 40]], [0]), found()]
    weights, labels, counts = consensus_of(boxes, samples, add_missed=True)
    assert weights == [[1.25, 0.5], [1.25], []]
    assert counts.judged.tolist() == [2, 1] and counts.confirmed.tolist() == [2, 0]
    assert counts.added == 0 and not len(labels[2])
    assert consensus_of([[A]], samples[:1])[0] == [[1]]


# ----------------------------------------------------------------------------------- added boxes
def test_added_box_is_what_the_boxes_have_in_common():
    boxes = [[[5.0, 5, 20, 20]], [[8.0, 5, 24, 20]], []]
    boxes = [
        found(box, scores=[score] * len(box))
        for box, score in zip(boxes, (0.9, 0.7, 0), strict=True)
    ]
    boxes[0].note, boxes[1].note = torch.tensor([3.0]), torch.tensor([4.0])
    boxes[2].note = torch.zeros(0)
    _, labels, counts = consensus_of(boxes, add_missed=True, added_weight=0.7)
    assert labels[2].bboxes.tolist() == [[8, 5, 20, 20]]
    assert labels[2].scores.tolist() == pytest.approx([0.8])
    assert labels[2].weights.tolist() == pytest.approx([0.7])
    assert labels[2].note.tolist() == [3] and labels[2].labels.tolist() == [0]
    assert [item.added.tolist() for item in labels] == [[False], [False], [True]]
    assert counts.added == 1
    assert not len(consensus_of(boxes)[1][2])


def test_a_piece_at_the_border_does_not_shrink_the_added_box():
    narrow = sample(1, ori_shape=(50, 12), img_shape=(50, 12))
    boxes = [found([A]), found([[5.0, 5, 12, 20]], scores=[0.99]), found([B]), found()]
    samples = [sample(0), narrow, sample(2), sample(3)]
    _, labels, _ = consensus_of(boxes, samples, add_missed=True)
    assert labels[3].bboxes.tolist() == [[6, 5, 20, 20]]


def test_lonely_boxes_are_not_added_and_added_ones_are_clipped():
    assert not len(consensus_of([[A], [], []], add_missed=True)[1][1])
    right = np.array([[1.0, 0, 8], [0, 1, 0], [0, 0, 1]])  # shows from x = 8 on
    samples = [sample(0), sample(1), sample(2, part_homography=right)]
    _, labels, _ = consensus_of([[A], [A], []], samples, add_missed=True)
    assert labels[2].bboxes.tolist() == [[0, 5, 12, 20]]


def test_input_is_not_changed_and_type_of_boxes_kept():
    given = [found([A]), found([B]), found()]
    for item in given:
        item.bboxes = HorizontalBoxes(item.bboxes)
    _, labels, _ = consensus_of(given, add_missed=True)
    assert all('weights' not in item for item in given) and not len(given[2])
    assert isinstance(labels[2].bboxes, HorizontalBoxes) and len(labels[2]) == 1
    assert labels[0].weights.dtype == torch.float32 and labels[0].added.dtype == torch.bool


@pytest.mark.parametrize('count', [1, 4])
def test_no_boxes_at_all(count):
    weights, labels, counts = consensus_of([[]] * count, add_missed=True)
    assert weights == [[]] * count
    assert all(item.weights.shape == item.added.shape == (0,) for item in labels)
    assert counts.judged.sum() == counts.added == 0


# ------------------------------------------------------------------------------------- bad input
@pytest.mark.parametrize('key', ['homography_matrix', 'img_shape', 'ori_shape'])
def test_missing_meta_key_is_named(key):
    with pytest.raises(InputError, match=rf"p_1\.png: the meta key '{key}' does not reach"):
        consensus_of([[A], [A]], [sample(0), sample(1, **{key: None})])


def test_bad_geometry_is_named():
    with pytest.raises(InputError, match=r'p_1\.png: part_homography must have an inverse'):
        consensus_of([[A], [A]], [sample(0), sample(1, part_homography=np.zeros((3, 3)))])
    with pytest.raises(InputError, match=r"p_1\.png: part_homography is absent.*part 'p'"):
        consensus_of([[A], [A]], [sample(0), sample(1, part_homography=None)])


def test_values_that_are_not_finite_or_do_not_fit():
    with pytest.raises(ValueError, match='must be finite'):
        consensus_of([[[0, 0, float('nan'), 1]]])
    with pytest.raises(ValueError, match='same length, got 1 and 0'):
        ViewConsensus()([found([A])], [])
    with pytest.raises(InputError, match='label 2 has no name; classes lists 2'):
        consensus_of([found([A], [2])] * 2, min_votes={'a': 3}, classes=('a', 'b'))


@pytest.mark.parametrize(
    ('keys', 'message'),
    [
        ({'min_vote': 3}, "unknown key 'min_vote'; did you mean 'min_votes'?"),
        ({'min_votes': 1}, 'min_votes must be a whole number of at least 2, got 1'),
        ({'min_votes': True}, 'min_votes must be a whole number of at least 2, got True'),
        ({'min_votes': {'rust': 3}}, 'min_votes names classes; give classes='),
        ({'min_votes': {'rusty': 3}, 'classes': ('rust',)}, "'rusty'; did you mean 'rust'?"),
        ({'min_votes': {'rust': 1.5}, 'classes': ('rust',)}, 'got 1.5 for rust'),
        ({'min_overlap': 0}, 'min_overlap must be 1e-06 to 1, got 0'),
        ({'inside': 1.5}, 'inside must be 1e-06 to 1, got 1.5'),
        ({'confirmed_weight': 0.9}, 'confirmed_weight must be at least 1, got 0.9'),
        ({'lonely_weight': -1}, 'lonely_weight must be 0 to 1, got -1'),
        ({'lonely_weight': float('nan')}, 'lonely_weight must be 0 to 1, got nan'),
        ({'added_weight': -0.1}, 'added_weight must be at least 0, got -0.1'),
    ],
)
def test_bad_keys(keys, message):
    with pytest.raises(InputError, match=re.escape(message)):
        ViewConsensus(**keys)


def test_built_from_a_config():
    consensus = MODELS.build({'type': 'mmdefect.ViewConsensus', 'add_missed': True})
    assert isinstance(consensus, ViewConsensus) and consensus.add_missed
