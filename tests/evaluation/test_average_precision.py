from __future__ import annotations

import numpy as np

from mmdefect.evaluation.average_precision import interpolated_precision, rank_by_score


def test_equal_scores_keep_their_order():
    order = rank_by_score(np.array([1, 0, 1, 0]), np.array([0.5, 0.5, 0.5, 0.9]))
    assert order.tolist() == [3, 1, 0, 2]


def test_by_hand():
    labels = np.array([0, 0, 0, 0, 2, 2])
    hits = np.array([False, True, True, False, False, True])
    counted = np.array([True, True, True, True, False, True])
    precision, reached = interpolated_precision(labels, hits, counted, np.array([4, 0, 1]))
    # Class 0: 1 of 2 right at recall 1/4, 2 of 3 at 2/4; the better one holds for both.
    np.testing.assert_allclose(precision[0, [0, 25, 26, 50, 51]], [2 / 3] * 4 + [0])
    assert reached[0, [0, 25, 26, 50, 51]].tolist() == [1, 1, 2, 2, -1]
    assert np.isnan(precision[1]).all() and (reached[1] == -1).all()
    # Class 2: the detection that does not count lowers nothing.
    assert (precision[2] == 1).all() and (reached[2] == 5).all()


def test_nothing():
    nothing = np.zeros(0, bool)
    precision, reached = interpolated_precision(
        np.zeros(0, int), nothing, nothing, np.array([3, 0])
    )
    assert precision[0].sum() == 0 and np.isnan(precision[1]).all()
    assert (reached == -1).all()
