from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub

from mmdefect.engine.tracking.scalars import name_scalars, shown_step


@pytest.mark.parametrize(
    ('logged', 'named'),
    [
        (
            {'loss': 1.5, 'lr': 0.1, 'time': 0.2, 'epoch': 3, 'iter': 7},
            {'train/loss': 1.5, 'train/lr': 0.1, 'train/time': 0.2, 'train/epoch': 3.0},
        ),
        (
            {'mmdefect/AP50': 0.5, 'mmdefect/AP50/chip': 0.25, 'time': 0.2},
            {'mmdefect/AP50': 0.5, 'mmdefect/AP50/chip': 0.25, 'val/time': 0.2},
        ),
        ({'train/loss': 1.0, 'iter': 1}, {'train/loss': 1.0}),
        (
            {'loss': torch.tensor(2.0), 'acc': np.float32(0.5), 'n': np.array([3]), 'iter': 1},
            {'train/loss': 2.0, 'train/acc': 0.5, 'train/n': 3.0},
        ),
        ({'text': 'a', 'many': [1, 2], 'vector': torch.zeros(2), 'none': None}, {}),
        ({}, {}),
    ],
)
def test_names(logged, named):
    assert name_scalars(logged) == named


def test_nan_stays_nan():
    assert math.isnan(name_scalars({'mmdefect/AP/chip': math.nan})['mmdefect/AP/chip'])


def test_validation_stands_at_the_iterations_done():
    hub = MessageHub.get_instance('tracking')
    assert shown_step({'mmdefect/AP50': 0.5}, 4) == 0
    hub.update_info('iter', 99)
    assert shown_step({'mmdefect/AP50': 0.5}, 4) == 100
    assert shown_step({'loss': 1.0, 'iter': 100}, 100) == 100
