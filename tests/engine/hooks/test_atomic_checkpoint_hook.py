"""Order of writing and deleting, full disks, published copies; kills are in test_killed.py."""

from __future__ import annotations

import errno
import hashlib
import inspect
import os
from pathlib import Path

import pytest
import torch
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import find_latest_checkpoint

import mmdefect.registry  # noqa: F401  registers the scope
from mmdefect import fileio
from mmdefect.compat.checkpoints import load
from mmdefect.engine.hooks import AtomicCheckpointHook
from mmdefect.errors import InputError


def names(folder):
    return sorted(
        path.name for path in Path(folder).iterdir() if path.is_file() and path.suffix != '.py'
    )


@pytest.fixture
def watch(monkeypatch):
    """What happens to files, in order: (what, name)."""
    seen = []
    replace, remove, fsync = os.replace, os.remove, os.fsync

    def watched_replace(source, target):
        seen.append(('replace', Path(target).name))
        replace(source, target)

    def watched_remove(path, **kwargs):
        seen.append(('remove', Path(path).name))
        remove(path, **kwargs)

    def watched_fsync(handle):
        seen.append(('fsync', ''))
        fsync(handle)

    monkeypatch.setattr(os, 'replace', watched_replace)
    monkeypatch.setattr(os, 'remove', watched_remove)
    monkeypatch.setattr(os, 'fsync', watched_fsync)
    return seen


def test_writes_flushes_renames_then_deletes(small_runner, tmp_path, watch):
    small_runner(tmp_path, {'interval': 1, 'max_keep_ckpts': 1}, end=2).train()
    second = watch[max(i for i, step in enumerate(watch) if step == ('replace', 'epoch_2.pth')) :]
    assert [step for step in second if step[0] != 'fsync'] == [
        ('replace', 'epoch_2.pth'),
        ('replace', 'last_checkpoint'),
        ('remove', 'epoch_1.pth'),
    ]
    before = watch[: watch.index(('replace', 'epoch_1.pth'))]
    assert before[-1] == ('fsync', '')
    assert names(tmp_path) == ['epoch_2.pth', 'last_checkpoint']
    assert find_latest_checkpoint(str(tmp_path)) == str(tmp_path / 'epoch_2.pth')


def test_the_best_goes_after_the_next_best_is_saved(small_runner, tmp_path, watch):
    hook = {'interval': 1, 'max_keep_ckpts': 2, 'save_best': 'AP50', 'rule': 'greater'}
    runner = small_runner(tmp_path, hook, scores=[0.1, 0.3, 0.2, 0.3], end=4)
    runner.train()
    assert names(tmp_path) == [
        'best_AP50_epoch_2.pth', 'epoch_3.pth', 'epoch_4.pth', 'last_checkpoint'
    ]  # fmt: skip
    steps = [step for step in watch if step[0] != 'fsync']
    first = steps.index(('remove', 'best_AP50_epoch_1.pth'))
    assert steps.index(('replace', 'best_AP50_epoch_2.pth')) < first
    # The checkpoint that one would resume from names the new best before the old one goes.
    resaved = [i for i, step in enumerate(steps) if step == ('replace', 'epoch_2.pth')]
    assert len(resaved) == 2 and resaved[1] < first
    best = load(tmp_path / 'best_AP50_epoch_2.pth')
    assert 'optimizer' not in best and 'random_states' not in best
    assert runner.message_hub.get_info('best_score') == 0.3


def test_same_files_as_of_mmengine(small_runner, tmp_path):
    hook = {
        'interval': 2, 'max_keep_ckpts': 2, 'save_best': ['AP50'], 'rule': 'less',
        'published_keys': ['meta', 'state_dict'], 'save_begin': 2,
    }  # fmt: skip
    for by_epoch in (True, False):
        found = []
        for kind in ('CheckpointHook', 'mmdefect.AtomicCheckpointHook'):
            folder = tmp_path / f'{kind}{by_epoch}'
            scores = [0.5, 0.4, 0.45, 0.2, 0.3]
            small_runner(folder, {'type': kind, **hook}, scores, by_epoch=by_epoch, end=5).train()
            # The hash of a published copy is of other bytes.
            found.append([name.split('-')[0] for name in names(folder)])
        assert found[0] == found[1]
        assert len(found[0]) == 6


def test_published_copies(small_runner, tmp_path):
    hook = {
        'interval': 1, 'max_keep_ckpts': 1, 'save_best': 'AP50', 'rule': 'greater',
        'published_keys': ['meta', 'state_dict'],
    }  # fmt: skip
    small_runner(tmp_path, hook, end=1).train()
    for name in ('epoch_1', 'best_AP50_epoch_1'):
        (path,) = tmp_path.glob(f'{name}-????????.pth')
        assert sorted(load(path)) == ['meta', 'state_dict']
        assert hashlib.sha256(path.read_bytes()).hexdigest().startswith(path.stem.split('-')[1])


