"""Masks of defects: where they lie, in which views they are whole, how wide they are."""

from __future__ import annotations

import numpy as np
import pytest

from mmdefect.datasets.synthetic.drill_bit import CANVAS_SIZE, draw_bit, polar_coordinates
from mmdefect.datasets.synthetic.drill_defects import place_defect
from mmdefect.datasets.synthetic.drill_level import LEVELS
from mmdefect.datasets.synthetic.drill_plan import CLASSES, PlannedDefect, ratio_at
from mmdefect.datasets.synthetic.textures import smooth_step
from mmdefect.datasets.synthetic.views import (
    NUM_VIEWS,
    VIEW_SIZE,
    tight_box,
    view_homography,
    visible_share,
)

SIZE = (VIEW_SIZE, VIEW_SIZE)


def _place(label, ratio, rng, level, taken=None):
    bit = draw_bit(rng, level)
    distance, _ = polar_coordinates(bit.centre, CANVAS_SIZE)
    body = smooth_step(distance, bit.radius + 0.7, bit.radius - 0.7)
    taken = np.zeros(body.shape, dtype=bool) if taken is None else taken
    return bit, place_defect(rng, PlannedDefect(label, ratio), bit, body, taken, level.size)


@pytest.mark.parametrize('level', LEVELS.values(), ids=list(LEVELS))
@pytest.mark.parametrize('label', CLASSES)
def test_whole_in_two_to_four_views_with_a_tight_box(label, level):
    for seed in range(40):
        rng = np.random.default_rng([seed, CLASSES.index(label)])
        bit, defect = _place(label, ratio_at(label, rng.uniform(0.001, 0.999)), rng, level)
        points = defect.pixels()
        frames = [view_homography(bit.centre, view) for view in range(NUM_VIEWS)]
        whole = [f for f in frames if visible_share(points, f, SIZE) == 1]
        assert 2 <= len(whole) <= 4
        centres = []
        for frame in whole:
            mask = defect.mask_in(frame, SIZE)
            x, y, w, h = tight_box(mask)
            assert mask[y : y + h, x : x + w].sum() == mask.sum()
            # Resampling moves a few border pixels only.
            assert mask.sum() == pytest.approx(len(points), rel=0.12)
            rows, columns = np.nonzero(mask)
            centres.append((frame @ [columns.mean(), rows.mean(), 1])[:2])
        assert np.ptp(centres, axis=0).max() < 1.5
        assert np.abs(points.mean(axis=0) - centres[0]).max() < 1.5


@pytest.mark.parametrize('level', LEVELS.values(), ids=list(LEVELS))
@pytest.mark.parametrize(
    ('label', 'wanted'),
    [('Severe_Rust', (0.34, 0.45, 0.61)), ('Chipped', (0.39, 0.51, 0.65))],
)
def test_measured_masks_have_the_stated_quartiles(label, wanted, level):
    ratios = []
    for quantile in (np.arange(80) + 0.5) / 80:
        rng = np.random.default_rng(int(quantile * 1000))
        bit, defect = _place(label, ratio_at(label, quantile), rng, level)
        width, height = defect.radial_size(bit.centre)
        assert width >= 5
        assert 13 <= height <= 61
        ratios.append(width / height)
    np.testing.assert_allclose(np.quantile(ratios, [0.25, 0.5, 0.75]), wanted, atol=0.03)


def test_a_crowded_bit_has_no_room():
    taken = np.ones((CANVAS_SIZE, CANVAS_SIZE), dtype=bool)
    _, defect = _place('Chipped', 0.5, np.random.default_rng(0), LEVELS['easy'], taken)
    assert defect is None


def test_defects_of_a_bit_do_not_touch():
    rng = np.random.default_rng(5)
    taken = np.zeros((CANVAS_SIZE, CANVAS_SIZE), dtype=bool)
    count = np.zeros(taken.shape, dtype=int)
    bit = draw_bit(rng, LEVELS['easy'])
    body = np.ones(taken.shape, dtype=np.float32)
    for label in ('Tip_Wear', 'Chipped', 'Chipped', 'Severe_Rust', 'Scratched'):
        defect = place_defect(rng, PlannedDefect(label, 0.5), bit, body, taken, 1.0)
        count[defect.window] += defect.alpha >= 0.5
    assert count.max() == 1
