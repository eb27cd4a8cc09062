"""Notes and warnings of a report."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from mmdefect.engine.anchors.remarks import fit_notes, report_warnings
from mmdefect.evaluation.anchors import FittedShapes

ONE_SIZE = np.tile([[9.0, 12.0]], (40, 1))


@pytest.mark.parametrize(
    ('extents', 'per_location', 'budget', 'expected'),
    [
        (np.arange(1.0, 81).reshape(40, 2), 100, None, []),
        (np.arange(1.0, 81).reshape(40, 2), 120, 9, []),
        (
            np.arange(1.0, 81).reshape(40, 2), 120, None,
            ['120 anchors per place now; 100 are fitted at most'],
        ),
        (ONE_SIZE, 9, None, ['all 40 boxes have one size, 9 x 12 pixels']),
        (ONE_SIZE[:1], 9, None, ['1 box to fit to: the proposal suits it']),
        (ONE_SIZE[:2] * [[1], [2]], 9, None, ['2 boxes to fit to: the proposal suits them']),
    ],
)  # fmt: skip
def test_notes(extents, per_location, budget, expected):
    notes = list(fit_notes(extents, per_location, budget))
    assert len(notes) == len(expected)
    assert all(map(str.startswith, notes, expected))


def report(now=(0.6, 0.4), proposed=(0.5, 0.5), kind='AnchorGenerator', **changes):
    total = SimpleNamespace(shape=SimpleNamespace(mean=0.5))
    content = dict(
        generator='model.bbox_head.anchor_generator', kind=kind, strides=[8.0, 16.0],
        now=SimpleNamespace(levels=now, total=total), proposed=SimpleNamespace(levels=proposed),
        transposed=0.5, worthwhile=True,
    )  # fmt: skip
    return SimpleNamespace(**{**content, **changes})


@pytest.mark.parametrize(
    ('seen', 'shapes', 'expected'),
    [
        (report(), None, ''),
        (
            report(proposed=(0.995, 0.005)), None,
            'hardly a box to levels that covered some best (stride 16: 40.0% -> 0.5%)',
        ),
        (report(proposed=(0.0, 0.0)), None, '(stride 8: 60.0% -> 0.0%, stride 16: 40.0% -> 0.0%)'),
        (report(proposed=(0.0, 1.0), worthwhile=False), None, ''),
        (report(now=(0.96, 0.04), proposed=(1.0, 0.0)), None, ''),
        (report(transposed=0.505), None, ''),
        (report(transposed=0.6), None, 'exchange width and height of the anchors'),
        (report(transposed=0.6), FittedShapes([1 / 3], [4.0]), 'write ratios=[0.333]'),
        (
            report(transposed=0.6, kind='mmdefect.DefectAnchorGenerator'), None,
            'say the other ratio_order',
        ),
    ],
)  # fmt: skip
def test_warnings(seen, shapes, expected):
    warnings = list(report_warnings(seen, shapes))
    assert len(warnings) == bool(expected) and expected in ''.join(warnings)
