from __future__ import annotations

import pytest
from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from torch import nn

import mmdefect.registry  # noqa: F401  registers the scope

CONFIG = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=0.1, weight_decay=0.1),
    paramwise_cfg=dict(norm_decay_mult=0, bias_decay_mult=0, bypass_duplicate=True),
)


def half():
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Sequential(nn.Conv2d(4, 2, 1)))


@pytest.fixture
def model():
    model = nn.ModuleDict({'student': half(), 'teacher': half()})
    model['teacher'].requires_grad_(False)
    model['student'][0].weight.requires_grad_(False)
    model['student'][2].requires_grad_(False)
    return model


def options(model, wrapper):
    names = {id(weight): name for name, weight in model.named_parameters()}
    return {
        names[id(weight)]: group['weight_decay']
        for group in wrapper.param_groups
        for weight in group['params']
        if weight.requires_grad
    }


def test_one_line_for_each_part_that_is_not_trained(model, caplog):
    MMLogger.get_instance('quiet', logger_name='quiet').addHandler(caplog.handler)
    stock = options(model, build_optim_wrapper(model, CONFIG))
    caplog.clear()
    ours = build_optim_wrapper(
        model, dict(CONFIG, constructor='mmdefect.TrainedWeightsConstructor')
    )
    assert options(model, ours) == stock
    assert stock == {'student.0.bias': 0, 'student.1.weight': 0, 'student.1.bias': 0}
    said = [line for line in caplog.messages if 'not trained' in line]
    assert said == ['student.2: 2 weights not trained', 'teacher: 6 weights not trained']
    # A weight alone among trained ones is named as MMEngine does.
    assert not any('teacher.' in line or 'student.2.' in line for line in caplog.messages)
