from __future__ import annotations

import pytest

from mmdefect.evaluation.confusion import count_confusions
from mmdefect.evaluation.flat_boxes import flatten_images
from mmdefect.evaluation.matching import find_overlaps, match_detections
from mmdefect.evaluation.score_table import reaches

BOX = (0, 0, 10, 10)
FAR = (30, 30, 40, 40)
HALF = (0, 0, 10, 5)


def confusions(image, threshold=0.0):
    boxes = flatten_images([image])
    overlaps = find_overlaps(boxes)
    matches = match_detections(boxes, overlaps)
    counted = reaches(boxes.scores, threshold)
    return count_confusions(boxes, overlaps, matches, counted, 2).tolist()


@pytest.mark.parametrize(
    ('found', 'labels', 'scores', 'expected'),
    [
        ([], [], [], [[0, 0, 1], [0, 0, 1], [0, 0, 0]]),
        ([BOX, FAR], [0, 1], [0.9, 0.8], [[1, 0, 0], [0, 1, 0], [0, 0, 0]]),
        ([BOX], [1], [0.9], [[0, 1, 0], [0, 0, 1], [0, 0, 0]]),
        ([HALF], [1], [0.9], [[0, 1, 0], [0, 0, 1], [0, 0, 0]]),
        ([(0, 0, 10, 4.9)], [1], [0.9], [[0, 0, 1], [0, 0, 1], [0, 1, 0]]),
        # A box found stays found, whatever else was seen there with more certainty.
        ([BOX, BOX], [1, 0], [0.9, 0.8], [[1, 0, 0], [0, 0, 1], [0, 1, 0]]),
        # Below the threshold the right detection does not count.
        ([BOX, BOX], [1, 0], [0.9, 0.4], [[0, 1, 0], [0, 0, 1], [0, 0, 0]]),
        ([BOX, BOX], [0, 0], [0.9, 0.8], [[1, 0, 0], [0, 0, 1], [1, 0, 0]]),
    ],
)
def test_by_hand(image_result, found, labels, scores, expected):
    assert confusions(image_result([BOX, FAR], [0, 1], found, labels, scores), 0.5) == expected


def test_ignored_boxes_count_neither_way(image_result):
    image = image_result([BOX], [0], [BOX, BOX], [0, 1], [0.9, 0.8], [True])
    assert confusions(image) == [[0, 0, 0], [0, 0, 0], [0, 1, 0]]