def test_a_kill_before_the_deletion_is_made_up_for(small_runner, tmp_path, monkeypatch):
    hook = {'interval': 1, 'max_keep_ckpts': 1}
    monkeypatch.setattr(AtomicCheckpointHook, '_remove', lambda *_: None)
    small_runner(tmp_path, hook, end=2).train()
    monkeypatch.undo()
    # Left by kills in the middle of writing.
    for name in ('.epoch_3.pth.part', '.best_AP50_epoch_1.pth.part', '.last_checkpoint.x1y2'):
        (tmp_path / name).write_bytes(b'half')
    assert 'epoch_1.pth' in names(tmp_path)
    small_runner(tmp_path, hook, end=3, load_from=tmp_path / 'epoch_2.pth').train()
    assert names(tmp_path) == ['epoch_3.pth', 'last_checkpoint']


def test_a_kill_before_the_best_is_recorded_is_made_up_for(small_runner, tmp_path, monkeypatch):
    hook = {
        'interval': 1, 'save_best': 'AP50', 'rule': 'greater', 'published_keys': ['state_dict'],
    }  # fmt: skip
    small_runner(tmp_path, hook, scores=[0.2], end=1).train()
    # The second epoch's best is saved, and there the kill comes.
    monkeypatch.setattr(AtomicCheckpointHook, '_save_checkpoint', lambda *_: None)
    monkeypatch.setattr(AtomicCheckpointHook, '_save_checkpoint_with_step', lambda *_: None)
    monkeypatch.setattr(AtomicCheckpointHook, '_remove', lambda *_: None)
    at = {'end': 2, 'load_from': tmp_path / 'epoch_1.pth'}
    small_runner(tmp_path, {**hook, 'published_keys': None}, scores=[0.9], **at).train()
    monkeypatch.undo()
    best = [name for name in names(tmp_path) if 'best' in name]
    assert [name.split('-')[0] for name in best] == [
        'best_AP50_epoch_1', 'best_AP50_epoch_1.pth', 'best_AP50_epoch_2.pth'
    ]  # fmt: skip
    # As the checkpoint of the second epoch was before its validation.
    saved = load(tmp_path / 'epoch_1.pth')
    saved['meta'].update(epoch=2, iter=4)
    torch.save(saved, tmp_path / 'epoch_2.pth')
    (tmp_path / 'best_AP50_epoch_0.pth').write_bytes(b'whatever')

    resumed = small_runner(tmp_path, hook, scores=[0.5], end=3, load_from=tmp_path / 'epoch_2.pth')
    resumed.train()
    assert resumed.message_hub.get_info('best_score') == 0.9
    assert [name.split('-')[0] for name in names(tmp_path) if 'best' in name] == [
        'best_AP50_epoch_0.pth', 'best_AP50_epoch_1', 'best_AP50_epoch_2',
        'best_AP50_epoch_2.pth',
    ]  # fmt: skip


def test_a_moved_work_dir(small_runner, tmp_path):
    hook = {'interval': 1, 'max_keep_ckpts': 1, 'save_best': ['AP50'], 'rule': 'greater'}
    small_runner(tmp_path / 'old', hook, scores=[0.2], end=1).train()
    moved = (tmp_path / 'old').rename(tmp_path / 'new')
    scores = [0.1, 0.3]
    small_runner(moved, hook, scores, end=2, load_from=moved / 'epoch_1.pth').train()
    assert names(moved) == ['best_AP50_epoch_1.pth', 'epoch_2.pth', 'last_checkpoint']
    small_runner(moved, hook, [0.3], end=3, load_from=moved / 'epoch_2.pth').train()
    assert names(moved) == ['best_AP50_epoch_3.pth', 'epoch_3.pth', 'last_checkpoint']


def test_the_best_of_another_work_dir_stays(small_runner, tmp_path):
    hook = {'interval': 1, 'save_best': 'AP50', 'rule': 'greater'}
    first, second = tmp_path / 'first', tmp_path / 'second'
    small_runner(first, hook, scores=[0.1], end=1).train()
    scores = [0.2, 0.3]
    small_runner(second, hook, scores, end=3, load_from=first / 'epoch_1.pth').train()
    assert 'best_AP50_epoch_1.pth' in names(first)
    assert [name for name in names(second) if 'best' in name] == ['best_AP50_epoch_3.pth']


