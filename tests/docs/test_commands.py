"""Every command of README and docs runs, trainings and benchmarks with a short budget."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))]
BLOCK = re.compile(r'^```bash\n(.*?)^```', re.MULTILINE | re.DOTALL)
TINY = (
    'train_cfg.max_epochs=1 train_cfg.val_interval=1 '
    'train_dataloader.dataset.indices=16 val_dataloader.dataset.indices=48'
)
# Of trainings that count iterations.
TINY_ITERATIONS = (
    'train_cfg.max_iters=2 train_cfg.val_interval=2 val_dataloader.dataset.indices=2 '
    'default_hooks.logger.interval=1'
)


def commands(page):
    blocks = BLOCK.findall(page.read_text(encoding='utf-8'))
    lines = [line for block in blocks for line in block.replace('\\\n', ' ').splitlines()]
    return [line for line in lines if line.strip() and not line.startswith('make ')]


def shortened(line):
    if 'tools/train.py' in line and '--help' not in line:
        by_iteration = 'soft_teacher' in line or 'supervised' in line
        tiny = TINY_ITERATIONS if by_iteration else TINY
        return f'{line} {tiny}' if '--cfg-options' in line else f'{line} --cfg-options {tiny}'
    if 'tools/test.py' in line:
        return f'{line} --cfg-options test_dataloader.dataset.indices=8'
    if 'benchmarks/neu_det.py' in line:
        return f'{line} --epochs 1 --images 16 --rounds 1'
    if re.search(r'benchmarks/(few_labels|two_view|suspects)\.py', line):
        return f'{line} --iterations 2 --burn-in 2 --images 4'
    if 'benchmarks/anchors.py' in line:
        return f'{line} --boxes 1000 --epochs 1 --images 16'
    if 'benchmarks/assign.py' in line:
        return f'{line} --size 300 --boxes 40 --rounds 1'
    if 'benchmarks/audit.py' in line:
        return f'{line} --boxes 1000 --images 10 --pictures 8'
    if 'benchmarks/metric.py' in line:
        return f'{line} --images 100 --detections 10 --rounds 1'
    if 'benchmarks/fuzz_readers.py' in line:
        return f'{line} --files 140'
    if 'benchmarks/promise.py' in line:
        return f'{line} --fits 100'
    if re.search(r'benchmarks/(ops|tiled_inference)\.py', line):
        return f'{line} --rounds 1'
    if re.search(r'benchmarks/(train_step|inference|profile_step)\.py', line):
        return f'{line} --size 64 --batch 2 --rounds 1 --repeats 1'
    return line


def needs_real_data(line):
    return re.search('MMDEFECT_DATA|neu|few_labels|two_view', line) is not None


def test_pages_have_commands():
    assert sum(bool(commands(page)) for page in PAGES) >= 3


@pytest.mark.slow
@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_page(page, tmp_path):
    lines = [line for line in commands(page) if not line.startswith('source ')]
    if 'MMDEFECT_DATA' not in os.environ:
        lines = [line for line in lines if not needs_real_data(line)]
    if not lines:
        pytest.skip('all commands of this page need MMDEFECT_DATA')
    for name in ('configs', 'tools', 'benchmarks', 'docs'):
        (tmp_path / name).symlink_to(ROOT / name)
    script = '\n'.join(['set -eux', *map(shortened, lines)])
    environment = dict(os.environ, OMP_NUM_THREADS='1')
    environment['PATH'] = f'{Path(sys.executable).parent}{os.pathsep}{environment["PATH"]}'
    done = subprocess.run(
        ['bash', '-c', script], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
