"""The command line as a whole: what it says to mistakes, and its list of commands."""

from __future__ import annotations

import re

import pytest
import typer

from mmdefect import cli


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    """``call(*arguments)``: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'file.txt').touch()
    monkeypatch.setenv('COLUMNS', '80')

    def run(*arguments):
        monkeypatch.setattr('sys.argv', ['mmdefect', *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        return stopped.value.code or 0, *capsys.readouterr()

    return run


@pytest.mark.parametrize(
    ('arguments', 'parts'),
    [
        (['tresholds'], ["'tresholds'; did you mean 'thresholds'? see mmdefect --help"]),
        (['--versoin'], ['--versoin', 'did you mean --version?']),
        (['check'], ['missing argument CONFIG; see mmdefect check --help']),
        (['sample-data'], ['missing argument KIND; choose from: drill, shelf, steel;']),
        (['sample-data', 'drll', 'x'], ["KIND: 'drll' is not one of 'drill', 'shelf', 'steel'"]),
        (['split', 'a.json', 'x'], ["missing option '--ratios'"]),
        (['thresholds', 'a', '--beta', 'two'], ['--beta must be a number, got two;']),
        (['thresholds', 'a', '--seed', '1.5'], ['--seed must be a whole number, got 1.5;']),
        (
            ['thresholds', 'a', '--seed', '-1'],
            ['--seed must be greater than or equal to 0, got -1'],
        ),
        (['thresholds', 'a', '--target-recal', '1'], ['did you mean --target-recall?']),
        (['thresholds', 'a', '--out'], ['--out']),
        (['thresholds', 'a', 'b'], ['got more than expected: b;']),
        (['convert', 'voc', 'a', 'b.json', '--size', '40'], ['2 arguments; write --size W H']),
        (
            ['convert', 'voc', 'a', 'b.json', '--size', '4x2', '3'],
            ['must be a whole number, got 4x2; write --size W H;'],
        ),
        (['thresholds', 'a', '--out', '.'], ['--out .: is a folder; name a file in it']),
        (['thresholds', 'a', '--out', 'a.txt'], ['must end in .json; write a.json']),
        (['audit', 'a', '--out', 'a.txt'], ['must end in .html or .htm; write a.html']),
        (['report', 'a', '--out', 'a'], ['must end in .html or .htm; write a.html']),
        (['browse', 'a.py', '--out', '.'], ['--out .: is a folder']),
        (['anchors', 'a.py', '--out', '.'], ['--out .: is a folder']),
        (['convert', 'voc', 'a', '.'], ['OUT.json .: is a folder']),
        (['sample-data', 'steel', 'file.txt'], ['OUT file.txt: is a file; name a folder']),
        (['split', 'a.json', 'file.txt', '--ratios', 'a=1'], ['OUT_DIR file.txt: is a file']),
        (['convert', 'voc', 'a', 'b'], ['OUT.json b: must end in .json; write b.json']),
    ],
)
def test_a_mistake_is_one_line(call, arguments, parts):
    code, out, err = call(*arguments)
    assert (code, out) == (2, '') and err.count('\n') == 1
    assert err.startswith('mmdefect: ')
    for part in parts:
        assert part in err


def test_ctrl_c_is_one_line(call, monkeypatch):
    def stop():
        raise KeyboardInterrupt

    monkeypatch.setattr('mmdefect.compat.health.diagnose', stop)
    assert call('doctor') == (130, '', 'mmdefect: stopped\n')


def test_help_lists_every_command_in_a_line(call):
    code, out, err = call('--help')
    assert (code, err) == (0, '')
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    names = [command.name for command in cli.app.registered_commands]
    for name in names:
        (line,) = [line for line in lines if re.match(rf'\W*{name} ', line)]
        assert line.rstrip('│ ').endswith(('.', '?'))
    order = [line for line in lines if re.match(r'╭─ \w', line)]
    assert len(order) == 5, 'options and four groups'
    assert call()[1].strip() == out.strip()


def test_version(call):
    assert call('--version')[0] == 0


def test_help_is_broken_where_the_terminal_ends():
    group = typer.main.get_command(cli.app)
    for name, command in group.commands.items():
        assert command.help and not re.search(r'[^\n]\n[^\n]', command.help), name
