"""Class shares, good parts and ratio distributions, before anything is drawn."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from mmdefect.datasets.synthetic.drill_plan import (
    CLASSES,
    RATIO_QUARTILES,
    SPLITS,
    part_generator,
    plan_split,
    ratio_at,
)

STATED = {'Severe_Rust': (0.34, 0.45, 0.61), 'Chipped': (0.39, 0.51, 0.65)}


@pytest.mark.parametrize('label', CLASSES)
def test_ratio_has_the_stated_quartiles_over_many_draws(label):
    draws = [ratio_at(label, q) for q in np.random.default_rng(0).uniform(1e-9, 1, 20_000)]
    wanted = STATED.get(label, RATIO_QUARTILES[label])
    np.testing.assert_allclose(np.quantile(draws, [0.25, 0.5, 0.75]), wanted, atol=0.01)
    assert 0.1 < min(draws) < max(draws) < 1.3


@pytest.mark.parametrize('quantile', [0, 1, -0.1, float('nan')])
def test_quantile_outside_is_refused(quantile):
    with pytest.raises(ValueError, match='quantile must be within'):
        ratio_at('Chipped', quantile)


@pytest.mark.parametrize('num_parts', [0, 1, 2, 3, 5, 16, 60, 301])
def test_plan_counts(num_parts):
    for seed in range(5):
        plan = plan_split(seed, 'train', num_parts)
        assert len(plan) == num_parts
        assert sum(not defects for defects in plan) == round(0.35 * num_parts)
        assert max((len(defects) for defects in plan), default=0) <= 4
        labels = Counter(defect.label for defects in plan for defect in defects)
        if num_parts >= 16:
            assert set(labels) == set(CLASSES)
            rest = [labels[name] for name in CLASSES if name not in STATED]
            assert min(labels['Chipped'], labels['Severe_Rust']) > max(rest)


def test_small_splits_too_keep_the_quartiles():
    for label, wanted in STATED.items():
        for seed in range(10):
            plan = plan_split(seed, 'train', 60)
            ratios = [d.ratio for part in plan for d in part if d.label == label]
            np.testing.assert_allclose(np.quantile(ratios, [0.25, 0.5, 0.75]), wanted, atol=0.04)


def test_negative_count_is_refused():
    with pytest.raises(ValueError, match='num_parts must be >= 0, got -1'):
        plan_split(0, 'train', -1)


def test_parts_draw_independently():
    first = {
        part_generator(seed, split, index).integers(2**62)
        for seed in range(3)
        for split in SPLITS
        for index in range(5)
    }
    assert len(first) == 3 * len(SPLITS) * 5
