"""Kill -9 in the middle of a training and of writing a checkpoint, then --resume."""

from __future__ import annotations

import itertools
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
# What makes a training by iterations end where the tests want it: checkpoint and validation fall
# on the same iteration, and the training is killed two iterations later.
_SCHEDULE = """
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=6),
    dict(type='MultiStepLR', milestones=[7], by_epoch=False)]
randomness = dict(seed=3)
log_processor = dict(by_epoch=False, window_size=1)
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='DetLocalVisualizer', vis_backends=vis_backends, name='visualizer')
custom_imports = dict(imports=['mmdefect', 'kill_hook'], allow_failed_imports=False)
"""
# RandomSampler of anchors and RoIs draws numbers in each step. MMEngine's sampler knows no seed
# per item, so nothing is augmented.
_PLAIN = """
train_cfg = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=10, val_interval=4)
train_dataloader.update(
    num_workers={workers}, persistent_workers={workers} > 0,
    sampler=dict(_delete_=True, type='InfiniteSampler', shuffle=True))
train_dataloader['dataset']['pipeline'] = load + boxes + resize + pack
default_hooks = dict(logger=dict(interval=1), checkpoint=dict(by_epoch=False, interval=4))
custom_hooks = _base_.custom_hooks + [dict(type='KillHook')]
"""
# Everything at once: parts of two views, half of them unlabelled, augmented; fusion, box jitter,
# votes of views, thresholds that adapt, the averaged teacher and its ramp.
_SEMI = """
parts = '{parts}'
detector.update(
    type='mmdefect.MultiViewFasterRCNN',
    fusion=dict(type='mmdefect.CrossViewFusion', channels=16, num_heads=2, tokens=16, num_views=2))
model = dict(
    _delete_=True, type='mmdefect.MultiViewSoftTeacher', detector=detector,
    data_preprocessor=dict(
        type='MultiBranchDataPreprocessor', data_preprocessor=detector.data_preprocessor),
    semi_train_cfg=dict(
        classes=classes, burn_in=1, unsup_weight=1.0, warmup=6,
        policy=dict(clean_images='background'),
        thresholds=dict(
            type='mmdefect.MixtureThresholds', initial=0.12, cls=0.1, rpn=0.11, lowest_cls=0.05,
            least=8, interval=1, memory=32),
        uncertainty=dict(type='mmdefect.BoxJitter', times=4),
        consensus=dict(type='mmdefect.ViewConsensus', add_missed=True),
        # No means over iterations, which start anew.
        statistics=dict(type='mmdefect.PseudoLabelStatistics', window=1)),
    semi_test_cfg=dict(predict_on='teacher'))
light = dict(type='mmdefect.ColourSpace', aug_num=2)
strong = [light, *augment, dict(type='RandomErasing', n_patches=(1, 5), ratio=(0, .2))]
part_data = dict(
    type='mmdefect.MultiViewDataset', metainfo=dict(classes=classes), geometry='aligned')
load = load + [dict(type='LoadAnnotations', with_bbox=True)]
loader = dict(
    num_workers={workers}, persistent_workers={workers} > 0,
    collate_fn=dict(type='mmdefect.multi_view_collate'))
train_dataloader = dict(
    _delete_=True, batch_size=2, **loader,
    sampler=dict(type='mmdefect.SemiSupervisedSampler', batch_size=2, source_ratio=[1, 1]),
    dataset=dict(type='ConcatDataset', datasets=[
        dict(
            **part_data,
            reader=dict(type='mmdefect.COCOReader', ann_file=parts + '/train.json'),
            pipeline=[dict(type='mmdefect.PerView', transforms=load + [
                dict(type='MultiBranch', branch_field=branch_field, sup=[*augment, light] + pack)
            ])]),
        dict(
            **part_data,
            reader=dict(type='mmdefect.COCOReader', ann_file=parts + '/train.json'),
            pipeline=[dict(type='mmdefect.PerView', transforms=load + [
                dict(
                    type='MultiBranch', branch_field=branch_field,
                    unsup_teacher=augment + pack, unsup_student=strong + pack)])])]))
val_dataloader = dict(
    _delete_=True, batch_size=1, **loader, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        **part_data, test_mode=True,
        reader=dict(type='mmdefect.COCOReader', ann_file=parts + '/train.json'),
        pipeline=[dict(type='mmdefect.PerView', transforms=load + [
            dict(type='Resize', scale=(64, 64), keep_ratio=True)] + pack)]))
test_dataloader = val_dataloader
train_cfg = dict(
    _delete_=True, type='mmdefect.GuardedIterBasedTrainLoop', max_iters=10, val_interval=4)
val_cfg = dict(type='TeacherStudentValLoop')
default_hooks = dict(
    logger=dict(interval=1, log_metric_by_epoch=False),
    checkpoint=dict(
        _delete_=True, type='mmdefect.AtomicCheckpointHook', by_epoch=False, interval=4,
        max_keep_ckpts=1, save_best='teacher/mmdefect/AP50', rule='greater'))
custom_hooks = [
    dict(type='mmdefect.RandomStateHook'), dict(type='mmdefect.MeanTeacherHook'),
    dict(type='mmdefect.SamplerCheckHook'), dict(type='KillHook')]
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


def numbers(work_dir):
    """Iteration -> losses, learning rate and what is said of pseudo labels, of the newest run."""
    newest = max(work_dir.glob('*/vis_data/scalars.json'), key=lambda path: path.stat().st_mtime)
    found = {}
    for entry in map(json.loads, newest.read_text().splitlines()):
        if 'loss' in entry:
            kept = ('loss' in name or name.startswith('pseudo/') or name == 'lr' for name in entry)
            found[entry['step']] = dict(itertools.compress(entry.items(), kept))
    return found


@pytest.fixture
def parts(tmp_path, write_coco):
    """Four parts of two views each."""
    folder = tmp_path / 'parts'
    content = write_coco(folder)
    for number, image in enumerate(content['images']):
        image.update(part_id=str(number // 2), view_id=number % 2)
    (folder / 'train.json').write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize('workers', [0, 2])
@pytest.mark.parametrize('kind', ['faster_rcnn', 'semi'])
def test_killed_and_resumed_equals_one_go(kind, workers, make_detector, parts, tmp_path, run_tool):
    (tmp_path / 'kill_hook.py').write_text(_KILL_HOOK)
    text = _SEMI if kind == 'semi' else _PLAIN
    text = text.format(workers=workers, parts=parts.as_posix()) + _SCHEDULE
    config = make_detector(kind, text)

    def train(name, *flags, **environment):
        return run_tool(
            'train', config, '--work-dir', tmp_path / name, *flags,
            PYTHONPATH=str(tmp_path), **environment,
        )  # fmt: skip

    done = train('whole')
    assert done.returncode == 0, done.stderr
    whole = numbers(tmp_path / 'whole')
    assert train('cut', KILL_BEFORE='6').returncode == -signal.SIGKILL
    assert max(numbers(tmp_path / 'cut')) == 6
    done = train('cut', '--resume')
    assert done.returncode == 0, done.stderr
    resumed = numbers(tmp_path / 'cut')
    assert sorted(resumed) == [5, 6, 7, 8, 9, 10]
    for step, entry in resumed.items():
        assert entry.keys() == whole[step].keys()
        assert entry == pytest.approx(whole[step], abs=1e-5), step
    # What the test compares does vary.
    assert len({round(entry['loss'], 3) for entry in whole.values()}) > 8
    if kind == 'semi':
        # The first iteration is the burn-in.
        taught = [whole[step] for step in range(2, 11)]
        assert all(entry['pseudo/count/chip'] > 0 for entry in taught)
        assert len({entry['pseudo/threshold/rust'] for entry in taught}) >= 3


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


_LIMITED = """
import resource, runpy, signal, sys
# As on a full disk: what is longer cannot be written to its end.
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name='__main__')
"""


def test_no_room_for_a_checkpoint(tiny_config, tmp_path, run_python, run_tool):
    script = tmp_path / 'limited.py'
    script.write_text(_LIMITED)
    arguments = (tiny_config, '--work-dir', tmp_path / 'work')
    done = run_tool('train', *arguments)
    assert done.returncode == 0, done.stderr
    before = (tmp_path / 'work' / 'epoch_1.pth').read_bytes()
    more = ('--resume', '--cfg-options', 'train_cfg.max_epochs=2')
    limited = (script, ROOT / 'tools/train.py', *arguments, *more)
    done = run_python(*limited, PYTHONWARNINGS='ignore', PYTHONPATH=str(ROOT))
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith('mmdefect: ') and 'epoch_2.pth: cannot be written' in line
    assert (tmp_path / 'work' / 'epoch_1.pth').read_bytes() == before
    assert not list((tmp_path / 'work').glob('.*'))
    done = run_tool('train', *arguments, *more)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / 'work' / 'epoch_2.pth').is_file()
