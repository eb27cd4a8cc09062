from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from mmdefect.decision import fit_isotonic, fit_temperature, reliability_table
from mmdefect.errors import InputError

SCORES = st.lists(st.floats(0, 1), min_size=2, max_size=50)


@pytest.fixture(scope='module')
def overconfident():
    """Scores whose log-odds are three times what they should be."""
    rng = np.random.default_rng(0)
    chance = rng.random(20_000)
    return expit(3 * logit(chance)), rng.random(20_000) < chance


def test_both_mend_overconfident_scores(overconfident):
    scores, labels = overconfident
    scaling, curve = fit_temperature(scores, labels), fit_isotonic(scores, labels)
    assert scaling.temperature == pytest.approx(3, rel=0.05)
    before = reliability_table(scores, labels).ece
    assert before > 0.1
    for calibration in (scaling, curve):
        assert reliability_table(calibration.apply(scores), labels).ece < 0.02


@settings(max_examples=40, deadline=None)
@given(SCORES, st.data())
def test_order_is_kept(scores, data):
    labels = data.draw(st.lists(st.booleans(), min_size=len(scores), max_size=len(scores)))
    labels[:2] = True, False
    order = np.argsort(scores)
    for calibration in (fit_temperature(scores, labels), fit_isotonic(scores, labels)):
        mapped = calibration.apply(scores)
        assert ((mapped >= 0) & (mapped <= 1)).all()
        assert (np.diff(mapped[order]) >= -1e-12).all()


def test_edges():
    assert fit_temperature([0.0, 1.0], [1, 0]).temperature > 50
    assert fit_temperature([0.0, 1.0], [0, 1]).apply([0.0, 1.0]).tolist() == [0, 1]
    assert fit_isotonic([0.5, 0.5], [1, 0]).apply([0.1, 0.9]).tolist() == [0.5, 0.5]


def test_reliability_table():
    table = reliability_table([0.0, 0.1, 0.5, 1.0], [0, 1, 1, 1], bins=2)
    assert table.parts.tolist() == [2, 2]  # a score on an edge is in the upper bin
    assert table.mean_score.tolist() == [0.05, 0.75] and table.share.tolist() == [0.5, 1]
    assert table.ece == pytest.approx((0.45 + 0.25) / 2)
    assert (table.low <= table.share).all() and (table.share <= table.high).all()
    sparse = reliability_table([0.95], [1])
    assert sparse.parts.sum() == 1 and np.isnan(sparse.share[:9]).all()
    assert sparse.ece == pytest.approx(0.05)


@pytest.mark.parametrize('call', [fit_temperature, fit_isotonic, reliability_table])
@pytest.mark.parametrize(
    ('scores', 'labels', 'kind', 'reason'),
    [
        ([0.1, math.nan], [0, 1], InputError, 'nan at part 1 is no score'),
        ([0.1, 1.1], [0, 1], InputError, '1.1 at part 1 is no score'),
        ([], [], InputError, 'there is no part'),
        ([0.1, 0.2], [0], ValueError, 'labels must have shape'),
        ([0.1, 0.2], [0, 3], ValueError, 'labels must be'),
        ([[0.1]], [[0]], ValueError, 'scores must have shape'),
    ],
)
def test_bad_input(call, scores, labels, kind, reason):
    with pytest.raises(kind, match=reason):
        call(scores, labels)


@pytest.mark.parametrize('call', [fit_temperature, fit_isotonic])
@pytest.mark.parametrize(('label', 'word'), [(1, 'defective'), (0, 'good')])
def test_one_kind_of_parts(call, label, word):
    with pytest.raises(InputError, match=f'all 2 parts are {word}'):
        call([0.1, 0.9], [label, label])


def test_bad_bins():
    with pytest.raises(ValueError, match='^bins must be'):
        reliability_table([0.5], [1], bins=0)
