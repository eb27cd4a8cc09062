from __future__ import annotations

import copy
import itertools
import json
from pathlib import Path

import pytest
import torch
from mmdet.utils import reduce_mean
from mmengine.dataset import DefaultSampler
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner, load_checkpoint
from mmengine.structures import BaseDataElement
from torch import nn
from torch.utils.data import DataLoader, Dataset

from mmdefect.engine.loops import GuardedIterBasedTrainLoop
from mmdefect.errors import InputError
from mmdefect.ops import nms

_NUMBER = itertools.count()
FAULTS = ('pixel', 'loss', 'gradient', 'operator')


class Images(Dataset):
    """Images of which some carry a fault, by index."""

    metainfo = {'classes': ('chip',)}

    def __init__(self, faults):
        self.faults = faults

    def __len__(self):
        return 64

    def __getitem__(self, index):
        image = torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(index))
        fault = self.faults.get(index)
        if fault == 'pixel':
            image[0, 0, 0] = torch.nan
        sample = BaseDataElement(metainfo={'img_path': f'{index:03d}.png', 'fault': fault})
        return {'inputs': image, 'data_samples': sample}


class Twins(BaseModel):
    """A student with batch normalisation, and its teacher."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.student = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)
        self.register_buffer('threshold', torch.zeros(1))

    def forward(self, inputs, data_samples, mode):
        faults = {sample.fault for sample in data_samples}
        images = torch.stack(inputs)
        loss = self.student(images).square().mean()
        self.threshold = self.threshold + 1.0
        if 'loss' in faults:
            loss = loss * torch.inf
        if 'gradient' in faults:
            # The value is 0, the slope of the root there is not finite.
            loss = loss + (self.student[0].weight[0, 0, 0, 0] * 0).sqrt()
        if 'operator' in faults:
            nms(torch.full((1, 4), torch.nan), torch.ones(1), 0.5)
        if 'programming' in faults:
            raise ValueError('boxes must be of shape (N, 4), got (2, 3)')
        if 'input' in faults:
            raise InputError('a.png: is not finite')
        # Heads average their normaliser over ranks, after NMS has made the proposals.
        loss = loss / reduce_mean(torch.ones(()))
        return {'loss_cls': loss, 'loss_bbox': torch.zeros(())}


def state_of(runner):
    """Everything that an undone iteration leaves as it was."""
    tensors = {**runner.model.state_dict()}
    for index, state in enumerate(runner.optim_wrapper.optimizer.state.values()):
        tensors.update({f'optimiser.{index}.{name}': value for name, value in state.items()})
    return {name: torch.as_tensor(value).clone() for name, value in tensors.items()}


class Watch(Hook):
    """What each iteration changed, and with which learning rate it ran."""

    priority = 'LOWEST'

    def __init__(self):
        self.changed, self.rates, self.gradients, self.outputs = [], [], [], []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.before = state_of(runner)
        self.rates.append(runner.optim_wrapper.get_lr()['lr'][0])

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        after = state_of(runner)
        same = after.keys() == self.before.keys()
        equal = same and all(torch.equal(after[name], self.before[name]) for name in after)
        self.changed.append(not equal)
        weights = runner.optim_wrapper.optimizer.param_groups[0]['params']
        self.gradients.append(weights[0].grad is not None)
        self.outputs.append(dict(outputs))


def make_runner(folder, faults, iterations, model=None, optim_wrapper=None, hooks=(), **loop):
    optim_wrapper = optim_wrapper or {}
    watch = Watch()
    runner = Runner(
        model=model or Twins(),
        work_dir=str(folder),
        train_dataloader=dict(
            dataset=Images(faults), batch_size=2, num_workers=0, persistent_workers=False,
            sampler=dict(type='DefaultSampler', shuffle=False),
            collate_fn=dict(type='pseudo_collate'),
        ),
        train_cfg=dict(
            type='mmdefect.GuardedIterBasedTrainLoop', max_iters=iterations, **loop),
        optim_wrapper=dict(
            optimizer=dict(type='SGD', lr=0.1, momentum=0.9), **optim_wrapper),
        param_scheduler=dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=21),
        default_hooks=dict(
            logger=dict(type='LoggerHook', interval=1),
            checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=4)),
        custom_hooks=[dict(type='mmdefect.MeanTeacherHook'), watch, *hooks],
        log_processor=dict(by_epoch=False),
        experiment_name=f'guard{next(_NUMBER)}',
        default_scope='mmengine',
    )  # fmt: skip
    return runner, watch


@pytest.mark.parametrize('fault', FAULTS)
@pytest.mark.parametrize(
    'optim_wrapper',
    [{}, {'clip_grad': {'max_norm': 0.1}}, {'type': 'mmdefect.AmpOptimWrapper'}],
    ids=['plain', 'clipped', 'mixed'],
)
def test_an_undone_iteration_leaves_no_trace(tmp_path, fault, optim_wrapper):
    # The third and the fourth of six batches hold one image with a fault each.
    runner, watch = make_runner(tmp_path, {5: fault, 6: fault}, 6, None, optim_wrapper)
    runner.train()
    assert watch.changed == [True, True, False, False, True, True]
    assert watch.rates == pytest.approx([0.1 * (0.1 + 0.9 * step / 20) for step in range(6)])
    assert not any(watch.gradients)
    assert [bool(outputs) for outputs in watch.outputs] == watch.changed
    assert runner.iter == 6
    loop = runner.train_loop
    assert (loop.undone, loop.undone_in_row) == (2, 0)
    counted = runner.message_hub.get_scalar('train/guard/undone')
    assert [int(value) for value in counted.data[0]] == [0, 0, 1, 2, 2, 2]
    assert all(value.isfinite().all() for value in runner.model.state_dict().values())


def test_the_good_iterations_are_those_of_a_run_without_the_bad(tmp_path):
    guarded, _ = make_runner(tmp_path / 'a', {4: 'loss'}, 5)
    guarded.train()
    plain, _ = make_runner(tmp_path / 'b', {}, 5)
    dataset = plain.train_dataloader.dataset
    model = plain.model
    optimizer = torch.optim.SGD(model.student.parameters(), lr=0.1, momentum=0.9)
    for step in (0, 1, 3, 4):
        for group in optimizer.param_groups:
            group['lr'] = 0.1 * (0.1 + 0.9 * step / 20)
        batch = torch.stack([dataset[2 * step + place]['inputs'] for place in range(2)])
        optimizer.zero_grad()
        model.student(batch).square().mean().backward()
        optimizer.step()
    for name, value in model.student.state_dict().items():
        torch.testing.assert_close(guarded.model.student.state_dict()[name], value)


@pytest.mark.parametrize(
    ('place', 'changed'),
    [
        # Windows of two iterations: (0, 1), (2, 3), (4, 5).
        ('first', [True, True, False, True, True, True]),
        ('last', [True, True, True, False, True, True]),
    ],
)
@pytest.mark.parametrize('fault', ['loss', 'gradient'])
def test_gradient_accumulation(tmp_path, place, changed, fault):
    index = 4 if place == 'first' else 6
    runner, watch = make_runner(tmp_path, {index: fault}, 6, None, {'accumulative_counts': 2})
    runner.train()
    assert watch.changed == changed
    assert runner.optim_wrapper.inner_count == 6
    # Gradients wait between the halves of a window, but for the bad one's.
    assert watch.gradients == [True, False, place == 'last', False, True, False]


def test_the_log_names_the_images_and_the_loss(tmp_path):
    runner, _ = make_runner(tmp_path, {2: 'loss', 5: 'pixel', 6: 'operator', 8: 'gradient'}, 5)
    runner.train()
    log = next(Path(tmp_path).rglob('*.log')).read_text()
    lines = [line.partition(' WARNING - ')[2] for line in log.splitlines()]
    assert [line for line in lines if 'undone' in line] == [
        'iteration 2 undone, 1 in a row, 1 in all: loss_cls is inf (images: 002.png, 003.png)',
        'iteration 3 undone, 2 in a row, 2 in all: not finite: 005.png (images: 004.png, 005.png)',
        'iteration 4 undone, 3 in a row, 3 in all: ValueError: boxes must be finite, got '
        '[nan, nan, nan, nan] at index 0 (images: 006.png, 007.png)',
        'iteration 5 undone, 4 in a row, 4 in all: the gradient norm is nan (first '
        'student.0.weight, 1 in all) (images: 008.png, 009.png)',
    ]
    rows = [
        json.loads(line)
        for line in next(Path(tmp_path).rglob('scalars.json')).read_text().splitlines()
    ]
    assert [row['guard/undone'] for row in rows] == [0, 1, 2, 3, 4]
    assert all(torch.tensor(row['loss']).isfinite() for row in rows)


def test_nothing_but_undone_iterations_can_still_be_logged(tmp_path):
    runner, watch = make_runner(tmp_path, dict.fromkeys(range(64), 'pixel'), 3)
    runner.train()
    assert watch.changed == [False] * 3


@pytest.mark.parametrize(('bad', 'stops'), [(19, False), (20, True)])
def test_twenty_in_a_row_stop(tmp_path, bad, stops):
    runner, watch = make_runner(tmp_path, {2 + 2 * step: 'loss' for step in range(bad)}, 22)
    if not stops:
        runner.train()
        assert runner.train_loop.undone == 19
        return
    with pytest.raises(InputError) as caught:
        runner.train()
    assert 'iterations 2 to 21 met numbers that are not finite' in str(caught.value)
    assert '040.png, 041.png' in str(caught.value)
    assert len(watch.changed) == 20


def test_the_limit_is_a_key_and_counts_rows(tmp_path):
    faults = {0: 'loss', 4: 'loss', 6: 'loss'}
    runner, _ = make_runner(tmp_path, faults, 6, max_undone=2)
    with pytest.raises(InputError, match='iterations 3 to 4 '):
        runner.train()


@pytest.mark.parametrize(
    ('fault', 'error', 'message'),
    [('programming', ValueError, 'shape'), ('input', InputError, 'a.png: is not finite')],
)
def test_other_errors_pass(tmp_path, fault, error, message):
    runner, _ = make_runner(tmp_path, {2: fault}, 3)
    with pytest.raises(error, match=message):
        runner.train()


def test_the_count_is_resumed(tmp_path):
    first, _ = make_runner(tmp_path, {2: 'loss', 4: 'pixel'}, 4)
    first.train()
    second, _ = make_runner(tmp_path, {10: 'loss'}, 6)
    second._load_from, second._resume = str(tmp_path / 'iter_4.pth'), True
    second.train()
    assert second.train_loop.undone == 3


def test_averages_of_other_hooks_stand_still(tmp_path):
    ema = dict(type='EMAHook', momentum=0.5)
    runner, _ = make_runner(tmp_path, {2: 'loss'}, 2, hooks=[ema])
    runner.train()
    hook = next(hook for hook in runner.hooks if type(hook).__name__ == 'EMAHook')
    assert int(hook.ema_model.steps) == 1


def test_float16_lowers_its_scale_on_bad_gradients_only(tmp_path):
    runner, watch = make_runner(tmp_path, {2: 'loss', 4: 'gradient'}, 4)
    wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    wrapper.loss_scaler = torch.amp.GradScaler('cpu', enabled=True)
    runner.optim_wrapper = wrapper
    scales = []

    class Scale(Hook):
        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            scales.append(wrapper.loss_scaler.get_scale())

    runner.register_hook(Scale())
    # The scaler is initialised when it scales first.
    wrapper.loss_scaler.scale(torch.ones(1))
    runner.train()
    assert watch.changed == [True, False, False, True]
    assert scales == [65536.0, 65536.0, 32768.0, 32768.0]


@pytest.mark.parametrize(
    ('keys', 'message'),
    [
        ({'max_undon': 3}, "unknown key 'max_undon'; did you mean 'max_undone'"),
        ({'max_undone': 0}, 'max_undone must be an integer >= 1, got 0'),
        ({'max_undone': True}, 'max_undone must be an integer >= 1, got True'),
    ],
)
def test_bad_keys(keys, message):
    loader = DataLoader(Images({}), sampler=DefaultSampler(Images({})))
    with pytest.raises(InputError, match=message):
        GuardedIterBasedTrainLoop(None, loader, max_iters=1, **keys)


def test_several_optimisers_are_refused(tmp_path):
    runner, _ = make_runner(tmp_path, {}, 1)
    wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    runner.optim_wrapper = {'a': wrapper}
    with pytest.raises(InputError, match='needs an optim_wrapper of one optimiser, got dict'):
        runner.train_loop.run()


def test_a_checkpoint_written_meanwhile_is_finite(tmp_path):
    runner, _ = make_runner(tmp_path, {6: 'gradient'}, 4)
    runner.train()
    load_checkpoint(Twins(), str(tmp_path / 'iter_4.pth'), strict=True)
