from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from mmdefect.decision import operating_point

COUNTS = st.integers(0, 500)


def test_flagging_everything_is_called_so():
    point = operating_point(tp=6053, fn=2, fp=8618, tn=1)
    assert round(point.recall, 4) == 0.9997
    assert round(point.precision, 4) == 0.4126
    assert round(point.f_beta, 3) == 0.778
    assert round(point.specificity, 4) == 0.0001
    assert round(point.prevalence, 4) == 0.4126
    assert point.no_better_than_flagging_all is True


@pytest.mark.parametrize(
    ('counts', 'flag'),
    [
        ((95, 5, 5, 95), False),
        ((50, 50, 50, 50), True),  # a coin
        ((100, 0, 100, 0), True),  # all flagged
        ((0, 100, 0, 100), True),  # none flagged
        ((5, 95, 95, 5), True),  # upside down
        ((60, 40, 48, 52), True),  # cannot be told from a coin
        ((3, 0, 0, 0), None),  # no good part
        ((0, 0, 1, 3), None),  # no defective part
        ((0, 0, 0, 0), None),
    ],
)
def test_flag(counts, flag):
    assert operating_point(*counts).no_better_than_flagging_all is flag


def test_undefined_shares_are_nan():
    point = operating_point(3, 1, 0, 0)
    assert math.isnan(point.specificity) and math.isnan(point.false_alarms_per_1000_good)
    assert all(math.isnan(end) for end in (*point.specificity_interval, *point.youden_interval))
    assert point.recall == 0.75 and point.precision == 1
    assert math.isnan(operating_point(0, 4, 0, 6).precision)
    assert operating_point(0, 4, 0, 6).f_beta == 0
    assert math.isnan(operating_point(0, 0, 2, 6).f_beta)


@settings(max_examples=40, deadline=None)
@given(COUNTS, COUNTS, COUNTS, COUNTS, st.floats(0.1, 10))
def test_shares_and_intervals(tp, fn, fp, tn, beta):
    point = operating_point(tp, fn, fp, tn, beta)
    for share, ends, hits, total in (
        (point.recall, point.recall_interval, tp, tp + fn),
        (point.precision, point.precision_interval, tp, tp + fp),
        (point.specificity, point.specificity_interval, tn, tn + fp),
    ):
        if total:
            assert share == hits / total and ends[0] <= share <= ends[1]
            peer = binomtest(hits, total).proportion_ci(method='wilson')
            assert ends == pytest.approx((peer.low, peer.high), abs=1e-9)
    if tp and not math.isnan(point.youden):
        expected = (1 + beta**2) / (beta**2 / point.recall + 1 / point.precision)
        assert point.f_beta == pytest.approx(expected)
        assert point.youden == pytest.approx(point.recall + point.specificity - 1, abs=1e-12)
        assert point.youden_interval[0] <= point.youden <= point.youden_interval[1]


@pytest.mark.parametrize('name', ['tp', 'fn', 'fp', 'tn'])
@pytest.mark.parametrize('value', [-1, 0.5, math.nan, math.inf])
def test_bad_counts(name, value):
    with pytest.raises(ValueError, match=f'^{name} must be'):
        operating_point(**{'tp': 1, 'fn': 1, 'fp': 1, 'tn': 1, name: value})


@pytest.mark.parametrize('beta', [0, -1, math.nan, math.inf])
def test_bad_beta(beta):
    with pytest.raises(ValueError, match='^beta must be'):
        operating_point(1, 1, 1, 1, beta)


def test_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        operating_point(1, 1, 1, 1).recall = 1
