"""Every command of README and docs runs, trainings and benchmarks with a short budget."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mmdefect.datasets.synthetic import write_drill

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))]
BLOCK = re.compile(r'^```bash\n(.*?)^```', re.MULTILINE | re.DOTALL)
TINY = (
    'train_cfg.max_epochs=1 train_cfg.val_interval=1 '
    'train_dataloader.dataset.indices=16 val_dataloader.dataset.indices=16'
)
# Of trainings on tiles: the images are those of the data set inside.
TINY_TILES = (
    'train_cfg.max_epochs=1 train_cfg.val_interval=1 '
    'train_dataloader.dataset.dataset.indices=8 val_dataloader.dataset.indices=4'
)
# Of trainings that count iterations.
TINY_ITERATIONS = (
    'train_cfg.max_iters=2 train_cfg.val_interval=2 val_dataloader.dataset.indices=2 '
    'default_hooks.logger.interval=1'
)

# Most pages begin with it. README runs it, the other pages find fewer parts.
SAMPLE_DATA = 'mmdefect sample-data drill data/drill'
FEW_PARTS = {'train': 26, 'val': 4, 'test': 4, 'unlabeled': 4}


def commands(page):
    blocks = BLOCK.findall(page.read_text(encoding='utf-8'))
    lines = [line for block in blocks for line in block.replace('\\\n', ' ').splitlines()]
    return [line for line in lines if line.strip() and not line.startswith('make ')]


def with_budget(line, budget):
    """The line with the options of ``budget``, instead of the page's values of them."""
    for option in re.findall(r'--[\w-]+', budget):
        line = re.sub(rf' {option}( (?!-)\S+)+', '', line)
    return f'{line} {budget}'


def shortened(line):
    if 'sample-data' in line:
        return line.replace(' --level real', '')
    if 'tools/train.py' in line and '--help' not in line:
        by_iteration = 'soft_teacher' in line or 'supervised' in line
        tiny = TINY_ITERATIONS if by_iteration else TINY_TILES if '_tiles.py' in line else TINY
        return f'{line} {tiny}' if '--cfg-options' in line else f'{line} --cfg-options {tiny}'
    if 'tools/test.py' in line:
        few = 'test_dataloader.dataset.indices=8'
        return f'{line} {few}' if '--cfg-options' in line else f'{line} --cfg-options {few}'
    if found := re.search(r'mmdefect thresholds (work_dirs/\S+) .*--out (\S+)', line):
        # A short training makes nothing that could be certified.
        return f'python {ROOT}/tests/docs/any_policy.py {found[1]} {found[2]}'
    if 'benchmarks/neu_det.py' in line:
        return with_budget(line, '--epochs 1 --images 16 --rounds 1')
    if 'benchmarks/suspects.py' in line:
        return with_budget(line, '--iterations 2 --images 4 --only "sigmoid scores"')
    if 'benchmarks/few_labels.py' in line:
        return with_budget(line, '--iterations 2 --burn-in 2 --images 4')
    if 'benchmarks/two_view.py' in line:
        return with_budget(line, '--iterations 2 --images 4')
    if 'benchmarks/shelf.py' in line:
        return with_budget(line, '--iterations 1 --images 4')
    if 'benchmarks/anchors.py' in line:
        return with_budget(line, '--boxes 1000 --epochs 1 --images 16')
    if 'benchmarks/assign.py' in line:
        return with_budget(line, '--size 300 --boxes 40 --rounds 1')
    if 'benchmarks/audit.py' in line:
        return with_budget(line, '--boxes 1000 --images 10 --pictures 8')
    if 'benchmarks/metric.py' in line:
        return with_budget(line, '--images 100 --detections 10 --rounds 1')
    if 'benchmarks/fuzz_readers.py' in line:
        return with_budget(line, '--files 140')
    if 'benchmarks/promise.py' in line:
        return with_budget(line, '--fits 100')
    if 'benchmarks/ops.py' in line:
        return with_budget(line, '--rounds 1')
    if 'benchmarks/tiled_accuracy.py' in line:
        # Any weights: those of the page come from long trainings.
        given = re.findall(r'--(?:neu-det|deep-pcb) (\S+ \S+)', line)
        made = [f'python {ROOT}/tests/docs/any_weights.py {files}' for files in given]
        return ' && '.join([*made, with_budget(line, '--images 8 --tile 200 --seeds 0')])
    if 'benchmarks/tiled_inference.py' in line and '--megapixels' in line:
        return with_budget(line, '--megapixels 0.5')
    if 'benchmarks/tiled_inference.py' in line:
        return with_budget(line, '--size 512 256 --images 1 --rounds 1')
    if re.search(r'benchmarks/(train_step|inference|profile_step)\.py', line):
        return with_budget(line, '--size 64 --batch 2 --rounds 1 --repeats 1')
    return line


def can_run(line):
    real = re.search('MMDEFECT_DATA|neu|few_labels|two_view|tiled_accuracy', line) is not None
    return not line.startswith('source ') and ('MMDEFECT_DATA' in os.environ or not real)


def is_benchmark(line):
    return 'benchmarks/' in line


def run(lines, folder):
    for name in ('configs', 'tools', 'benchmarks', 'docs'):
        (folder / name).symlink_to(ROOT / name)
    script = '\n'.join(['set -eux', *lines])
    environment = dict(os.environ, OMP_NUM_THREADS='1')
    environment['PATH'] = f'{Path(sys.executable).parent}{os.pathsep}{environment["PATH"]}'
    done = subprocess.run(
        ['bash', '-c', script], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


def test_pages_have_commands():
    assert sum(bool(commands(page)) for page in PAGES) >= 3


@pytest.fixture(scope='session')
def drill(tmp_path_factory):
    folder = tmp_path_factory.mktemp('sample_data') / 'drill'
    write_drill(folder, parts=FEW_PARTS)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_page(page, tmp_path, drill):
    lines = [line for line in filter(can_run, commands(page)) if not is_benchmark(line)]
    if not lines:
        pytest.skip('all commands of this page need MMDEFECT_DATA')
    if page.name != 'README.md' and SAMPLE_DATA in lines:
        lines.remove(SAMPLE_DATA)
        shutil.copytree(drill, tmp_path / 'data' / 'drill')
    run(map(shortened, lines), tmp_path)


# Pages share some of them.
BENCHMARKS = sorted(
    {shortened(line) for page in PAGES for line in commands(page) if is_benchmark(line)}
)


@pytest.mark.slow
@pytest.mark.parametrize(
    'line', BENCHMARKS, ids=[re.search(r'benchmarks/(\w+)', line)[1] for line in BENCHMARKS]
)
def test_benchmark(line, tmp_path, drill):
    if not can_run(line):
        pytest.skip('needs MMDEFECT_DATA')
    if 'data/drill' in line:
        shutil.copytree(drill, tmp_path / 'data' / 'drill')
    run([line], tmp_path)
