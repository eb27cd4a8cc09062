"""A runner that trains a straight line: three numbers, real loops, real hooks."""

from __future__ import annotations

import itertools

import pytest
import torch
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import DataLoader, Dataset

_NUMBER = itertools.count()


class Points(Dataset):
    metainfo = {'classes': ('a',)}

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return torch.tensor([float(index)])


class Line(BaseModel):
    """Draws noise in each step, as dropout does, and keeps it."""

    def __init__(self, size=2):
        super().__init__()
        self.linear = torch.nn.Linear(1, size)
        torch.nn.init.constant_(self.linear.weight, 0.5)
        torch.nn.init.zeros_(self.linear.bias)
        self.noise = []

    def forward(self, inputs, mode='loss'):
        if mode != 'loss':
            return [0]
        self.noise.append(torch.rand(1).item())
        return {'loss': (self.linear(torch.stack(list(inputs))) - self.noise[-1]).square().mean()}


class Scores(BaseMetric):
    """Gives one score of a list after the other, and draws numbers meanwhile."""

    def __init__(self, scores, name='AP50'):
        super().__init__()
        self.scores, self.name = list(scores), name

    def process(self, data_batch, data_samples):
        self.results.append(torch.rand(1).item())

    def compute_metrics(self, results):
        return {self.name: self.scores.pop(0)}


def _collate(items):
    return {'inputs': items}


@pytest.fixture
def small_runner(monkeypatch):
    """``small_runner(work_dir, hook, ...)``: a runner with a checkpoint hook.

    Epochs of two iterations with a validation each, or iterations with one every other time.
    """

    # MMEngine waits two seconds whenever the loader is at its end.
    monkeypatch.setattr('mmengine.runner.loops.time.sleep', lambda seconds: None)

    def make(
        work_dir,
        hook=None,
        scores=(0.5,) * 9,
        by_epoch=True,
        end=4,
        load_from=None,
        custom_hooks=({'type': 'mmdefect.RandomStateHook'},),
        size=2,
        model=None,
        resume=True,
        optimizer=None,
    ):
        steps = {'max_epochs': end} if by_epoch else {'max_iters': end, 'val_interval': 2}
        loop = 'EpochBasedTrainLoop' if by_epoch else 'IterBasedTrainLoop'
        data = DataLoader(Points(), batch_size=2, collate_fn=_collate)
        hook = {'type': 'mmdefect.AtomicCheckpointHook', 'by_epoch': by_epoch, **(hook or {})}
        return Runner(
            model=model or Line(size),
            work_dir=str(work_dir),
            train_dataloader=data,
            val_dataloader=data,
            train_cfg={'type': loop, **steps},
            val_cfg={},
            val_evaluator=Evaluator([Scores(scores)]),
            optim_wrapper={'optimizer': optimizer or {'type': 'SGD', 'lr': 0.01, 'momentum': 0.9}},
            default_hooks={'checkpoint': hook},
            custom_hooks=list(custom_hooks),
            default_scope='mmdefect',
            randomness={'seed': 0},
            resume=resume and load_from is not None,
            load_from=None if load_from is None else str(load_from),
            experiment_name=f'small_{next(_NUMBER)}',
        )

    return make
