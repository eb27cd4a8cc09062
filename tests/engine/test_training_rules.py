from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmdefect.engine.training_history import History, Validation, Window
from mmdefect.engine.training_rules import (
    RULES,
    hard_up_others_down,
    loss_stuck,
    loss_unsteady,
    no_pseudo_labels,
    noise_up,
    score_drop,
    weak_classes_stuck,
)

NAN = math.nan


def scored(*scores, step=2500):
    return History(
        validations=[Validation(step * n, score) for n, score in enumerate(scores, start=1)]
    )


def by_class(step, **classes):
    """Validations every ``step`` iterations, one list of AP per class."""
    rows = zip(*classes.values(), strict=True)
    return History(
        validations=[
            Validation(step * n, 0.1, dict(zip(classes, row, strict=True)))
            for n, row in enumerate(rows, start=1)
        ]
    )


def means(name, *values, **others):
    rows = zip(values, *others.values(), strict=True)
    return History(
        windows=[
            Window(500 * n, dict(zip((name, *others), row, strict=True)))
            for n, row in enumerate(rows, start=1)
        ]
    )


@pytest.mark.parametrize('name', RULES)
def test_nothing_seen_nothing_said(name):
    assert RULES[name](History()) is None


@pytest.mark.parametrize(
    ('scores', 'keys', 'speaks'),
    [
        ((0.30, 0.284, 0.28), {}, True),
        ((0.40, 0.38, 0.38), {}, True),  # exactly 5 % below
        ((0.30, 0.287, 0.28), {}, False),  # the first of the two is only 4.3 % below
        ((0.30, 0.28, 0.29), {}, False),
        ((0.30, 0.28), {}, False),  # one validation only
        ((0.30, 0.28), {'validations': 1}, True),
        ((0.30, 0.20, 0.20), {'limit': 0.4}, False),
        ((0.90, 0.20, 0.20, 0.20), {'after': 2500}, False),  # the best one lies in the warm-up
        ((0.20, 0.30, 0.10, 0.10), {}, True),  # the best one need not be the first
        ((0.0, 0.0, 0.0), {}, False),
        ((NAN, 0.3, NAN, 0.28, 0.28), {}, True),
        ((NAN, NAN, NAN), {}, False),
    ],
)
def test_score_drop(scores, keys, speaks):
    assert (score_drop(scored(*scores), **keys) is not None) == speaks


def test_score_drop_says_what_it_saw():
    found = score_drop(scored(0.1, 0.30, 0.27, 0.24))
    assert found.seen.startswith('AP .270, .240 in the last 2 validations, 10.0 % or more below')
    assert found.seen.endswith('.300 at iteration 5000')
    assert 'learning rate' in found.change


@pytest.mark.parametrize(
    ('values', 'keys', 'speaks'),
    [
        ([1.0] * 10, {}, False),
        ([1.0, 1.3] * 5, {}, True),  # 13 %
        ([1.0, 1.2] * 5, {}, False),  # 9 %
        ([1.0, 1.3] * 5, {'limit': 0.2}, False),
        ([1.0, 1.3] * 4, {}, False),  # 4,000 iterations only
        ([1.0, 1.3] * 2, {'span': 2000}, True),
        ([5.0, 5.0, *[1.0] * 10], {}, False),  # what is older does not count
        (np.linspace(3, 1, 10), {}, False),  # falls evenly
        (np.linspace(3, 1, 10), {'allow_fall': False}, True),
        (np.linspace(1, 3, 10), {}, True),  # rises evenly
        ([3, 4, 2, 3.5, 1.5, 3, 1, 2.5, 0.8, 2], {}, True),  # falls, but not evenly
    ],
)
def test_loss_unsteady(values, keys, speaks):
    assert (loss_unsteady(means('loss', *map(float, values)), **keys) is not None) == speaks


def test_a_gap_in_the_windows_is_waited_out():
    history = means('loss', *[1.0, 1.3] * 5)
    history.windows[3] = Window(2000, {})
    assert loss_unsteady(history) is None
    history.windows[3:] = [Window(window.end + 500, window.means) for window in history.windows[3:]]
    assert loss_unsteady(history) is None


@given(st.lists(st.floats(0.1, 10), min_size=10, max_size=10), st.floats(0.01, 100))
def test_the_scale_of_the_loss_does_not_matter(values, factor):
    first = loss_unsteady(means('loss', *values), limit=0.1234567)
    second = loss_unsteady(means('loss', *(factor * value for value in values)), limit=0.1234567)
    assert (first is None) == (second is None)


@pytest.mark.parametrize(
    ('values', 'keys', 'speaks'),
    [
        ([1.0] * 10, {}, True),
        (np.linspace(2, 1, 10), {}, False),
        (np.linspace(1, 2, 10), {}, True),
        ([2.0] * 5 + [1.99] * 5, {}, False),
        ([2.0] * 5 + [1.99] * 5, {'limit': 0.01}, True),
        ([1.0] * 9, {}, False),  # not long enough
        ([1.0] * 3, {'span': 1500}, True),
    ],
)
def test_loss_stuck(values, keys, speaks):
    assert (loss_stuck(means('loss', *map(float, values)), **keys) is not None) == speaks


