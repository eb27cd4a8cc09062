from __future__ import annotations

import numpy as np
import pytest

from mmdefect.errors import InputError
from mmdefect.evaluation.anchors import (
    AnchorForm,
    Coverage,
    FittedShapes,
    PlacedBoxes,
    best_grid_iou,
    best_shape_iou,
    fit_shapes,
    shape_statistics,
)

STRIDES = np.repeat(np.array([8.0, 16, 32])[:, None], 2, axis=1)
FORM = AnchorForm(STRIDES, STRIDES[:, 0], np.zeros((3, 2)))
SIZE = np.array([[512, 512]])


def place(extents, seed=0):
    extents = np.asarray(extents, float).reshape(-1, 2)
    corner = np.random.default_rng(seed).uniform(0, 512 - extents)
    boxes = np.hstack([corner, corner + extents]).astype(np.float32)
    return PlacedBoxes(boxes, np.zeros(len(boxes), np.int64), SIZE, SIZE)


def draw(ratios, sizes, count=600, seed=0):
    generator = np.random.default_rng(seed)
    ratio = generator.choice(ratios, count) * np.exp(0.03 * generator.standard_normal(count))
    size = generator.choice(sizes, count) * np.exp(0.03 * generator.standard_normal(count))
    return place(np.stack([size * np.sqrt(ratio), size / np.sqrt(ratio)], axis=1), seed)


def mean(placed, shapes):
    return best_grid_iou(placed, FORM.anchors(shapes.ratios, shapes.scales))[0].mean()


def test_planted_shapes_are_found():
    placed = draw([0.2, 1, 4], [48, 96])
    shapes = fit_shapes(placed, FORM, 9)
    for planted in (0.2, 1, 4):
        assert min(abs(np.log(np.array(shapes.ratios) / planted))) < 0.12
    stock = FittedShapes([0.5, 1, 2], [4, 5.04, 6.35])
    assert mean(placed, shapes) > mean(placed, stock) + 0.15
    extents = placed.extents
    assert best_shape_iou(extents, FORM.anchors(shapes.ratios, shapes.scales)).mean() > 0.85


@pytest.mark.parametrize('budget', [1, 2, 5, 9, 20])
def test_budget_is_kept_and_more_is_not_worse(budget):
    placed = draw([0.3, 0.5, 0.7, 2], [20, 45, 160], 200)
    shapes = fit_shapes(placed, FORM, budget)
    assert 1 <= shapes.per_location <= budget
    assert shapes.ratios == sorted(shapes.ratios) and shapes.scales == sorted(shapes.scales)
    assert mean(placed, shapes) >= mean(placed, fit_shapes(placed, FORM, 1)) - 0.005


def test_seeded():
    placed = draw([0.3, 2], [30, 70], 5000)
    first = fit_shapes(placed, FORM, 4, seed=3)
    assert first == fit_shapes(placed, FORM, 4, seed=3)


@pytest.mark.parametrize(
    'extents', [[[40, 80]], [[40, 80]] * 50, [[1, 1]], [[500, 3]], [[40, 80], [80, 40]]]
)
def test_few_and_equal_boxes(extents):
    shapes = fit_shapes(place(extents), FORM, 9)
    assert np.isfinite([*shapes.ratios, *shapes.scales]).all()
    assert shapes.per_location <= 9
    assert len(shapes.ratios) + len(shapes.scales) <= 6


def test_never_worse_than_what_is_known_and_fewer_of_equal():
    placed = draw([0.5], [64], 300)
    known = fit_shapes(placed, FORM, 9, seed=1)
    again = fit_shapes(placed, FORM, 9, seed=2, known=known)
    assert mean(placed, again) >= mean(placed, known) - 0.0021
    wasteful = FittedShapes([*known.ratios, 5.0], known.scales)
    assert fit_shapes(placed, FORM, 9, known=wasteful).per_location < wasteful.per_location


@pytest.mark.parametrize('budget', [0, -1, 101])
def test_bad_budget(budget):
    with pytest.raises(
        InputError, match=f'budget must be 1 to 100 anchors per place, got {budget}'
    ):
        fit_shapes(place([[4, 4]]), FORM, budget)


def test_no_box():
    with pytest.raises(InputError, match='there is no box to fit anchors to'):
        fit_shapes(place([]), FORM, 9)


def test_coverage_counts_what_is_exactly_at_a_threshold():
    assert Coverage.of([0.7, 0.5, 0.4], 0.4) == Coverage(
        3, pytest.approx(1.6 / 3), 1.0, pytest.approx(2 / 3), pytest.approx(1 / 3)
    )
    assert Coverage.of([], 0.5) == Coverage(0, None, None, None, None)


def test_statistics_per_class():
    extents = np.array([[10, 40], [20, 20], [40, 10.0]])
    found = shape_statistics(extents, np.array([0, 2, 2]), ['chip', 'none', 'rust'])
    assert [item.boxes for item in found] == [1, 0, 2]
    assert found[0].ratio == [0.25] * 5 and found[1].size == [] and found[2].ratio[2] == 2.5