def test_out_dir(small_runner, tmp_path):
    hook = {'interval': 1, 'max_keep_ckpts': 1, 'out_dir': str(tmp_path / 'store')}
    small_runner(tmp_path / 'work', hook, end=2).train()
    assert names(tmp_path / 'store' / 'work') == ['epoch_2.pth']
    latest = find_latest_checkpoint(str(tmp_path / 'work'))
    assert latest == str(tmp_path / 'store' / 'work' / 'epoch_2.pth')


@pytest.mark.parametrize('code', [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_cannot_be_written(small_runner, tmp_path, monkeypatch, code):
    hook = {'interval': 1, 'max_keep_ckpts': 1}
    small_runner(tmp_path, hook, end=1).train()
    old = (tmp_path / 'epoch_1.pth').read_bytes()

    def half(self, data, path):
        Path(path).write_bytes(data[: len(data) // 2])
        raise OSError(code, os.strerror(code), path)

    monkeypatch.setattr('mmengine.fileio.backends.LocalBackend.put', half)
    runner = small_runner(tmp_path, hook, end=3, load_from=tmp_path / 'epoch_1.pth')
    with pytest.raises(InputError, match=r'epoch_2.pth: cannot be written \(.+intact.+--resume'):
        runner.train()
    assert names(tmp_path) == ['epoch_1.pth', 'last_checkpoint']
    assert (tmp_path / 'epoch_1.pth').read_bytes() == old
    monkeypatch.undo()
    latest = find_latest_checkpoint(str(tmp_path))
    small_runner(tmp_path, hook, end=2, load_from=latest).train()
    assert names(tmp_path) == ['epoch_2.pth', 'last_checkpoint']


def test_no_space_for_the_name_of_the_last_one(small_runner, tmp_path, monkeypatch):
    hook = {'interval': 1, 'max_keep_ckpts': 1}
    small_runner(tmp_path, hook, end=1).train()

    def full(handle):
        raise OSError(errno.ENOSPC, 'No space left on device')

    runner = small_runner(tmp_path, hook, end=2, load_from=tmp_path / 'epoch_1.pth')
    monkeypatch.setattr(fileio.tempfile, 'mkstemp', lambda **_: full(None))
    with pytest.raises(InputError, match='last_checkpoint: cannot be written'):
        runner.train()
    assert load(find_latest_checkpoint(str(tmp_path)))['meta']['epoch'] == 1


def test_what_cannot_be_deleted_is_a_warning(small_runner, tmp_path, monkeypatch):
    def busy(self, path):
        raise PermissionError(errno.EACCES, 'used by another process', path)

    monkeypatch.setattr('mmengine.fileio.backends.LocalBackend.remove', busy)
    small_runner(tmp_path, {'interval': 1, 'max_keep_ckpts': 1}, end=2).train()
    assert names(tmp_path) == ['epoch_1.pth', 'epoch_2.pth', 'last_checkpoint']
    (log,) = tmp_path.glob('*/*.log')
    assert 'epoch_1.pth is outdated but cannot be deleted' in log.read_text()


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        ({'max_keep_ckpt': 1}, "unknown key 'max_keep_ckpt'; did you mean 'max_keep_ckpts'"),
        ({'create_symlink': True}, "unknown key 'create_symlink'"),
        ({'kwargs': {}}, "unknown key 'kwargs'"),
        ({'filename_tmpl': 'last.pth'}, "one {} for the number, got 'last.pth'"),
    ],
)
def test_keys(options, words):
    with pytest.raises(InputError, match=words):
        AtomicCheckpointHook(**options)


def test_takes_all_keys_of_mmengine():
    for name, key in inspect.signature(CheckpointHook).parameters.items():
        if name != 'kwargs':
            value = 'x_{}.pth' if name == 'filename_tmpl' else key.default
            assert AtomicCheckpointHook(**{name: value}).args == {}


def test_a_metric_that_no_validation_gives(small_runner, tmp_path):
    hook = {'interval': 1, 'save_best': 'teacher/AP50', 'rule': 'greater'}
    with pytest.raises(InputError, match="names 'teacher/AP50', .* did you mean 'AP50'"):
        small_runner(tmp_path, hook).train()
    assert load(tmp_path / 'epoch_1.pth')['meta']['epoch'] == 1


def test_every_rank_is_asked_before_the_first_one_saves(small_runner, tmp_path):
    order = []

    class Asked(Hook):
        def before_gather_checkpoint(self, runner):
            order.append('asked')

        def before_save_checkpoint(self, runner, checkpoint):
            order.append('saving')

    runner = small_runner(tmp_path, {'interval': 1}, end=1)
    runner.register_hook(Asked())
    runner.train()
    assert order == ['asked', 'saving']
