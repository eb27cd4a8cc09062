"""Kill -9 in the middle of a training and of writing a checkpoint, then --resume."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == 'nt', reason='Windows has no SIGKILL'),
]
# RandomSampler of anchors and RoIs draws numbers in each step; validation and checkpoint fall on
# the same iteration, and the sampler starts anew in between.
_BY_ITERATION = """
train_cfg = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=14, val_interval=4)
train_dataloader.update(
    num_workers={workers}, persistent_workers={workers} > 0,
    sampler=dict(_delete_=True, type='InfiniteSampler', shuffle=True))
train_dataloader['dataset']['pipeline'] = load + boxes + resize + pack
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=6),
    dict(type='MultiStepLR', milestones=[7], by_epoch=False)]
log_processor = dict(by_epoch=False)
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(by_epoch=False, interval=4))
custom_imports = dict(imports=['mmdefect', 'kill_hook'], allow_failed_imports=False)
custom_hooks = _base_.custom_hooks + [dict(type='KillHook')]
"""
_KILL_HOOK = """
import os, signal
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

@HOOKS.register_module()
class KillHook(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if str(runner.iter) == os.environ.get('KILL_BEFORE'):
            os.kill(os.getpid(), signal.SIGKILL)
"""


def losses(work_dir):
    """Iteration -> all numbers of its line in the log, of the newest run."""
    newest = max(work_dir.glob('*/vis_data/scalars.json'), key=lambda path: path.stat().st_mtime)
    entries = map(json.loads, newest.read_text().splitlines())
    names = ('lr', 'time', 'data_time', 'grad_norm')
    return {
        entry['step']: {
            name: value for name, value in entry.items() if 'loss' in name or name in names[:1]
        }
        for entry in entries
        if 'loss' in entry
    }


@pytest.mark.parametrize('workers', [0, 2])
def test_killed_and_resumed_equals_one_go(workers, make_detector, tmp_path, run_python):
    (tmp_path / 'kill_hook.py').write_text(_KILL_HOOK)
    config = make_detector('faster_rcnn', _BY_ITERATION.format(workers=workers))

    def train(name, *flags, **environment):
        return run_python(
            'tools/train.py', config, '--work-dir', tmp_path / name, *flags,
            PYTHONPATH=str(tmp_path), **environment,
        )  # fmt: skip

    done = train('whole')
    assert done.returncode == 0, done.stderr
    whole = losses(tmp_path / 'whole')
    assert train('cut', KILL_BEFORE='6').returncode == -signal.SIGKILL
    assert max(losses(tmp_path / 'cut')) == 6
    done = train('cut', '--resume')
    assert done.returncode == 0, done.stderr
    resumed = losses(tmp_path / 'cut')
    assert sorted(resumed) == list(range(5, 15))
    for step in range(5, 15):
        assert resumed[step] == pytest.approx(whole[step], abs=1e-5), step
    # What the test compares does vary.
    assert len({round(entry['loss'], 3) for entry in whole.values()}) > 10


# One process imports, its children train and are killed: 16 MB are written after every iteration.
_NURSERY = """
import itertools, os, random, signal, sys, time
import torch
from mmengine.dataset import pseudo_collate
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.model import BaseModel
from mmengine.runner import Runner, find_latest_checkpoint
from torch.utils.data import DataLoader
import mmdefect.registry

folder, kind, kills = sys.argv[1], sys.argv[2], int(sys.argv[3])
begun = folder + '.begun'

class Heavy(BaseModel):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(2_000_000))
    def forward(self, inputs, mode='loss'):
        if mode != 'loss':
            return [0]
        open(begun, 'w').close()
        return {'loss': (self.weight[:4] - 1).square().sum()}

class Rising(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results.append(0)
    def compute_metrics(self, results):
        return {'AP50': time.time() - 1.7e9}

def train():
    sys.stdout = sys.stderr = open(os.devnull, 'w')
    os.dup2(sys.stdout.fileno(), 1)
    os.dup2(sys.stdout.fileno(), 2)
    latest = find_latest_checkpoint(folder)
    loader = DataLoader([{'inputs': torch.zeros(1)}], collate_fn=pseudo_collate)
    Runner(
        model=Heavy(), work_dir=folder, train_dataloader=loader, val_dataloader=loader,
        train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=10**6, val_interval=2),
        val_cfg=dict(), val_evaluator=Evaluator([Rising()]),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1, momentum=0.9)),
        default_hooks=dict(checkpoint=dict(
            type=kind, interval=1, max_keep_ckpts=1, save_best='AP50', rule='greater')),
        custom_hooks=[dict(type='mmdefect.RandomStateHook')],
        randomness=dict(seed=0), resume=latest is not None, load_from=latest,
        default_scope='mmengine', experiment_name='heavy',
    ).train()

draw = random.Random(0)
for kill in range(kills):
    if os.path.exists(begun):
        os.remove(begun)
    child = os.fork()
    if child == 0:
        try:
            train()
        finally:
            os._exit(1)
    # The first one must get as far as its first checkpoint, the others as far as a step.
    awaited = begun if kill else os.path.join(folder, 'last_checkpoint')
    while not os.path.exists(awaited):
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT | os.WNOHANG):
            break
        time.sleep(0.01)
    time.sleep(draw.uniform(0, 1))
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    left = sorted(name for name in os.listdir(folder) if name.endswith(('.pth', '.part')))
    try:
        with open(os.path.join(folder, 'last_checkpoint')) as file:
            latest = file.read()
        checkpoint = torch.load(latest, weights_only=False)
        shown = 'ok' if checkpoint['state_dict']['weight'].isfinite().all() else 'broken'
        epoch = checkpoint['meta']['epoch']
    except Exception as error:
        shown, epoch = f'broken {type(error).__name__}', -1
    print(os.WTERMSIG(status), shown, epoch, *left, flush=True)
"""


def test_killed_while_writing(tmp_path, run_python):
    script = tmp_path / 'nursery.py'
    script.write_text(_NURSERY)
    kills = 15
    done = run_python(
        script, tmp_path / 'work', 'mmdefect.AtomicCheckpointHook', kills,
        PYTHONPATH=str(ROOT), timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rounds = [line.split() for line in done.stdout.splitlines() if line.startswith('9 ')]
    assert len(rounds) == kills, done.stdout
    epochs = []
    for _, shown, epoch, *left in rounds:
        assert shown == 'ok', done.stdout
        epochs.append(int(epoch))
        # One that is kept, one that is about to go, the same of the best, one half-written.
        assert len(left) <= 5, left
    # Every training went on from where the one before was, and came further.
    assert epochs == sorted(epochs) and epochs[-1] > epochs[0] + kills / 2
    # Kills did fall into the writing.
    assert any(name.endswith('.part') for line in rounds for name in line), done.stdout
