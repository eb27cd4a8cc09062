from __future__ import annotations

import copy
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper, build_optim_wrapper
from torch import nn

from mmdefect.engine.hooks import MeanTeacherHook
from mmdefect.errors import InputError


class Twins(nn.Module):
    def __init__(self):
        super().__init__()
        self.burn_in = 0
        torch.manual_seed(0)
        self.student = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
        self.student.register_buffer('position', torch.ones(2), persistent=False)
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)


@pytest.fixture
def runner():
    model = Twins()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    hub = MessageHub.get_instance('mean_teacher')
    return SimpleNamespace(
        model=model, optim_wrapper=OptimWrapper(optimizer), iter=0, message_hub=hub
    )


def change_student(runner, value):
    """Every number of the student becomes ``value``."""
    for tensor in (*runner.model.student.parameters(), *runner.model.student.buffers()):
        tensor.data.fill_(value)


def numbers(module):
    """The one value that all floating-point numbers of a module have."""
    tensors = (*module.parameters(), *module.buffers())
    values = {round(float(v), 5) for t in tensors if t.is_floating_point() for v in t.flatten()}
    assert len(values) == 1
    return values.pop()


def run_iteration(hook, runner, value):
    hook.before_train_iter(runner, 0)
    change_student(runner, value)
    hook.after_train_iter(runner, 0)
    runner.iter += 1
    return numbers(runner.model.teacher)


def test_weights_and_statistics_are_averaged_and_counts_copied(runner):
    hook = MeanTeacherHook(decay=0.9, ramp=False)
    change_student(runner, 1)
    hook.before_train(runner)
    assert run_iteration(hook, runner, 2) == pytest.approx(0.9 * 1 + 0.1 * 2)
    assert run_iteration(hook, runner, 12) == pytest.approx(0.9 * 1.1 + 0.1 * 12)
    norm = runner.model.teacher[1]
    assert int(norm.num_batches_tracked) == 12
    assert norm.running_mean.tolist() == pytest.approx([2.19, 2.19])


def test_the_ramp_is_the_mean_of_all_students(runner):
    hook = MeanTeacherHook(decay=0.7)
    change_student(runner, 0)
    hook.before_train(runner)
    seen = [run_iteration(hook, runner, value) for value in (6.0, 9.0, 1.0)]
    # Means of 0, 6; of 0, 6, 9; then .7 is below 3/4.
    assert seen == pytest.approx([3.0, 5.0, 0.7 * 5.0 + 0.3 * 1.0])


@pytest.mark.parametrize(
    ('keys', 'burn_in', 'iterations', 'decays'),
    [
        ({}, 0, (0, 1, 998, 999, 10**6), (1 / 2, 2 / 3, 0.999, 0.999, 0.999)),
        ({'decay': 0.5}, 0, (0, 1), (0.5, 0.5)),
        ({'decay': 0.9, 'ramp': False}, 2, (0, 1, 2), (0, 0, 0.9)),
        ({'interval': 4}, 2, (1, 5, 9, 13), (0, 1 / 2, 2 / 3, 3 / 4)),
    ],
)
def test_decay(keys, burn_in, iterations, decays):
    hook = MeanTeacherHook(**keys)
    assert [hook.decay_at(iteration, burn_in) for iteration in iterations] == pytest.approx(decays)


def test_burn_in(runner):
    runner.model.burn_in = 2
    hook = MeanTeacherHook()
    hook.before_train(runner)
    burning, teachers = [], []
    for value in (3.0, 5.0, 8.0):
        teachers.append(run_iteration(hook, runner, value))
        burning.append(runner.model.burning_in)
    assert burning == [True, True, False]
    assert teachers == [3.0, 5.0, 6.5]


def test_interval(runner):
    hook = MeanTeacherHook(decay=0.5, interval=2, ramp=False)
    change_student(runner, 0)
    hook.before_train(runner)
    assert [run_iteration(hook, runner, 4.0) for _ in range(4)] == [0, 2, 2, 3]


def test_fresh_runs_copy_and_resumed_runs_do_not(runner):
    for buffer in runner.model.student.buffers():
        buffer.fill_(7)
    hook = MeanTeacherHook()
    runner.iter = 5
    before = copy.deepcopy(runner.model.teacher.state_dict())
    hook.before_train(runner)
    assert all(
        torch.equal(value, before[key]) for key, value in runner.model.teacher.state_dict().items()
    )
    runner.iter = 0
    hook.before_train(runner)
    teacher, student = runner.model.teacher.state_dict(), runner.model.student.state_dict()
    assert all(torch.equal(teacher[key], student[key]) for key in student)


def test_the_teacher_evaluates_whatever_the_loop_does(runner):
    hook = MeanTeacherHook()
    runner.model.train()
    hook.before_train_iter(runner, 0)
    modes = [module.training for module in runner.model.teacher.modules()]
    assert not any(modes)
    assert runner.model.student.training


@pytest.mark.parametrize('paramwise', [None, {'norm_decay_mult': 0.0}])
def test_the_optimiser_holds_the_student_only(runner, paramwise):
    config = dict(optimizer=dict(type='AdamW', lr=0.1, weight_decay=0.1), paramwise_cfg=paramwise)
    runner.optim_wrapper = build_optim_wrapper(runner.model, config)
    groups = runner.optim_wrapper.optimizer.param_groups
    count = len(groups)
    MeanTeacherHook().before_run(runner)
    held = {id(weight) for group in groups for weight in group['params']}
    assert held == {id(weight) for weight in runner.model.student.parameters()}
    assert len(groups) == count
    runner.model.student(torch.ones(2, 1, 2, 2)).sum().backward()
    runner.optim_wrapper.step()
    # The state of such an optimiser is loaded after before_run of a resumed training.
    runner.optim_wrapper.load_state_dict(runner.optim_wrapper.state_dict())


def test_a_test_has_no_optimiser(runner):
    # What the runner holds as long as nothing is trained.
    runner.optim_wrapper = ConfigDict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=0.1))
    MeanTeacherHook().before_run(runner)
    runner.optim_wrapper = None
    MeanTeacherHook().before_run(runner)


@pytest.mark.parametrize(
    ('keys', 'message'),
    [
        ({'momentum': 0.001}, 'set decay = 1 - momentum'),
        ({'decai': 0.9}, "unknown key 'decai'; did you mean 'decay'"),
        ({'decay': 1.0}, r'decay must be in \[0, 1\), got 1.0'),
        ({'decay': -0.1}, r'decay must be in \[0, 1\), got -0.1'),
        ({'interval': 0}, 'interval must be an integer >= 1, got 0'),
        ({'interval': 2.5}, 'interval must be an integer >= 1, got 2.5'),
        ({'burn_in': 2}, 'set model.semi_train_cfg.burn_in'),
    ],
)
def test_bad_keys(keys, message):
    with pytest.raises(InputError, match=message):
        MeanTeacherHook(**keys)


def test_models_that_have_no_twins(runner):
    hook = MeanTeacherHook()
    hook.before_run(runner)
    runner.model.teacher.requires_grad_(True)
    with pytest.raises(InputError, match='semi_train_cfg.freeze_teacher=True'):
        hook.before_run(runner)
    runner.model.teacher = nn.Sequential(nn.Conv2d(1, 3, 1), nn.BatchNorm2d(2))
    with pytest.raises(InputError, match=r'in the student and .* in the teacher; build both'):
        hook.before_run(runner)
    runner.model = nn.Conv2d(1, 2, 1)
    with pytest.raises(InputError, match='model Conv2d has no student and teacher'):
        hook.before_run(runner)
