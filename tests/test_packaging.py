from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

import mmdefect

ROOT = Path(__file__).resolve().parents[1]


def test_metadata_and_entry_point():
    assert metadata.version('mmdefect') == mmdefect.__version__
    (entry,) = metadata.entry_points(group='console_scripts', name='mmdefect')
    assert entry.value == 'mmdefect.cli:main'
    assert callable(entry.load())


def test_extras_name_both_stacks():
    lines = metadata.requires('mmdefect') or []
    for extra, package in (('onedl', 'onedl-mmdetection'), ('openmmlab', 'mmdet')):
        assert any(line.startswith(package) and f'"{extra}"' in line for line in lines)


def test_module_runs_as_command(run_python):
    done = run_python('-c', 'import sys; sys.argv = ["mmdefect", "--help"]; '
                            'from mmdefect.cli import main; main()')  # fmt: skip
    assert done.returncode == 0, done.stderr
    for command in ('doctor', 'sample-data', 'convert', 'split', 'report', 'demo'):
        assert command in done.stdout


@pytest.mark.slow
def test_wheel(tmp_path):
    source, wheels = tmp_path / 'source', tmp_path / 'wheels'
    skipped = shutil.ignore_patterns(
        '.*', '__pycache__', 'work_dirs', 'build', 'dist', '*.egg-info', 'data', 'docs'
    )
    shutil.copytree(ROOT, source, ignore=skipped)
    command = [sys.executable, '-m', 'pip', 'wheel', '-q', '--no-deps', '-w', wheels, source]
    if importlib.util.find_spec('setuptools'):
        command.insert(4, '--no-build-isolation')
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode and 'bdist_wheel' in done.stderr:
        pytest.skip('setuptools here needs the package wheel to build one')
    assert done.returncode == 0, done.stderr
    (wheel,) = wheels.glob('mmdefect-*.whl')
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        entry = next(name for name in names if name.endswith('entry_points.txt'))
        assert 'mmdefect = mmdefect.cli:main' in archive.read(entry).decode()
    wanted = {f'mmdefect/.mim/{name}' for name in ('model-index.yml', 'tools/train.py')}
    for folder in ('configs', 'tools'):
        wanted |= {
            f'mmdefect/.mim/{path.relative_to(ROOT).as_posix()}'
            for path in (ROOT / folder).rglob('*')
            if path.is_file() and '__pycache__' not in path.parts
        }
    wanted |= {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / 'mmdefect').rglob('*')
        if path.is_file() and '__pycache__' not in path.parts
    }
    assert wanted <= names, sorted(wanted - names)
    assert not [name for name in names if name.startswith('tests/') or '__pycache__' in name]
