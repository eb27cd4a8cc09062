"""The numbers that a model draws in training, resumed and in one go."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
import torch

import mmdefect.registry  # noqa: F401  registers the scope
from mmdefect.compat.checkpoints import load
from mmdefect.engine.hooks import RandomStateHook
from mmdefect.errors import InputError

SAVE = {'interval': 2, 'save_best': 'AP50', 'rule': 'greater'}
CUSTOM = {'type': 'mmdefect.RandomStateHook'}
TWO_RANKS = """
import sys
import torch
import torch.multiprocessing as mp

def rank(number, folder):
    import torch.distributed as dist
    import mmdefect.registry
    from mmdefect.engine.hooks import RandomStateHook
    dist.init_process_group(
        'gloo', init_method=f'file://{folder}/store', rank=number, world_size=2)
    torch.manual_seed(number)
    hook, checkpoint = RandomStateHook(), {'optimizer': {}}
    hook.before_gather_checkpoint(None)
    drawn = torch.rand(2)
    if number == 0:
        hook.before_save_checkpoint(None, checkpoint)
        torch.save(checkpoint, f'{folder}/saved.pth')
    torch.save(drawn, f'{folder}/{number}.pt')
    dist.barrier()
    dist.destroy_process_group()

if __name__ == '__main__':
    mp.spawn(rank, (sys.argv[1],), 2)
"""


def log_of(folder):
    newest = max(folder.glob('*/*.log'), key=lambda path: path.stat().st_mtime)
    return newest.read_text(encoding='utf-8')


@pytest.mark.parametrize('by_epoch', [True, False], ids=['epochs', 'iterations'])
@pytest.mark.parametrize('kind', ['mmdefect.AtomicCheckpointHook', 'CheckpointHook'])
def test_resumed_and_in_one_go(small_runner, tmp_path, by_epoch, kind):
    # Scores grow: the checkpoint is saved again after a validation, which draws numbers.
    scores = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    hook = {**SAVE, 'type': kind}
    whole = small_runner(tmp_path / 'whole', hook, scores, by_epoch, end=6)
    whole.train()
    first = small_runner(tmp_path / 'cut', hook, scores, by_epoch, end=4)
    first.train()
    steps = len(first.model.noise)
    name = 'epoch_4.pth' if by_epoch else 'iter_4.pth'
    resumed = small_runner(
        tmp_path / 'cut', hook, scores, by_epoch, end=6, load_from=tmp_path / 'cut' / name
    )
    # Whatever is drawn before the training goes on.
    torch.rand(5)
    resumed.train()
    assert whole.model.noise[:steps] == first.model.noise
    assert whole.model.noise[steps:] == resumed.model.noise and resumed.model.noise
    for ours, theirs in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_without_the_hook_they_differ(small_runner, tmp_path):
    whole = small_runner(tmp_path / 'whole', SAVE, by_epoch=False, end=6, custom_hooks=())
    whole.train()
    small_runner(tmp_path / 'cut', SAVE, by_epoch=False, end=4, custom_hooks=()).train()
    resumed = small_runner(
        tmp_path / 'cut', SAVE, by_epoch=False, end=6, load_from=tmp_path / 'cut' / 'iter_4.pth'
    )
    resumed.train()
    assert whole.model.noise[4:] != resumed.model.noise
    assert 'holds no states of random generators' in log_of(tmp_path / 'cut')


def test_a_validation_changes_no_training(small_runner, tmp_path):
    noise = []
    for interval in (1, 99):
        runner = small_runner(tmp_path / f'{interval}', by_epoch=False, end=6)
        runner.train_loop.val_interval = interval
        runner.train()
        noise.append(runner.model.noise)
    assert noise[0] == noise[1]


def test_checkpoint_loads_as_plain_data(small_runner, tmp_path):
    small_runner(tmp_path, {'interval': 1}, end=1).train()
    (states,) = load(tmp_path / 'epoch_1.pth')['random_states']
    assert all(isinstance(value, torch.Tensor) for value in states.values())
    assert {'python', 'numpy', 'gauss', 'torch'} <= states.keys()


@pytest.mark.slow
def test_two_ranks(run_python, tmp_path):
    script = tmp_path / 'two_ranks.py'
    script.write_text(TWO_RANKS)
    done = run_python(script, tmp_path, cwd=tmp_path, PYTHONPATH=os.getcwd())
    assert done.returncode == 0, done.stderr
    states = load(tmp_path / 'saved.pth')['random_states']
    assert len(states) == 2
    for number, state in enumerate(states):
        generator = torch.Generator()
        generator.set_state(state['torch'])
        assert torch.equal(torch.rand(2, generator=generator), load(tmp_path / f'{number}.pt'))


def test_more_ranks_than_before_are_seeded_apart(small_runner, tmp_path, monkeypatch):
    small_runner(tmp_path, {'interval': 1}, end=1).train()
    checkpoint = load(tmp_path / 'epoch_1.pth')
    messages = []
    runner = SimpleNamespace(
        _resume=True, seed=3, iter=2, logger=SimpleNamespace(warning=messages.append)
    )
    module = 'mmdefect.engine.hooks.random_state_hook'
    monkeypatch.setattr(f'{module}.get_world_size', lambda: 3)
    drawn = []
    for rank in range(3):
        monkeypatch.setattr(f'{module}.get_rank', lambda rank=rank: rank)
        hook = RandomStateHook()
        hook.after_load_checkpoint(runner, checkpoint)
        hook.before_train_iter(runner, 0)
        drawn.append(torch.rand(2).tolist())
    assert len({tuple(numbers) for numbers in drawn}) == 3
    assert 'set randomness.seed=0 to go on exactly' in messages[0]
    assert 'of 1 ranks, now there are 3' in messages[1]
    with pytest.raises(InputError, match='needs mmdefect.AtomicCheckpointHook'):
        RandomStateHook().before_train(SimpleNamespace(hooks=[]))


def test_a_start_from_weights_restores_nothing(tmp_path):
    hook = RandomStateHook()
    hook.after_load_checkpoint(SimpleNamespace(_resume=False), {'random_states': [{}]})
    before = torch.get_rng_state()
    hook.before_train_iter(None, 0)
    assert torch.equal(before, torch.get_rng_state())


def test_unknown_key():
    with pytest.raises(InputError, match="unknown key 'rank'"):
        RandomStateHook(rank=0)
