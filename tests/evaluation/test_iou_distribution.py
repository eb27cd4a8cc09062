from __future__ import annotations

import numpy as np
import pytest

from mmdefect.evaluation.flat_boxes import flatten_images
from mmdefect.evaluation.iou_distribution import (
    IOU_EDGES,
    SIZE_EDGES,
    best_ious,
    count_ious,
    count_sizes,
    mean_ious,
)
from mmdefect.evaluation.matching import find_overlaps, match_detections
from mmdefect.evaluation.score_table import reaches

BOX = (0, 0, 10, 10)


def ious_of(image, threshold=0.0):
    boxes = flatten_images([image])
    overlaps = find_overlaps(boxes)
    matches = match_detections(boxes, overlaps)
    return best_ious(boxes, overlaps, matches, reaches(boxes.scores, threshold)).tolist()


@pytest.mark.parametrize(
    ('found', 'scores', 'threshold', 'expected'),
    [
        ([], [], 0, 0),
        ([(0, 0, 10, 8)], [0.9], 0, 0.8),
        # The detection that found the box, not the tighter one that came second.
        ([(0, 0, 10, 6), BOX], [0.9, 0.8], 0, 0.6),
        # Not found: the tightest of the loose ones, of those that count.
        ([(0, 0, 10, 2), (0, 0, 10, 4)], [0.9, 0.5], 0.5, 0.4),
        ([(0, 0, 10, 2), (0, 0, 10, 4)], [0.9, 0.5], 0.51, 0.2),
        # Found only by a detection that does not count.
        ([(0, 0, 10, 2), BOX], [0.9, 0.5], 0.6, 0.2),
        ([(20, 20, 30, 30)], [0.9], 0, 0),
    ],
)
def test_best_iou(image_result, found, scores, threshold, expected):
    image = image_result([BOX], [0], found, [0] * len(found), scores)
    assert ious_of(image, threshold) == pytest.approx([expected])


def test_other_classes_and_ignored_boxes_have_none(image_result):
    image = image_result([BOX, BOX], [0, 1], [BOX], [1], [0.9], [False, True])
    assert ious_of(image) == [0, 0]


def test_a_loose_box_belongs_to_its_nearest_box_only(image_result):
    # IoU 1/3 with the first, 1/5 with the second box.
    image = image_result([(0, 0, 10, 10), (8, 0, 18, 10)], [0, 0], [(5, 0, 15, 10)], [0], [0.9])
    first, second = ious_of(image)
    assert (first, second) == (0, pytest.approx(7 / 13))
    image = image_result([(0, 0, 10, 10), (11, 0, 21, 10)], [0, 0], [(5, 0, 15, 10)], [0], [0.9])
    assert ious_of(image) == [pytest.approx(1 / 3), 0]


def test_counts_on_edges():
    assert IOU_EDGES[[0, 8, -1]].tolist() == [0.1, 0.5, 1.0]
    values = np.array([0.0999, 0.1, 0.149, 0.15, 0.5, 0.95, 1.0, 0.3])
    counts = count_ious(values, np.array([0, 0, 0, 0, 1, 1, 1, 0]), 3)
    assert counts.shape == (3, 18)
    assert counts[0].nonzero()[0].tolist() == [0, 1, 4] and counts[0, 0] == 2
    assert counts[1].nonzero()[0].tolist() == [8, 17] and counts[1, 17] == 2
    assert counts[2].sum() == 0


def test_mean_over_boxes_found():
    found = np.array([True, True, False, True])
    means = mean_ious(np.array([0.5, 0.7, 0.3, 0.9]), np.array([0, 0, 0, 2]), found, 3)
    np.testing.assert_allclose(means, [0.6, np.nan, 0.9, 0.7])
    assert np.isnan(mean_ious(np.zeros(0), np.zeros(0, int), np.zeros(0, bool), 1)).all()


def test_sizes():
    boxes = np.array([[0, 0, 1, 1], [0, 0, 4, 16], [5, 5, 40, 40], [0, 0, 256, 256], [0, 0, 0, 9]])
    counts = count_sizes(boxes.astype(float), np.array([0, 0, 1, 1, 0]), 2)
    assert counts.tolist() == [[2, 1, 0, 0, 0, 0, 0, 0], [0, 0, 0, 1, 0, 0, 0, 1]]
    assert counts.shape[1] == len(SIZE_EDGES) - 1
