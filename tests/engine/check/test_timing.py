from __future__ import annotations

import pytest

from mmdefect.engine.check.timing import Iteration, estimate_time


def step(seconds):
    return Iteration({'loss': 1.0}, 0.0, seconds)


@pytest.mark.parametrize(
    ('steps', 'per_image', 'workers', 'expected'),
    [
        ([9, 2], None, 0, 2),  # the warm-up does not count
        ([9, 2, 4, 3], None, 0, 3),  # the median
        ([2], None, 2, 2),
        ([9, 2], 0.1, 0, 2 + 0.8),  # one after the other
        ([9, 2], 0.1, 1, 2),  # beside it, and faster
        ([9, 2], 1.0, 1, 8),  # beside it, and slower
    ],
)
def test_iteration_time(steps, per_image, workers, expected):
    estimate = estimate_time([step(s) for s in steps], per_image, 8, workers, 10, 100)
    assert estimate.iteration_seconds == pytest.approx(expected)
    assert estimate.epoch_seconds == pytest.approx(10 * expected)
    assert estimate.total_seconds == pytest.approx(100 * expected)


def test_endless_loops_and_unknown_totals():
    estimate = estimate_time([step(1), step(1)], None, 8, 0, None, None)
    assert estimate.epoch_seconds is None and estimate.total_seconds is None


def test_precision_is_stated():
    words = [estimate_time([step(1)] * count, None, 1, 0, 1, 1).precision for count in (1, 2, 3)]
    assert words[0].startswith('from one iteration without warm-up')
    assert 'factor of two' in words[1] and words[2].startswith('from 2 iterations')
    with pytest.raises(ValueError, match='iterations must be one or more'):
        estimate_time([], None, 1, 0, 1, 1)


def test_not_finite():
    assert Iteration({'a': float('inf'), 'b': 1.0}, 0, 0).not_finite() == ['a']
