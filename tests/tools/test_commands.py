"""tools/train.py and tools/test.py as processes."""

from __future__ import annotations

import json
import pickle
import shutil

import pytest
import torch


def log_of(work_dir):
    newest = max(work_dir.glob('*/*.log'), key=lambda path: path.stat().st_mtime)
    return newest.read_text(encoding='utf-8')


def one_line(done):
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith('mmdefect: ')
    return line


@pytest.mark.parametrize('tool', ['train', 'test'])
def test_missing_config(run_python, tmp_path, tool):
    checkpoint = ['a.pth'] if tool == 'test' else []
    absent = tmp_path / 'absent.py'
    done = run_python(f'tools/{tool}.py', absent, *checkpoint)
    assert 'absent.py' in one_line(done)


@pytest.mark.parametrize('tool', ['train', 'test'])
def test_flags_are_those_of_mmdetection(run_tool, tool):
    done = run_tool(tool, '--help')
    flags = ['--work-dir', '--cfg-options', '--launcher', '--local_rank']
    own = {'train': ['--resume', '--amp', '--auto-scale-lr'], 'test': ['--out', '--show-dir']}
    flags += own[tool]
    assert done.returncode == 0
    assert not [flag for flag in flags if flag not in done.stdout]


@pytest.mark.slow
def test_train_resume_and_test(run_tool, tmp_path, tiny_config, tiny_coco):
    work_dir = tmp_path / 'work'
    done = run_tool(
        'train', tiny_config, '--work-dir', work_dir, '--amp', '--launcher', 'none',
        '--cfg-options', 'randomness.seed=3', 'optim_wrapper.optimizer.lr=0.001',
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "type='mmdefect.AmpOptimWrapper'" in log_of(work_dir)
    saved = torch.load(work_dir / 'epoch_1.pth', weights_only=False)
    assert 'loss_scaler' in saved['optimizer']
    assert saved['meta']['seed'] == 3

    # A float32 run goes on from the mixed one, in the second epoch.
    done = run_tool(
        'train', tiny_config, '--work-dir', work_dir, '--resume', '--amp',
        '--cfg-options', 'train_cfg.max_epochs=2',
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    log = log_of(work_dir)
    assert 'Epoch(train) [2][1/4]' in log and 'Epoch(train) [1]' not in log
    assert json.loads((work_dir / 'evaluation.json').read_text())['epoch'] == 2

    out = tmp_path / 'predictions.pkl'
    done = run_tool(
        'test', tiny_config, work_dir / 'epoch_2.pth', '--work-dir', tmp_path / 'test',
        '--out', out, '--show-dir', 'drawn',
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(pickle.loads(out.read_bytes())) == 8
    assert len(list((tmp_path / 'test').rglob('drawn/*.png'))) == 8
    assert json.loads((tmp_path / 'test' / 'evaluation.json').read_text())['checkpoint'] == (
        'epoch_2.pth'
    )


@pytest.mark.slow
def test_resume_without_a_checkpoint_yet_starts(run_tool, tmp_path, tiny_config, tiny_trained):
    done = run_tool(
        'train', tiny_config, '--work-dir', tmp_path / 'work', '--resume',
        '--cfg-options', f'load_from={tiny_trained.checkpoint}',
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    log = log_of(tmp_path / 'work')
    assert 'weights loaded: backbone' in log and 'Epoch(train) [1][1/4]' in log


@pytest.mark.slow
def test_bad_image_in_a_worker(run_python, tmp_path, make_config, write_coco):
    folder = tmp_path / 'data'
    write_coco(folder)
    spoilt = folder / 'images' / '003.png'
    spoilt.write_bytes(spoilt.read_bytes()[:2000])
    config = make_config(tmp_path, data=folder, extra='train_dataloader.update(num_workers=1)')
    # The original mmengine imports pkg_resources, which warns on standard error.
    done = run_python(
        'tools/train.py', config, '--work-dir', tmp_path / 'work', PYTHONWARNINGS='ignore'
    )
    assert '003.png' in one_line(done)
    assert not list((tmp_path / 'work').rglob('*.pth'))


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which('bash'), reason='needs bash')
@pytest.mark.parametrize('script', ['dist_train.sh', 'dist_test.sh'])
def test_distributed_scripts_say_how_to_call_them(script):
    import subprocess
    from pathlib import Path

    path = Path(__file__).resolve().parents[2] / 'tools' / script
    done = subprocess.run(['bash', str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and f'usage: tools/{script} CONFIG' in done.stderr
