from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import EMAHook
from mmengine.logging import MessageHub
from torch import nn

import mmdefect.registry  # noqa: F401  registers the scope
from mmdefect.engine.hooks import MeanTeacherHook, WeightAverageHook
from mmdefect.errors import InputError


class Twins(nn.Module):
    def __init__(self, student, burn_in):
        super().__init__()
        self.burn_in, self.student = burn_in, student
        self.teacher = copy.deepcopy(student).requires_grad_(False)


@pytest.mark.parametrize(('burn_in', 'decay'), [(1, 0.999), (3, 0.999), (3, 0.6), (9, 0.9)])
def test_the_average_is_what_a_teacher_would_be(burn_in, decay):
    student = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    twins = Twins(student, burn_in)
    hub = MessageHub.get_instance('weight_average')
    both = SimpleNamespace(model=twins, iter=0, message_hub=hub)
    alone = SimpleNamespace(model=student, iter=0, max_iters=7)
    teacher, average = MeanTeacherHook(decay), WeightAverageHook(decay, burn_in)
    assert isinstance(average, EMAHook) and average.priority == 49
    average.before_run(alone)
    for hook, runner in ((teacher, both), (average, alone)):
        hook.before_train(runner)
    generator = torch.Generator().manual_seed(0)
    for iteration in range(7):
        both.iter = alone.iter = iteration
        teacher.before_train_iter(both, 0)
        for value in (*student.parameters(), *student.buffers()):
            if value.is_floating_point():
                value.data.copy_(torch.randn(value.shape, generator=generator))
        for hook, runner in ((teacher, both), (average, alone)):
            hook.after_train_iter(runner, 0)
        kept = average.ema_model.module.state_dict()
        for name, value in twins.teacher.state_dict().items():
            torch.testing.assert_close(kept[name], value, msg=f'{name}, iteration {iteration}')


@pytest.mark.parametrize(
    ('keys', 'message'),
    [
        (dict(decay=1.0), 'decay must be above 0 and below 1, got 1.0'),
        (dict(decay=float('nan')), 'decay must be'),
        (dict(burn_in=-1), 'burn_in must be an integer >= 0, got -1'),
        (dict(burn_in=1.5), 'burn_in must be'),
        (dict(momentum=0.1), "unknown key 'momentum'"),
    ],
)
def test_bad_keys(keys, message):
    with pytest.raises(InputError, match=message):
        WeightAverageHook(**keys)
