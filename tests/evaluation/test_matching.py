from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdefect.evaluation import matching
from mmdefect.evaluation.flat_boxes import flatten_images
from mmdefect.evaluation.matching import (
    find_overlaps,
    match_detections,
    match_greedily,
    match_image,
)

BOX = (10, 10, 20, 20)


@pytest.mark.parametrize(
    ('truth', 'found', 'expected'),
    [
        ([], [], []),
        ([(*BOX, 0, 0)], [], []),
        ([], [(*BOX, 0, 0.9)], [-1]),
        ([(*BOX, 0, 0)], [(*BOX, 0, 0.9)], [0]),
        ([(*BOX, 1, 0)], [(*BOX, 0, 0.9)], [-1]),
        ([(*BOX, 0, 0)], [(*BOX, 0, 0.1), (*BOX, 0, 0.9)], [-1, 0]),
        ([(*BOX, 0, 0)], [(*BOX, 0, 0.9), (*BOX, 0, 0.9)], [0, -1]),
        ([(*BOX, 0, 0)], [(10, 10, 20, 15, 0, 0.9)], [0]),
        ([(*BOX, 0, 0)], [(10, 10, 20, 14.9, 0, 0.9)], [-1]),
        ([(*BOX, 0, 0), (10, 10, 20, 19, 0, 0)], [(*BOX, 0, 0.9), (*BOX, 0, 0.8)], [0, 1]),
        # Of two boxes with the same IoU, COCO takes the later one.
        ([(*BOX, 0, 0), (*BOX, 0, 0)], [(*BOX, 0, 0.9), (*BOX, 0, 0.8)], [1, 0]),
        ([(0, 0, 90, 90, 0, 1)], [(*BOX, 0, 0.9), (*BOX, 0, 0.8)], [-2, -2]),
        ([(0, 0, 90, 90, 1, 1)], [(*BOX, 0, 0.9)], [-1]),
        ([(0, 0, 90, 90, 0, 1), (*BOX, 0, 0)], [(*BOX, 0, 0.9)], [1]),
        ([(0, 0, 90, 90, 0, 1), (*BOX, 0, 0)], [(*BOX, 0, 0.9), (*BOX, 0, 0.8)], [1, -2]),
        # Half of the detection inside the ignored box is enough, less is not.
        ([(10, 10, 15, 20, 0, 1)], [(*BOX, 0, 0.9)], [-2]),
        ([(10, 10, 14, 20, 0, 1)], [(*BOX, 0, 0.9)], [-1]),
        ([(10, 10, 11, 11, 0, 0)], [(10, 10, 11, 11, 0, 0.9)], [0]),
        ([(10, 10, 10, 10, 0, 0)], [(10, 10, 10, 10, 0, 0.9)], [-1]),
        ([(-5, -5, 5, 5, 0, 0)], [(-5, -5, 5, 5, 0, 0.0)], [0]),
    ],
)
def test_match(image_result, truth, found, expected):
    image = image_result(
        [row[:4] for row in truth], [row[4] for row in truth],
        [row[:4] for row in found], [row[4] for row in found], [row[5] for row in found],
        [row[5] for row in truth],
    )  # fmt: skip
    assert match_image(image).tolist() == expected


def shared(a, b):
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    return w * h if w > 0 and h > 0 else 0.0


def area(box):
    return (box[2] - box[0]) * (box[3] - box[1])


def slow_match(image, threshold):
    """COCO's protocol in plain loops."""
    matches = [-1] * len(image.scores)
    taken = set()
    for row in sorted(range(len(image.scores)), key=lambda index: -image.scores[index]):
        box, best, ignored = image.boxes[row].tolist(), 0.0, False
        for index, truth in enumerate(image.gt_boxes.tolist()):
            common = shared(box, truth)
            if image.gt_labels[index] != image.labels[row] or not common:
                continue
            if image.gt_ignored[index]:
                ignored |= common / area(box) >= threshold
                continue
            iou = common / (area(box) + area(truth) - common)
            if index not in taken and iou >= max(best, threshold):
                best, matches[row] = iou, index
        if matches[row] >= 0:
            taken.add(matches[row])
        elif ignored:
            matches[row] = -2
    return matches


@settings(max_examples=200, deadline=None)
@given(data=st.data(), threshold=st.sampled_from([0.1, 0.5, 0.75]))
def test_equals_plain_loops(small_images, data, threshold):
    images = data.draw(small_images(most=12))
    boxes = flatten_images(images)
    matches = match_detections(boxes, find_overlaps(boxes, threshold), threshold)
    for index, image in enumerate(images):
        own = boxes.image == index
        local = np.where(matches[own] >= 0, matches[own] - boxes.truth_start[index], matches[own])
        expected = np.array(slow_match(image, threshold), np.int64)
        np.testing.assert_array_equal(local, expected[boxes.position[own]])


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_best_overlaps_equal_plain_loops(small_images, data):
    images = data.draw(small_images())
    boxes = flatten_images(images)
    overlaps = find_overlaps(boxes, 0)
    truth_image = boxes.truth_image()
    for row, box in enumerate(boxes.boxes.tolist()):
        ious = {True: [0.0], False: [0.0]}
        for index in np.flatnonzero((truth_image == boxes.image[row]) & ~boxes.truth_ignored):
            truth = boxes.truth[index].tolist()
            common = shared(box, truth)
            iou = common / (area(box) + area(truth) - common) if common else 0.0
            ious[bool(boxes.truth_labels[index] == boxes.labels[row])].append(iou)
        assert overlaps.own_iou[row] == max(ious[True])
        assert overlaps.other_iou[row] == max(ious[False])
        assert (overlaps.own_truth[row] >= 0) == (max(ious[True]) > 0)
    assert (np.diff(overlaps.pair_found) >= 0).all()
    assert not boxes.truth_ignored[overlaps.pair_truth].any()


@pytest.mark.parametrize('at_once', [1, 7, 40])
def test_portions_change_nothing(monkeypatch, random_images, at_once):
    boxes = flatten_images(random_images(3, images=9))
    whole = find_overlaps(boxes)
    monkeypatch.setattr(matching, '_PAIRS_AT_ONCE', at_once)
    parts = find_overlaps(boxes)
    for name in matching.Overlaps.__slots__:
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name), err_msg=name)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 6).flatmap(lambda n: st.lists(st.permutations(range(n)), max_size=9)))
def test_turns_taken_at_once_are_turns(wishes):
    """Every detection wants every box, in an order of its own: the longest chains there are."""
    truths = len(wishes[0]) if wishes else 1
    found = np.repeat(np.arange(len(wishes)), truths)
    matches = match_greedily(found, np.array(wishes, np.int64).ravel(), len(wishes), truths)
    free = set(range(truths))
    for wish, match in zip(wishes, matches.tolist(), strict=True):
        expected = next((box for box in wish if box in free), -1)
        free.discard(expected)
        assert match == expected


def test_matches_hold_at_every_threshold(random_images):
    for image in random_images(1, clutter=12):
        whole = match_image(image)
        for threshold in (0.101, 0.105):
            kept = image.scores >= threshold
            part = type(image)(
                image.path, image.width, image.height,
                image.gt_boxes, image.gt_labels, image.gt_ignored,
                image.boxes[kept], image.labels[kept], image.scores[kept],
            )  # fmt: skip
            np.testing.assert_array_equal(match_image(part), whole[kept])


@pytest.mark.parametrize('score', [np.nan, np.inf])
def test_score_that_is_not_finite(image_result, score):
    with pytest.raises(ValueError, match='scores must be finite'):
        match_image(image_result(found=[BOX], found_labels=[0], scores=[score]))
