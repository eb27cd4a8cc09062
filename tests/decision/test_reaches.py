from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdefect.decision import reaches

SCORES = st.floats(0, 1)


def test_a_score_on_the_threshold_counts():
    assert reaches([0.5, 0.5 - 1e-6, 0.5 + 1e-6], 0.5).tolist() == [True, False, True]


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 1, width=32))
def test_digits_of_a_float32_count_as_the_float32(score):
    written = float(str(np.float32(score)))
    assert reaches(np.float32(score), written) and reaches(written, np.float32(score))


@settings(max_examples=40, deadline=None)
@given(SCORES, SCORES)
def test_holds_wherever_plain_comparison_does(score, threshold):
    assert reaches(score, score)
    if score >= threshold:
        assert reaches(score, threshold)


@settings(max_examples=40, deadline=None)
@given(st.lists(SCORES), SCORES, SCORES)
def test_monotone_in_the_threshold(scores, first, second):
    low, high = sorted((first, second))
    assert (reaches(scores, high) <= reaches(scores, low)).all()


def test_shapes_and_nan():
    assert reaches(np.zeros((0, 3)), 0.5).shape == (0, 3)
    assert reaches([[0.2, 0.8]], [0.2, 0.9]).tolist() == [[True, False]]
    assert not reaches(np.nan, 0.0)