@pytest.mark.parametrize(
    ('classes', 'keys', 'named'),
    [
        # The earlier system: Severe_Rust and Chipped gain nothing.
        (
            {'Broken': [0.1, 0.15, 0.2, 0.25], 'Chipped': [0.0, 0.0, 0.005, 0.006],
             'Severe_Rust': [0.0, 0.0, 0.0, NAN]},
            {}, ['Chipped'],
        ),
        ({'dent': [0.2] * 4, 'rust': [0.0, 0.0, 0.02, 0.02]}, {}, []),  # gained
        ({'dent': [0.2] * 4, 'rust': [0.0, 0.0, 0.02, 0.02]}, {'limit': 0.03}, ['rust']),
        ({'dent': [0.2] * 3, 'rust': [0.0] * 3}, {}, []),  # 7,500 iterations only
        ({'dent': [0.2] * 8, 'rust': [0.05] * 8}, {}, ['rust']),  # gained early, not since
        ({'dent': [0.2] * 8, 'rust': [0.12] * 8}, {}, []),  # not weak
        ({'dent': [0.2] * 8, 'rust': [0.12] * 8}, {'weak': 0.9}, ['rust']),
        ({'dent': [0.0] * 4, 'rust': [0.0] * 4}, {}, ['dent', 'rust']),  # nothing is learned
        ({'dent': [NAN] * 4}, {}, []),
        ({}, {}, []),
    ],
)  # fmt: skip
def test_weak_classes_stuck(classes, keys, named):
    found = weak_classes_stuck(by_class(2500, **classes), **keys)
    assert (found is not None) == bool(named)
    for name in classes:
        assert (found is not None and f' {name} ' in found.seen) == (name in named)
    if found:
        assert 'mmdefect audit' in found.change


@pytest.mark.parametrize(
    ('classes', 'keys', 'speaks'),
    [
        ({'dent': [0.4, 0.38, 0.36], 'rust': [0.05, 0.07, 0.09]}, {}, True),
        ({'dent': [0.4, 0.41, 0.42], 'rust': [0.05, 0.07, 0.09]}, {}, False),  # both gain
        ({'dent': [0.4, 0.38, 0.36], 'rust': [0.05, 0.05, 0.05]}, {}, False),
        ({'dent': [0.4, 0.38, 0.36], 'rust': [0.05, 0.07, 0.09]}, {'limit': 0.05}, False),
        ({'dent': [0.4, 0.36], 'rust': [0.05, 0.09]}, {}, False),  # two validations only
        ({'dent': [0.4, 0.36], 'rust': [0.05, 0.09]}, {'validations': 2}, True),
        ({'dent': [0.4, 0.38, 0.36], 'rust': [0.05, 0.07, NAN]}, {}, False),
        ({'dent': [0.4, 0.38, 0.36]}, {}, False),  # one class is nobody's other
    ],
)
def test_hard_up_others_down(classes, keys, speaks):
    found = hard_up_others_down(by_class(2500, **classes), **keys)
    assert (found is not None) == speaks
    if found:
        assert 'lower gamma' in found.change and 'rust .050 to .090' in found.seen


@pytest.mark.parametrize(
    ('precision', 'speaks'),
    [([0.8, 0.8, 0.7, 0.7], True), ([0.8] * 4, False), ([0.7, 0.7, 0.8, 0.8], False)],
)
def test_noise_by_hidden_truth(precision, speaks):
    # Growing counts do not matter where the precision is known.
    history = means('precision', *precision, count=[1, 1, 9, 9])
    history.validations = scored(0.2, 0.1).validations
    assert (noise_up(history) is not None) == speaks


@pytest.mark.parametrize(
    ('counts', 'scores', 'speaks'),
    [
        ([1.0, 1.0, 2.0, 2.0], (0.2, 0.2), True),
        ([1.0, 1.0, 2.0, 2.0], (0.2, 0.3), False),  # the more the better
        ([1.0, 1.0, 1.4, 1.4], (0.2, 0.2), False),
        ([1.0, 1.0, 2.0, 2.0], (0.2,), False),
        ([0.0, 0.0, 2.0, 2.0], (0.2, 0.2), False),  # the first ones are no growth
    ],
)
def test_noise_without_hidden_truth(counts, scores, speaks):
    history = means('count', *counts)
    history.validations = scored(*scores).validations
    found = noise_up(history)
    assert (found is not None) == speaks
    if found:
        assert 'raise the thresholds' in found.change


def test_no_pseudo_labels():
    history = History(silent=999, stages={'floor': 0.0, 'initial': 0.0, 'cls': 0.0})
    assert no_pseudo_labels(history) is None
    history.silent = 1000
    found = no_pseudo_labels(history)
    assert 'no pseudo label for 1000 iterations' in found.seen
    assert '0 from the threshold initial on, 0 from the threshold cls on' in found.seen
    assert 'finds nothing at all' in found.change
    history.stages['floor'], history.best_score = 2.0, 0.25
    found = no_pseudo_labels(history, iterations=10)
    assert '2 above the score floor' in found.seen and 'best score was .250' in found.seen
    assert 'lower the thresholds' in found.change
