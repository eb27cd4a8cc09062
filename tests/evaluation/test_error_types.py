from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdefect.evaluation.error_types import (
    ERROR_TYPES,
    count_errors,
    gain_without_errors,
    type_errors,
)
from mmdefect.evaluation.flat_boxes import flatten_images
from mmdefect.evaluation.matching import find_overlaps, match_detections
from mmdefect.evaluation.score_table import reaches

BOX = (0, 0, 10, 10)
LOOSE = (0, 0, 10, 4)  # IoU 0.4 with BOX
FAR = (30, 30, 40, 40)


def errors_of(images, classes=2, threshold=0.0):
    """Names of the errors in the order of `flatten_images`, counts and gains by name."""
    boxes = flatten_images(images)
    overlaps = find_overlaps(boxes)
    matches = match_detections(boxes, overlaps)
    errors = type_errors(boxes, overlaps, matches)
    counted = reaches(boxes.scores, threshold)
    counts = count_errors(boxes, overlaps, matches, errors, counted, classes)
    gains = gain_without_errors(boxes, overlaps, matches, errors, classes)
    names = [{-1: 'found', -2: 'ignored'}.get(code) or ERROR_TYPES[code] for code in errors]
    return (
        names,
        dict(zip(ERROR_TYPES, counts.T.tolist(), strict=True)),
        dict(zip(ERROR_TYPES, gains.T, strict=True)),
    )


@pytest.mark.parametrize(
    ('found', 'label', 'expected'),
    [
        (BOX, 0, 'found'),
        ((0, 0, 10, 5), 0, 'found'),  # IoU 0.5
        ((0, 0, 10, 4.9), 0, 'localisation'),
        (LOOSE, 0, 'localisation'),
        ((0, 0, 10, 1), 0, 'localisation'),  # IoU 0.1
        ((0, 0, 10, 0.9), 0, 'background'),
        (BOX, 1, 'classification'),
        ((0, 0, 10, 5), 1, 'classification'),
        (LOOSE, 1, 'both'),
        ((0, 0, 10, 1), 1, 'both'),
        ((0, 0, 10, 0.9), 1, 'background'),
        (FAR, 0, 'background'),
        (FAR, 1, 'background'),
    ],
)
def test_one_detection(image_result, found, label, expected):
    names, counts, _ = errors_of([image_result([BOX], [0], [found], [label], [0.9])])
    assert names == [expected]
    missed = expected in ('both', 'background')
    assert counts['missed'] == [int(missed), 0]
    for name in ERROR_TYPES[:-1]:
        assert counts[name][label] == int(name == expected)


def test_duplicates(image_result):
    image = image_result([BOX], [0], [BOX, BOX, LOOSE, BOX], [0, 0, 0, 1], [0.9, 0.8, 0.7, 0.6])
    names, counts, _ = errors_of([image])
    assert names == ['found', 'duplicate', 'localisation', 'classification']
    assert counts['missed'] == [0, 0]


def test_own_class_comes_before_another_one(image_result):
    # IoU 0.4 with a box of its class and 1 with one of another: TIDE calls it badly placed.
    image = image_result([BOX, LOOSE], [0, 1], [LOOSE], [0], [0.9])
    assert errors_of([image])[0] == ['localisation']


def test_ignored_boxes_count_neither_way(image_result):
    image = image_result([BOX], [0], [BOX, BOX, FAR], [0, 1, 0], [0.9, 0.8, 0.7], [True])
    names, counts, gains = errors_of([image])
    assert names == ['ignored', 'background', 'background']
    assert counts['missed'] == [0, 0]
    assert all(np.isnan(gain).all() for gain in gains.values())


def test_counts_at_a_threshold(image_result):
    image = image_result([BOX, FAR], [0, 0], [BOX, LOOSE, FAR], [0, 0, 0], [0.5, 0.49, 0.4])
    # From 0.50 on: the second box is missed, the loose one does not count.
    assert errors_of([image], threshold=0.5)[1]['missed'] == [1, 0]
    assert errors_of([image], threshold=0.5)[1]['localisation'] == [0, 0]
    # From 0.49 on one is badly placed, on a box already found.
    assert errors_of([image], threshold=0.49)[1]['localisation'] == [1, 0]
    # From 0.51 on no box is found; both are missed.
    assert errors_of([image], threshold=0.51)[1]['missed'] == [2, 0]


def test_gains_by_hand(image_result):
    """Two boxes of class 0; a false alarm at 0.9, one box found at 0.8: AP50 is 51/101 / 2."""
    image = image_result([BOX, FAR], [0, 0], [(15, 15, 20, 20), BOX], [0, 0], [0.9, 0.8])
    _, counts, gains = errors_of([image], classes=1)
    before = 51 / 101 / 2
    assert counts['background'] == counts['missed'] == [1]
    assert gains['background'][0] == pytest.approx(51 / 101 - before)
    assert gains['missed'][0] == pytest.approx(1 / 2 - before)
    for name in ('classification', 'localisation', 'both', 'duplicate'):
        assert gains[name][0] == pytest.approx(0)


