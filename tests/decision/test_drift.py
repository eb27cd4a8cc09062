from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import ks_2samp

from mmdefect.decision import DriftMartingale, permutation_drift
from mmdefect.errors import InputError


def test_distance_is_that_of_scipy():
    rng = np.random.default_rng(0)
    for decimals in (1, 8):
        first, second = rng.random(80).round(decimals), rng.beta(2, 2, 33).round(decimals)
        test = permutation_drift(first, second, permutations=9)
        assert test.distance == pytest.approx(ks_2samp(first, second).statistic)


def test_p_values_are_those_of_scipy():
    rng = np.random.default_rng(1)
    first, second = rng.random(60), rng.random(40) ** 1.5
    test = permutation_drift(first, second, permutations=4999)
    assert test.p_value == pytest.approx(ks_2samp(first, second).pvalue, abs=0.02)
    assert test == permutation_drift(first, second, permutations=4999)


def test_false_alarms_are_as_rare_as_promised():
    """Few levels, so that ties are common."""
    rng = np.random.default_rng(2)
    values = [
        permutation_drift(rng.integers(0, 5, 30), rng.integers(0, 5, 20), 49, seed).p_value
        for seed in range(200)
    ]
    for level in (0.05, 0.2):
        error = math.sqrt(level * (1 - level) / len(values))
        assert np.mean(np.array(values) <= level) <= level + 3 * error
    assert permutation_drift([0.0] * 20, [0.0] * 20).p_value == 1
    assert permutation_drift([0.1] * 20, [0.9] * 20).p_value == 0.001


def test_martingale_rarely_alarms_without_a_change():
    alarms = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        martingale = DriftMartingale(rng.integers(0, 8, 50), seed=seed)
        alarms += max(martingale.update(score) for score in rng.integers(0, 8, 100)) >= 10
    assert alarms / 100 <= 0.1 + 2 * math.sqrt(0.1 * 0.9 / 100)


@pytest.mark.parametrize('shift', [-0.2, 0.2])
def test_martingale_finds_a_change(shift):
    rng = np.random.default_rng(0)
    martingale = DriftMartingale(rng.normal(0.5, 0.1, 300))
    assert max(martingale.update(score) for score in rng.normal(0.5, 0.1, 300)) < 20
    wealth = [martingale.update(score) for score in rng.normal(0.5 + shift, 0.1, 300)]
    assert wealth[-1] > 1e6 and martingale.wealth == wealth[-1]


def test_martingale_may_run_for_years():
    martingale = DriftMartingale([0.5])
    for _ in range(3000):
        wealth = martingale.update(martingale._scores[-1] + 1)
    assert wealth == math.inf


def test_martingale_repeats_itself():
    runs = [[DriftMartingale([0.1, 0.5], seed=4).update(x) for x in (0.1, 0.5)] for _ in range(2)]
    assert runs[0] == runs[1]


@pytest.mark.parametrize(
    ('call', 'kind', 'reason'),
    [
        (lambda: permutation_drift([], [0.1]), InputError, 'reference: there is no score'),
        (lambda: permutation_drift([0.1], []), InputError, 'today: there is no score'),
        (lambda: permutation_drift([0.1], [math.nan]), InputError, 'today: nan at part 0'),
        (lambda: permutation_drift([0.1], [0.1], 0), ValueError, '^permutations must be'),
        (lambda: DriftMartingale([]), InputError, 'reference: there is no score'),
        (lambda: DriftMartingale([math.inf]), InputError, 'reference: inf at part 0'),
        (lambda: DriftMartingale([0.1]).update(math.nan), InputError, 'score: nan'),
        (lambda: DriftMartingale([0.1], jump=0), ValueError, '^jump must be'),
    ],
)
def test_bad_input(call, kind, reason):
    with pytest.raises(kind, match=reason):
        call()
