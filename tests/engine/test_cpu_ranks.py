from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.device import utils as device_state

from mmdefect.engine.cpu_ranks import cpu_ranks, use_device
from mmdefect.errors import InputError

TOOLS = Path(__file__).resolve().parents[2] / 'tools'
RANK = {'RANK': '0', 'WORLD_SIZE': '1', 'LOCAL_RANK': '0', 'MASTER_ADDR': '127.0.0.1'}


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return str(probe.getsockname()[1])


@pytest.fixture
def launched(monkeypatch):
    monkeypatch.setattr(device_state, 'DEVICE', 'cpu')
    for name, value in {**RANK, 'MASTER_PORT': free_port()}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(('given', 'wrapper'), [
    ({}, dict(broadcast_buffers=False, find_unused_parameters=False)),
    (dict(find_unused_parameters=True),
     dict(broadcast_buffers=False, find_unused_parameters=True)),
    (dict(model_wrapper_cfg=dict(type='MMDistributedDataParallel', broadcast_buffers=True)),
     dict(broadcast_buffers=True, find_unused_parameters=False)),
])  # fmt: skip
def test_joins_by_gloo_and_sets_the_wrapper(launched, given, wrapper):
    config = Config(dict(launcher='pytorch', env_cfg=dict(dist_cfg=dict(timeout=60)), **given))
    with cpu_ranks(config):
        assert torch.distributed.get_backend() == 'gloo'
        # One that exists is used, and left to whoever has made it.
        with cpu_ranks(Config(dict(launcher='pytorch'))):
            pass
        assert torch.distributed.is_initialized()
    assert not torch.distributed.is_initialized()
    assert config.model_wrapper_cfg == dict(type='mmdefect.CPUDistributedDataParallel', **wrapper)


def test_one_process_and_gpus_are_left_alone(launched, monkeypatch):
    config = Config(dict(launcher='none'))
    with cpu_ranks(config):
        assert not torch.distributed.is_initialized()
    monkeypatch.setattr(device_state, 'DEVICE', 'cuda')
    config.launcher = 'pytorch'
    with cpu_ranks(config):
        assert not torch.distributed.is_initialized()
    assert 'model_wrapper_cfg' not in config


def test_cpu_means_cpu(monkeypatch):
    monkeypatch.setattr(device_state, 'DEVICE', 'cuda')
    use_device('auto')
    assert get_device() == 'cuda'
    use_device('cpu')
    assert get_device() == 'cpu'


@pytest.mark.parametrize(
    ('keys', 'without', 'message'),
    [
        (dict(launcher='slurm'), None, '--launcher slurm: CPUs need --launcher pytorch'),
        (dict(launcher='pytorch'), 'WORLD_SIZE', 'WORLD_SIZE is not set; start with tools/dist_t'),
        (
            dict(launcher='pytorch', model_wrapper_cfg=dict(type='MMSeparateDistributed')),
            None,
            'model_wrapper_cfg.type MMSeparateDistributed cannot be used on CPUs; remove',
        ),
    ],
)
def test_what_cannot_be_launched(launched, monkeypatch, keys, without, message):
    if without:
        monkeypatch.delenv(without)
    with pytest.raises(InputError, match=message), cpu_ranks(Config(keys)):
        pass


@pytest.fixture
def run_script(tmp_path):
    """``run_script(name, *arguments)``: a script of ``tools`` with two processes."""

    def run(name, *arguments):
        environment = {**os.environ, 'PYTHON': sys.executable, 'PORT': free_port()}
        return subprocess.run(
            ['bash', str(TOOLS / name), *map(str, arguments)],
            env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300,
        )  # fmt: skip

    return run


def scores(text):
    """The last line of the log with metrics."""
    line = [line for line in text.splitlines() if 'mmdefect/AP50: ' in line][-1]
    return line.partition('mmdefect/AP: ')[2].partition('data_time')[0]


@pytest.mark.slow
@pytest.mark.skipif(os.name == 'nt', reason='a bash script')
def test_training_and_test_by_the_scripts(make_config, run_script, run_tool, tmp_path):
    config = make_config(tmp_path)
    done = run_script('dist_train.sh', config, 2, '--device', 'cpu', '--work-dir', tmp_path / 'a')
    assert done.returncode == 0, done.stderr[-3000:]
    # Two images on each of two ranks: half as many iterations as alone.
    assert 'Epoch(train) [1][2/2]' in done.stdout
    checkpoint = tmp_path / 'a' / 'epoch_1.pth'
    two = run_script(
        'dist_test.sh', config, checkpoint, 2, '--device=cpu', '--work-dir', tmp_path / 'b'
    )
    assert two.returncode == 0, two.stderr[-3000:]
    one = run_tool('test', config, checkpoint, '--work-dir', tmp_path / 'c')
    assert one.returncode == 0, one.stderr[-3000:]
    assert scores(two.stdout) == scores(one.stdout) != ''


@pytest.mark.slow
@pytest.mark.skipif(os.name == 'nt', reason='a bash script')
def test_sync_bn_is_refused(make_config, run_script, tmp_path):
    config = make_config(tmp_path)
    done = run_script(
        'dist_train.sh', config, 2, '--device', 'cpu', '--work-dir', tmp_path / 'a',
        '--cfg-options', 'model.backbone.norm_cfg.type=SyncBN',
    )  # fmt: skip
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if line.startswith('mmdefect: ')]
    assert lines and set(lines) == {
        'mmdefect: layer backbone.bn1 of the model is SyncBN, which works on GPUs only; set '
        "norm_cfg.type='BN' or 'GN' to train on CPUs"
    }
