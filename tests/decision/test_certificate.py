from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from mmdefect.decision import allowed_misses, certified_recall, parts_needed

SHARES = st.floats(0.01, 0.995)


@pytest.mark.parametrize(
    ('parts', 'missed', 'confidence', 'lower'),
    [
        (59, 0, 0.95, 0.05 ** (1 / 59)),
        (149, 0, 0.95, 0.05 ** (1 / 149)),
        (299, 0, 0.95, 0.05 ** (1 / 299)),
        (1, 0, 0.5, 0.5),
        (1, 1, 0.95, 0.0),
        (30, 30, 0.99, 0.0),
        # Hanley and Lippman-Hand's rule of three, nearly.
        (1000, 0, 0.95, 0.99700875),
    ],
)
def test_exact_values(parts, missed, confidence, lower):
    result = certified_recall(parts, missed, confidence)
    assert result.lower == pytest.approx(lower, abs=1e-8)
    assert result.recall == (parts - missed) / parts


@pytest.mark.parametrize(('recall', 'parts'), [(0.95, 59), (0.98, 149), (0.99, 299)])
def test_fewest_parts(recall, parts):
    assert parts_needed(recall, 0.95) == parts
    assert allowed_misses(parts, recall, 0.95) == 0
    assert allowed_misses(parts - 1, recall, 0.95) is None
    assert certified_recall(parts, 0, 0.95).lower >= recall
    assert certified_recall(parts - 1, 0, 0.95).lower < recall


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 3000), st.data(), st.floats(0.5, 0.999))
def test_agrees_with_scipy_and_is_monotone(parts, data, confidence):
    missed = data.draw(st.integers(0, parts))
    lower = certified_recall(parts, missed, confidence).lower
    exact = binomtest(parts - missed, parts, alternative='greater').proportion_ci(confidence)
    assert lower == pytest.approx(exact.low, abs=1e-9)
    assert lower <= (parts - missed) / parts
    assert certified_recall(parts + 1, missed, confidence).lower >= lower
    if missed:
        assert certified_recall(parts, missed - 1, confidence).lower > lower


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2000), SHARES, SHARES)
def test_allowed_misses_are_the_most_that_prove_it(parts, recall, confidence):
    most = allowed_misses(parts, recall, confidence)
    if most is None:
        proved = certified_recall(parts, 0, confidence).lower if parts else 0.0
        assert proved < recall + 1e-9
    else:
        assert certified_recall(parts, most, confidence).lower >= recall - 1e-9
        assert most < parts
        assert certified_recall(parts, most + 1, confidence).lower < recall + 1e-9


@settings(max_examples=40, deadline=None)
@given(SHARES, SHARES)
def test_parts_needed_are_the_fewest(recall, confidence):
    parts = parts_needed(recall, confidence)
    assert recall**parts <= (1 - confidence) * (1 + 1e-6)
    assert parts == 1 or recall ** (parts - 1) > (1 - confidence) * (1 - 1e-6)


@pytest.mark.parametrize(
    ('arguments', 'name'),
    [
        ((0, 0, 0.95), 'n_defective'),
        ((2.5, 0, 0.95), 'n_defective'),
        ((5, 6, 0.95), 'n_missed'),
        ((5, -1, 0.95), 'n_missed'),
        ((5, math.nan, 0.95), 'n_missed'),
        ((5, 0, 1), 'confidence'),
        ((5, 0, math.nan), 'confidence'),
    ],
)
def test_bad_arguments(arguments, name):
    with pytest.raises(ValueError, match=f'^{name} must be'):
        certified_recall(*arguments)


def test_numpy_counts_are_taken():
    result = certified_recall(np.int64(59), np.int32(0))
    assert type(result.n_defective) is int and type(result.lower) is float
