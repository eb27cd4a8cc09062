from __future__ import annotations

import numpy as np

from mmdefect.evaluation.flat_boxes import flatten_images

BOX = (0, 0, 4, 4)


def test_best_scores_first_equal_ones_as_given(image_result):
    image = image_result([BOX], [1], [BOX] * 4, [0, 1, 2, 0], [0.5, 0.9, 0.5, 0.1])
    flat = flatten_images([image_result(), image, image_result([BOX], [0])])
    assert flat.position.tolist() == [1, 0, 2, 3]
    assert flat.labels.tolist() == [1, 0, 2, 0]
    assert flat.image.tolist() == [1] * 4
    assert flat.truth_start.tolist() == [0, 0, 1, 2]
    assert flat.truth_image().tolist() == [1, 2]
    assert flat.boxes.dtype == flat.truth.dtype == flat.scores.dtype == np.float64


def test_limit_is_per_image_and_class(image_result):
    labels, scores = [0, 1, 0, 1, 0], [0.1, 0.2, 0.3, 0.4, 0.5]
    image = image_result(found=[BOX] * 5, found_labels=labels, scores=scores)
    flat = flatten_images([image, image], max_dets=2)
    assert flat.position.tolist() == [4, 3, 2, 1] * 2
    assert flatten_images([image], max_dets=1).position.tolist() == [4, 3]
    assert len(flatten_images([image]).scores) == 5


def test_nothing():
    flat = flatten_images([], max_dets=1)
    assert (flat.images, flat.truth.shape, flat.boxes.shape) == (0, (0, 4), (0, 4))