def test_mended_detections_by_hand(image_result):
    """Class 0 has two boxes, class 1 one."""
    truth = [BOX, FAR, (15, 15, 20, 20)]
    found = [LOOSE, LOOSE, FAR, (15, 15, 20, 20)]
    image = image_result(truth, [0, 0, 1], found, [0, 0, 1, 1], [0.9, 0.8, 0.7, 0.6])
    names, counts, gains = errors_of([image])
    assert names == ['localisation', 'localisation', 'classification', 'found']
    assert counts['missed'] == [0, 0]
    # Before: class 0 finds nothing; class 1 finds its box behind one false alarm: AP50 1/2.
    # The best of the loose boxes is moved, the other removed: one of two found, AP50 51/101.
    np.testing.assert_allclose(gains['localisation'], [51 / 101, 0])
    # The box goes to class 0, behind two false alarms: 51/101 / 3; class 1 becomes perfect.
    np.testing.assert_allclose(gains['classification'], [51 / 303, 1 / 2])
    np.testing.assert_allclose(gains['missed'], [0, 0])


def test_class_of_which_nothing_is_found(image_result):
    missed = image_result([BOX], [0])
    assert errors_of([missed], classes=1)[2]['missed'][0] == 1
    with_alarm = image_result([BOX], [0], [FAR], [0], [0.9])
    assert errors_of([with_alarm], classes=1)[2]['missed'][0] == 0


def test_empty(image_result):
    for images in ([], [image_result()]):
        names, counts, gains = errors_of(images)
        assert names == []
        assert all(count == [0, 0] for count in counts.values())
        assert all(np.isnan(gain).all() for gain in gains.values())


# A straightforward reference: image by image, box by box, as the paper words it.


def iou_of(a, b):
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return w * h / (sum(areas) - w * h)


def slow_ap(points, truth):
    """COCO's interpolated AP of (score, is right), 101 recalls."""
    points = sorted(points, key=lambda point: -point[0])
    curve, right = [], 0
    for number, (_, hit) in enumerate(points, start=1):
        right += hit
        curve.append((right / truth, right / number))
    levels = [
        max((p for r, p in curve if r >= level), default=0) for level in np.linspace(0, 1, 101)
    ]
    return sum(levels) / 101


def slow_tide(boxes, matches, classes):
    """Type of each detection, the box it points to, missed boxes, gains."""
    types, targets = [], []
    images = boxes.truth_image()
    for row, match in enumerate(matches.tolist()):
        near = [
            (iou_of(boxes.boxes[row].tolist(), boxes.truth[index].tolist()), index)
            for index in range(len(boxes.truth))
            if images[index] == boxes.image[row] and not boxes.truth_ignored[index]
        ]
        own = max(
            (p for p in near if boxes.truth_labels[p[1]] == boxes.labels[row]), default=(0, -1)
        )
        other = max(
            (p for p in near if boxes.truth_labels[p[1]] != boxes.labels[row]), default=(0, -1)
        )
        target = -1
        if match >= 0:
            kind = 'found'
        elif match == -2:
            kind = 'ignored'
        elif 0.1 <= own[0] < 0.5:
            kind, target = 'localisation', own[1]
        elif other[0] >= 0.5:
            kind, target = 'classification', other[1]
        elif own[0] >= 0.5:
            kind = 'duplicate'
        elif other[0] >= 0.1:
            kind = 'both'
        else:
            kind = 'background'
        types.append(kind)
        targets.append(target)
    found = set(matches[matches >= 0].tolist())
    counted = [index for index in range(len(boxes.truth)) if not boxes.truth_ignored[index]]
    missed = [index for index in counted if index not in found and index not in targets]

    def ap50(mend):
        points = {label: [] for label in range(classes)}
        truth = np.bincount(boxes.truth_labels[counted], minlength=classes)
        mended = set()
        for row, kind in enumerate(types):
            label, score = int(boxes.labels[row]), boxes.scores[row]
            if kind in ('found', mend) and kind != 'ignored':
                if kind == mend:
                    target = targets[row]
                    if target < 0 or target in found or target in mended:
                        continue
                    mended.add(target)
                    label = int(boxes.truth_labels[target])
                points[label].append((score, True))
            elif kind != 'ignored':
                points[label].append((score, False))
        values = np.full(classes, np.nan)
        left = truth.copy()
        if mend == 'missed':
            left -= np.bincount(boxes.truth_labels[missed], minlength=classes)
        for label in range(classes):
            if truth[label]:
                if left[label]:
                    values[label] = slow_ap(points[label], left[label])
                else:
                    values[label] = float(not points[label])
        return values

    before = ap50(None)
    return types, missed, {name: ap50(name) - before for name in ERROR_TYPES}


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_equals_the_reference(small_images, data):
    images = data.draw(small_images(most=10))
    boxes = flatten_images(images)
    matches = match_detections(boxes, find_overlaps(boxes))
    # Equal scores of several images are in any order right; ranks must be the same for both.
    boxes.scores[:] = boxes.scores + np.linspace(0.01, 0, len(boxes.scores))
    overlaps = find_overlaps(boxes)
    errors = type_errors(boxes, overlaps, matches)
    gains = gain_without_errors(boxes, overlaps, matches, errors, 3)
    everything = np.ones(len(errors), bool)
    counts = count_errors(boxes, overlaps, matches, errors, everything, 3)
    types, missed, expected = slow_tide(boxes, matches, 3)
    names = [{-1: 'found', -2: 'ignored'}.get(code) or ERROR_TYPES[code] for code in errors]
    assert names == types
    for index, name in enumerate(ERROR_TYPES):
        np.testing.assert_allclose(gains[:, index], expected[name], atol=1e-12, err_msg=name)
        if name == 'missed':
            labels = boxes.truth_labels[missed]
        else:
            labels = boxes.labels[[kind == name for kind in types]]
        assert counts[:, index].tolist() == np.bincount(labels, minlength=3).tolist()
