from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mmdefect.cli import main
from mmdefect.evaluation.evidence import make_evidence


@pytest.fixture
def run(tmp_path: Path):
    """``run(name, classes)``: a work directory with an empty evaluation."""

    def write(name: str, classes: list[str]) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        content = {'format': 'mmdefect-evaluation/2', **make_evidence([], classes, 100)}
        (folder / 'evaluation.json').write_text(json.dumps(content))
        return folder

    return write


def call(monkeypatch, *arguments: object) -> int:
    monkeypatch.setattr('sys.argv', ['mmdefect', 'report', *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    return stopped.value.code or 0


def test_path_and_size_are_printed(run, monkeypatch, capsys) -> None:
    folder = run('one', ['rust'])
    assert call(monkeypatch, folder) == 0
    said = capsys.readouterr().out
    size = float(re.fullmatch(rf'{folder}/report.html \(([\d.]+) MB\)\n', said)[1])
    assert size == pytest.approx((folder / 'report.html').stat().st_size / 1e6, abs=0.051)


def test_out(run, monkeypatch, tmp_path: Path) -> None:
    assert call(monkeypatch, run('one', ['rust']), '--out', tmp_path / 'x' / 'a.html') == 0
    assert (tmp_path / 'x' / 'a.html').is_file()


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        (['--compare', 'none'], 'none: no such work directory'),
        (['--compare', 'two'], 'no class in common'),
        (['--compare', 'three'], 'no image in common'),
        (['--items', '-1'], '--items'),
        (['--out', '.'], 'is a folder'),
    ],
)
def test_bad_input(run, monkeypatch, capsys, tmp_path: Path, options, said: str) -> None:
    folder = run('one', ['rust'])
    run('two', ['dent'])
    run('three', ['rust'])
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, folder, *options) == 2
    error = capsys.readouterr().err
    assert said in error and 'Traceback' not in error
    assert not list(tmp_path.rglob('*.html'))
