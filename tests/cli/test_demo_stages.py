from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from mmdefect.cli.demo_stages import run_tool, stage
from mmdefect.errors import InputError


def fake_tool(tmp_path, body):
    """What stands for the interpreter that trains."""
    path = tmp_path / 'tool.sh'
    path.write_text(f'#!/bin/sh\n{body}\n')
    path.chmod(0o755)
    return str(path)


@pytest.mark.skipif(sys.platform == 'win32', reason='signals of Unix')
@pytest.mark.parametrize('listens', [True, False])
def test_sigterm_ends_the_training_first(tmp_path, listens):
    trap = f'trap "echo saved > {tmp_path}/end; exit 143" TERM\n' if listens else ''
    tool = fake_tool(tmp_path, f'{trap}echo $$ started\nwhile :; do sleep .05; done')
    code = (
        'import sys\nfrom mmdefect.cli.demo_stages import run_tool\n'
        f'sys.executable = {tool!r}\nrun_tool("train", [])'
    )
    with subprocess.Popen(
        [sys.executable, '-c', code], stdout=subprocess.PIPE, text=True
    ) as command:
        pid = int(command.stdout.readline().split()[0])
        command.send_signal(signal.SIGTERM)
        assert command.wait(timeout=30) == 143
    assert (tmp_path / 'end').exists() == listens
    assert subprocess.run(['kill', '-0', str(pid)], capture_output=True).returncode


def test_what_fails_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, 'executable', fake_tool(tmp_path, 'exit 3'))
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(InputError, match='test stopped with exit code 3; see the lines above'):
        run_tool('test', [])
    assert signal.getsignal(signal.SIGTERM) == before


def test_stages_are_named_and_timed(capsys):
    seconds = {}
    assert stage('1/2 counting', seconds, 'count', lambda: 3) == 3
    assert seconds['count'] >= 0 and capsys.readouterr().out == '\n== 1/2 counting\n'
