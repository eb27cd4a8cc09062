from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from mmdefect.cli.sample_data import sample_data
from mmdefect.datasets import synthetic
from mmdefect.errors import InputError

APP = typer.Typer(pretty_exceptions_enable=False)
APP.command()(sample_data)


@pytest.mark.parametrize('kind', ['drill', 'shelf', 'steel'])
def test_each_kind_reaches_its_writer(tmp_path, monkeypatch, kind):
    calls = []
    monkeypatch.setattr(
        synthetic, f'write_{kind}', lambda *given, **keys: calls.append((given, keys)) or '80 boxes'
    )
    result = CliRunner().invoke(APP, [kind, str(tmp_path), '--level', 'real', '--seed', '3'])
    assert result.exit_code == 0 and '80 boxes' in result.output
    ((given, keys),) = calls
    assert given == (tmp_path, 'real') and keys['seed'] == 3
    assert keys.get('bit_depth', 8) == 8


def test_bit_depth_is_of_drill_only(tmp_path):
    result = CliRunner().invoke(APP, ['shelf', str(tmp_path), '--bit-depth', '12'])
    assert isinstance(result.exception, InputError)
    assert str(result.exception) == '--bit-depth does not go with shelf; leave it out'
