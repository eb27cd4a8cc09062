from __future__ import annotations

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner

import mmdefect.registry  # noqa: F401  registers the scope
from mmdefect.engine.hooks import SamplerCheckHook
from mmdefect.errors import InputError

_EPOCHS = {'by_epoch': True, 'max_epochs': 1}
_ITERATIONS = {'by_epoch': False, 'max_iters': 2}


class Numbers(list):
    metainfo = {'classes': ('a',)}
    reads_draws = True

    def __getitem__(self, index):
        return {'value': super().__getitem__(index)}


class Count(BaseModel):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.batches = []

    def forward(self, value, mode='loss'):
        self.batches.append(value)
        return {'loss': self.weight.sum()}


@pytest.fixture
def train(tmp_path):
    def run(sampler, batch_size, train_cfg, name='run'):
        runner = Runner(
            Count(),
            str(tmp_path),
            train_dataloader={
                'dataset': Numbers(range(6)), 'batch_size': batch_size, 'num_workers': 0,
                'sampler': sampler,
            },
            train_cfg=train_cfg,
            optim_wrapper={'optimizer': {'type': 'SGD', 'lr': 0.1}},
            custom_hooks=[{'type': 'mmdefect.SamplerCheckHook'}],
            default_hooks={'checkpoint': None},
            experiment_name=tmp_path.name,
        )  # fmt: skip
        try:
            runner.train()
        finally:
            run.batches = [len(batch) for batch in runner.model.batches]

    return run


OURS = {'type': 'mmdefect.SemiSupervisedSampler', 'batch_size': 4, 'source_ratio': [1]}


def test_equal_batch_sizes(train):
    train(OURS, 4, _ITERATIONS)
    assert train.batches == [4, 4]


@pytest.mark.parametrize('batch_size', [2, 8])
def test_another_batch_size_is_refused_before_the_first_iteration(train, batch_size):
    message = f'train_dataloader.batch_size is {batch_size}, but .* is 4'
    with pytest.raises(InputError, match=message):
        train(OURS, batch_size, _ITERATIONS)
    assert train.batches == []


def test_a_loop_of_epochs_would_never_end(train):
    with pytest.raises(InputError, match="has no end.*type='mmdefect.GuardedIterBasedTrainLoop'"):
        train(OURS, 4, _EPOCHS)
    assert train.batches == []


def test_other_samplers_are_left_alone(train):
    train({'type': 'DefaultSampler', 'shuffle': True}, 3, _EPOCHS)
    assert train.batches == [3, 3]


def test_unknown_key():
    with pytest.raises(InputError, match="SamplerCheckHook: unknown key 'strict'"):
        SamplerCheckHook(strict=True)
