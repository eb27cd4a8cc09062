"""``mmdefect check``, as typed."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from mmdefect.cli import app
from mmdefect.errors import InputError


def run(*arguments):
    done = CliRunner().invoke(app, ['check', *map(str, arguments)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def test_a_good_config(tiny_config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run(tiny_config)
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert lines[0] == f'{tiny_config} on cpu'
    assert lines[-1] == 'good: nothing is wrong with it'
    assert 'train: 2 of 2 good images tried reach the model, 12 of 12 boxes' in done.output
    assert 'stride 8' in done.output and 'expected: one epoch of 4 iterations' in done.output
    assert not list(tmp_path.iterdir())


def test_json_is_all_there_is_on_standard_output(tiny_config):
    key = 'model.test_cfg.max_per_image=7'
    done = run(tiny_config, '--json', '--iterations', 1, '--cfg-options', key)
    assert done.exit_code == 1
    report = json.loads(done.stdout)
    assert report['passed'] is False and report['failure'] is None
    (problem,) = report['problems']
    assert problem['where'] == 'model.test_cfg.max_per_image'
    assert len(report['iterations']) == 1


def test_a_failure_is_one_line_with_its_cure(tiny_config):
    done = run(tiny_config, '--cfg-options', 'model.backbone.in_channels=1')
    assert done.exit_code == 1
    (line,) = [line for line in done.output.splitlines() if line.startswith('failed:')]
    assert line.startswith('failed: training iteration 1: ') and 'channels=1' in line
    assert done.output.splitlines()[-1] == '1 problem'


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['none.py'], 'none.py: no such file'),
        (['CONFIG', '--cfg-options', 'modell.a=1'], 'nothing reads'),
        (['CONFIG', 'a=1'], 'write --cfg-options before it'),
    ],
)
def test_bad_configs_are_input_errors(tiny_config, arguments, message):
    arguments = [tiny_config if item == 'CONFIG' else item for item in arguments]
    with pytest.raises(InputError, match=message):
        run(*arguments)


@pytest.mark.parametrize(
    ('seconds', 'text'),
    [(0.04, '0.04 s'), (59, '59 s'), (300, '5 min'), (20000, '5.6 h'), (400000, '4 days')],
)
def test_spans(seconds, text):
    from mmdefect.cli.check_tables import _span

    assert _span(seconds) == text


def test_amp(tiny_config):
    done = run(tiny_config, '--amp', '--iterations', 1)
    assert done.exit_code == 0, done.output
    with pytest.raises(InputError, match='--amp needs optim_wrapper.type OptimWrapper'):
        run(tiny_config, '--amp', '--cfg-options', 'optim_wrapper.type=Other')
