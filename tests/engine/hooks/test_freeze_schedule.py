from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.runner import EpochBasedTrainLoop
from torch import nn

from mmdefect.engine.hooks import FreezeSchedule
from mmdefect.engine.model_wrappers import CPUDistributedDataParallel


class Network(BaseModel):
    """A backbone with statistics, a head, and what the backbone was at each step."""

    def __init__(self, init_cfg=None):
        super().__init__(init_cfg=init_cfg)
        torch.manual_seed(0)
        self.backbone = nn.Sequential(nn.Linear(1, 4), nn.BatchNorm1d(4))
        self.head = nn.Linear(4, 1)
        self.seen = []

    def forward(self, inputs, mode='loss'):
        if mode != 'loss':
            return [0]
        state = torch.cat(
            [value.flatten().double() for value in self.backbone.state_dict().values()]
        )
        self.seen.append(state)
        return {'loss': (self.head(self.backbone(torch.stack(list(inputs)))) - 1).square().mean()}


@pytest.fixture
def run(small_runner, tmp_path):
    """``run(**options)``: train four epochs of two steps -> model, optimiser, log."""

    def train(work_dir='work', load_from='given', schedule=None, init_cfg=None, **options):
        if load_from == 'given':
            load_from = tmp_path / 'given.pth'
            torch.save({'state_dict': Network().state_dict()}, load_from)
        hook = {'type': 'mmdefect.FreezeSchedule', **(schedule or {'epochs': 2})}
        runner = small_runner(
            tmp_path / work_dir,
            load_from=load_from,
            custom_hooks=[hook],
            model=Network(init_cfg),
            optimizer={'type': 'AdamW', 'lr': 0.1, 'weight_decay': 0.5},
            **{'resume': False, **options},
        )
        lines = []
        runner.logger.addHandler(handler := _Lines(lines))
        try:
            runner.train()
        finally:
            runner.logger.removeHandler(handler)
        return runner.model, runner.optim_wrapper, '\n'.join(lines)

    return train


class _Lines(logging.Handler):
    def __init__(self, lines):
        super().__init__()
        self.lines = lines

    def emit(self, record):
        self.lines.append(record.getMessage())


def changes(model):
    """Whether the backbone has changed between one step and the next."""
    return [not torch.equal(*pair) for pair in zip(model.seen, model.seen[1:], strict=False)]


def test_frozen_first_then_trained(run):
    model, optimiser, log = run()
    # Weights, weight decay and statistics: nothing changes for two epochs of two steps.
    assert changes(model) == [False] * 4 + [True] * 3
    assert log.count('backbone frozen (4 weights) until the end of epoch 2') == 1
    assert log.count('backbone trained from now on') == 1
    held = sum(len(group['params']) for group in optimiser.optimizer.param_groups)
    assert held == len(list(model.parameters())) == 6
    assert all(weight.requires_grad for weight in model.parameters())


@pytest.mark.parametrize('end', [1, 3])
def test_a_resumed_training_goes_on_as_it_would_have(run, tmp_path, end):
    whole, _, _ = run('whole')
    run('first', end=end)
    model, _, log = run('second', load_from=tmp_path / f'first/epoch_{end}.pth', resume=True)
    assert ('frozen (4' in log) == (end == 1)
    assert changes(model) == changes(whole)[2 * end :]
    for value, expected in zip(
        model.state_dict().values(), whole.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(value, expected)


def test_iterations(run):
    model, _, log = run(schedule={'iterations': 3}, by_epoch=False, end=6)
    assert changes(model) == [False] * 3 + [True] * 2
    assert 'until the end of iteration 3' in log


def test_without_pretrained_weights_nothing_is_frozen(run, tmp_path):
    model, _, log = run('scratch', load_from=None, end=1)
    assert changes(model) == [True]
    (line,) = [line for line in log.splitlines() if 'FreezeSchedule' in line]
    assert 'no pretrained weights' in line and 'nothing is frozen' in line
    # A resumed training loads weights too, but random ones that were trained for one epoch.
    model, _, log = run('more', load_from=tmp_path / 'scratch/epoch_1.pth', resume=True, end=2)
    assert changes(model) == [True] and 'nothing is frozen' in log


def test_weights_that_the_model_loads_itself(run, tmp_path):
    torch.save(Network().state_dict(), tmp_path / 'own.pth')
    given = dict(type='Pretrained', checkpoint=str(tmp_path / 'own.pth'))
    model, _, log = run(load_from=None, end=1, init_cfg=given)
    assert changes(model) == [False] and 'nothing is frozen' not in log


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        ({}, 'one of epochs and iterations'), ({'epochs': 1, 'iterations': 1}, 'one of epochs'),
        ({'epochs': 0}, 'epochs must be'), ({'iterations': True}, 'iterations must be'),
        ({'epochs': 1, 'parts': 'backbone'}, 'parts must be'),
        ({'epochs': 1, 'parts': ()}, 'parts must be'),
    ],
)  # fmt: skip
def test_values_out_of_range(options, words):
    with pytest.raises(ValueError, match=words):
        FreezeSchedule(**options)


def test_what_does_not_fit_the_training(run):
    with pytest.raises(ValueError, match="no part 'net.backbone'; did you mean 'backbone'"):
        run(schedule={'epochs': 1, 'parts': ['net.backbone']})
    with pytest.raises(ValueError, match='counts iterations; give iterations'):
        run(by_epoch=False)


def test_several_processes(tmp_path):
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{tmp_path}/meeting', rank=0, world_size=1
    )
    try:
        for finds in (False, True):
            runner = SimpleNamespace(
                model=CPUDistributedDataParallel(Network(), find_unused_parameters=finds),
                train_loop=EpochBasedTrainLoop.__new__(EpochBasedTrainLoop),
                logger=logging.getLogger('freeze'), epoch=0, _load_from='weights.pth',
            )  # fmt: skip
            hook = FreezeSchedule(epochs=1)
            if not finds:
                with pytest.raises(ValueError, match='set find_unused_parameters=True'):
                    hook.before_train(runner)
                continue
            hook.before_train(runner)
            optimiser = torch.optim.SGD(runner.model.parameters(), lr=0.1)
            for step in range(6):
                runner.epoch = step // 3
                runner.model.train()
                hook.before_train_iter(runner, step)
                optimiser.zero_grad()
                runner.model(torch.ones(2, 1) * torch.arange(2.0)[:, None])['loss'].backward()
                optimiser.step()
            assert changes(runner.model.module) == [False] * 3 + [True] * 2
    finally:
        torch.distributed.destroy_process_group()
