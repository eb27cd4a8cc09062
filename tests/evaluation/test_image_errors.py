from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdefect.evaluation import describe_errors, match_image
from mmdefect.evaluation.error_types import ERROR_TYPES

BOX = (0, 0, 10, 10)
FAR = (30, 30, 40, 40)
LOOSE = (0, 0, 10, 4)


def test_by_hand(image_result):
    """Detections out of order, one box found, one near a weak box of another class, one alone."""
    image = image_result(
        [BOX, FAR, (45, 45, 50, 50)], [0, 1, 0],
        [LOOSE, BOX, (30, 30, 40, 38), (20, 0, 24, 4)], [0, 0, 0, 1], [0.3, 0.9, 0.2, 0.8],
    )  # fmt: skip
    errors = describe_errors([image], 0.5)[0]
    assert errors.matches.tolist() == [-1, 0, -1, -1]
    assert [ERROR_TYPES[code] for code in errors.errors[[0, 2, 3]]] == [
        'localisation', 'classification', 'background',
    ]  # fmt: skip
    assert errors.errors[1] == -1
    assert errors.iou.tolist() == pytest.approx([0.4, 1, 0.8, 0])
    assert errors.nearest_truth.tolist() == [0, 0, 1, -1]
    assert errors.found.tolist() == [True, False, False]
    assert errors.truth_iou.tolist() == pytest.approx([1, 0.8, 0])
    assert errors.nearest_detection.tolist() == [1, 2, -1]
    np.testing.assert_allclose(errors.nearest_score, [0.9, 0.2, np.nan], atol=1e-6)


@pytest.mark.parametrize(('threshold', 'found'), [(0.29, True), (0.3, True), (0.31, False)])
def test_score_on_the_threshold_finds(image_result, threshold, found):
    image = image_result([BOX], [0], [BOX], [0], [0.3])
    errors = describe_errors([image], threshold)[0]
    assert errors.found.tolist() == [found]
    assert errors.matches.tolist() == [0]


def test_ignored_boxes(image_result):
    image = image_result([BOX, FAR], [0, 0], [BOX, FAR], [0, 0], [0.9, 0.8], [True, False])
    errors = describe_errors([image], 0.5)[0]
    assert errors.matches.tolist() == [-2, 1]
    assert errors.errors.tolist() == [-2, -1]
    assert errors.found.tolist() == [False, True]
    assert errors.truth_iou.tolist() == [0, 1]
    assert errors.nearest_truth.tolist() == [-1, 1]


def test_empty(image_result):
    empty, alarm = image_result(), image_result(found=[BOX], found_labels=[0], scores=[0.9])
    missed = image_result([BOX], [0])
    assert describe_errors([], 0.5) == []
    errors = describe_errors([empty, alarm, missed], 0.5)
    assert [len(item.matches) for item in errors] == [0, 1, 0]
    assert [len(item.found) for item in errors] == [0, 0, 1]
    assert errors[2].nearest_detection.tolist() == [-1] and errors[2].truth_iou[0] == 0


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_all_at_once_equals_one_by_one(small_images, data):
    images = data.draw(small_images(least=2))
    together = describe_errors(images, 0.5)
    for image, errors in zip(images, together, strict=True):
        alone = describe_errors([image], 0.5)[0]
        for name in type(alone).__slots__:
            np.testing.assert_array_equal(getattr(errors, name), getattr(alone, name), err_msg=name)
        np.testing.assert_array_equal(errors.matches, match_image(image))
        near = errors.nearest_detection[errors.nearest_detection >= 0]
        np.testing.assert_array_equal(
            image.scores[near], errors.nearest_score[errors.nearest_detection >= 0]
        )
