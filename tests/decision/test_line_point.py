from __future__ import annotations

import math

import numpy as np
import pytest

from mmdefect.decision import ThresholdGoal, line_point, operating_point


def test_as_counted_nothing_changes():
    point = operating_point(90, 10, 20, 80, beta=1)
    there = line_point(point)
    assert there.prevalence == point.prevalence and there.cost is None
    assert there.precision == pytest.approx(point.precision)
    assert there.f_beta == pytest.approx(point.f_beta)


@pytest.mark.parametrize('wanted', [{'beta': 2}, {'cost_miss': 50, 'cost_alarm': 1}])
def test_the_chosen_threshold_is_the_best_there(wanted):
    rng = np.random.default_rng(0)
    defective, good = np.sort(rng.normal(1, 0.5, 200)), np.sort(rng.normal(0, 0.5, 300))
    goal = ThresholdGoal(0.9, prevalence=0.05, **wanted)
    threshold = goal.pick(defective, good)
    costs = {key: value for key, value in wanted.items() if key != 'beta'}

    def worth(at):
        point = operating_point(
            (defective >= at).sum(), (defective < at).sum(), (good >= at).sum(), (good < at).sum()
        )
        there = line_point(point, 0.05, **costs)
        return there.f_beta if there.cost is None else -there.cost

    certified = ThresholdGoal(0.9).pick(defective, good)
    others = [x for x in np.concatenate([defective, good]) if x <= certified]
    assert worth(threshold) == pytest.approx(max(map(worth, others)))


def test_what_is_not_known():
    assert math.isnan(line_point(operating_point(9, 1, 0, 0), 0.1).precision)
    assert math.isnan(line_point(operating_point(0, 0, 1, 9), 0.1).f_beta)
    nothing = line_point(operating_point(0, 10, 0, 10), 0.1, 5, 1)
    assert math.isnan(nothing.precision) and nothing.cost == pytest.approx(0.5)
    with pytest.raises(ValueError, match='^prevalence must be 0 to 1, got 2'):
        line_point(operating_point(9, 1, 0, 0), 2)
