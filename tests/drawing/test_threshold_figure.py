from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from mmdefect.decision import operating_curve, reliability_table
from mmdefect.drawing import ThresholdPanel, draw_thresholds


def panel(name, scores, labels):
    scores, labels = np.asarray(scores, float), np.asarray(labels, bool)
    return ThresholdPanel(
        name, scores, labels, 0.5, dataclasses.asdict(operating_curve(scores, labels)),
        dataclasses.asdict(reliability_table(scores, labels)),
    )  # fmt: skip


def test_a_row_each():
    rng = np.random.default_rng(0)
    rows = [
        panel('', rng.random(500), rng.random(500) < 0.5),
        panel('$rust$', [0.3], [True]),
        panel('_' + 'b' * 80, [0.3, 1.0], [False, False]),
    ]
    for count in (1, 3):
        size = Image.open(io.BytesIO(draw_thresholds(rows[:count]))).size
        assert size == (1650, round(484 * count))


def test_no_row():
    with pytest.raises(ValueError, match='panels must hold one row or more'):
        draw_thresholds([])
