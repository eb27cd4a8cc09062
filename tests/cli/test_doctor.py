from __future__ import annotations

import json
from importlib import metadata

import pytest
from typer.testing import CliRunner

import mmdefect
from mmdefect.cli import app
from mmdefect.compat import health, stack

RUNNER = CliRunner()


@pytest.fixture
def without_stack(monkeypatch):
    def version(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(stack.metadata, 'version', version)


def test_json(monkeypatch):
    monkeypatch.delenv('MMDEFECT_OPS', raising=False)
    result = RUNNER.invoke(app, ['doctor', '--json'])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert sorted(found) == [
        'cpu', 'gpu', 'information', 'ops', 'problems', 'stack', 'versions'
    ]  # fmt: skip
    assert found['problems'] == []
    assert found['stack'] in ('onedl', 'openmmlab')
    assert found['versions']['mmdefect'] == mmdefect.__version__
    assert all(found['versions'].values())
    assert set(found['ops']) == {
        'nms', 'batched_nms', 'soft_nms', 'sigmoid_focal_loss', 'roi_align'
    }  # fmt: skip
    assert set(found['ops'].values()) <= {'mmdefect', 'mmcv', 'torchvision'}
    assert set(found['cpu']) == {
        'name', 'threads', 'avx512', 'avx512_bf16', 'amx_bf16', 'bf16_pays'
    }  # fmt: skip
    assert found['cpu']['name']
    assert found['cpu']['threads'] >= 1
    assert all('\n' not in line for line in found['information'])


def test_printed(monkeypatch):
    monkeypatch.delenv('MMDEFECT_OPS', raising=False)
    result = RUNNER.invoke(app, ['doctor'])
    assert result.exit_code == 0
    for part in ('stack: ', 'mmdet', 'served by', 'roi_align', 'CPU: ', 'GPU: ', 'healthy'):
        assert part in result.output
    assert 'problem' not in result.output


def test_missing_compiled_code_is_information(monkeypatch):
    monkeypatch.setattr(health, 'library_error', lambda: 'no [such] symbol')
    result = RUNNER.invoke(app, ['doctor'])
    assert result.exit_code == 0
    assert "torchvision's compiled library cannot load (no [such] symbol)" in result.output


@pytest.mark.parametrize('value', ['nonsense', 'mmcv'])
def test_unusable_choice_of_ops(monkeypatch, value):
    from mmdefect.ops import available_backends

    if value in available_backends():
        pytest.skip('mmcv has compiled ops here')
    monkeypatch.setenv('MMDEFECT_OPS', value)
    result = RUNNER.invoke(app, ['doctor'])
    assert result.exit_code == 1
    assert f"got '{value}'" in result.output
    assert 'problem: MMDEFECT_OPS' in result.output
    assert 'healthy' not in result.output


def test_stack_missing(without_stack):
    result = RUNNER.invoke(app, ['doctor'])
    assert result.exit_code == 1
    assert "problem: no OpenMMLab stack is installed; pip install 'mmdefect[onedl]'" in (
        result.output
    )
    found = json.loads(RUNNER.invoke(app, ['doctor', '--json']).stdout)
    assert found['stack'] is None
    assert found['ops'] == {}
    assert found['versions']['mmdet'] is None
    assert found['versions']['torch']


@pytest.mark.parametrize('name', ['torch', 'cv2', 'torchvision', 'mmdet.models'])
def test_an_import_that_fails(monkeypatch, name):
    real = health.importlib.import_module

    def fail(module):
        if module == name:
            raise OSError('libGL.so.1: cannot open shared object file\nsecond line')
        return real(module)

    monkeypatch.setattr(health.importlib, 'import_module', fail)
    found = health.diagnose()
    (problem,) = found['problems']
    assert problem.startswith(f'import {name} fails: libGL.so.1: cannot open')
    assert 'pip install' in problem
    assert 'second line' not in problem
    result = RUNNER.invoke(app, ['doctor'])
    assert result.exit_code == 1
    assert problem in result.output


def test_two_opencv_builds(monkeypatch):
    monkeypatch.setattr(health.metadata, 'version', lambda name: '4.12')
    lines: list[str] = []
    health._check_opencv(lines)
    assert len(lines) == 1
    assert 'keep one: pip uninstall -y opencv-python opencv-python-headless' in lines[0]
