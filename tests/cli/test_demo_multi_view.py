from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from mmdefect.cli import main
from mmdefect.cli.demo_tables import pseudo_table, score_table, verdict
from mmdefect.evaluation.evidence import make_evidence
from mmdefect.evaluation.image_result import ImageResult
from mmdefect.structures import EVALUATION_FORMAT

# The package has the command under the name of its module.
MODULE = importlib.import_module('mmdefect.cli.demo_multi_view')
CLASSES = ['Broken', 'Chipped', 'Scratched', 'Severe_Rust', 'Tip_Wear']
SHORT = ('--burn-in', '3', '--iterations', '2')


NO_BOXES = np.zeros((0, 4)), np.zeros(0, int)
GOOD_IMAGE = ImageResult('a.png', 8, 8, *NO_BOXES, np.zeros(0, bool), *NO_BOXES, np.zeros(0))


def evaluation(ap50: float | None = None) -> dict:
    """``evaluation.json`` of a good image, with a made-up score."""
    evidence, parts = (make_evidence([GOOD_IMAGE], CLASSES, 100) for _ in range(2))
    evidence['metrics']['AP50'] = ap50
    return {'format': EVALUATION_FORMAT, **evidence, 'parts': {'merge': 'nms', **parts}}


def call(monkeypatch, *arguments: object) -> int:
    monkeypatch.setattr('sys.argv', ['mmdefect', 'demo-multi-view', *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    return stopped.value.code or 0


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(MODULE, '_PARTS', {'train': 1, 'val': 1, 'test': 1, 'unlabeled': 1})
    # Set by the command.
    monkeypatch.setenv('MMDEFECT_DRILL', '')


@pytest.fixture
def tools(few, monkeypatch):
    """Calls of train and test, which write what the tools would; set ``scores`` of the two."""
    done = []
    scores = {'burn_in': 0.2, 'labelled_alone': 0.3, 'soft_teacher': 0.35}

    def run_tool(command: str, arguments: list[str]) -> None:
        folder = Path(arguments[arguments.index('--work-dir') + 1])
        done.append((command, folder.name, arguments))
        if command == 'test':
            (folder / 'evaluation.json').write_text(json.dumps(evaluation(scores[folder.name])))
            return
        options = dict(
            item.split('=', 1) for item in arguments[arguments.index('--cfg-options') + 1 :]
        )
        (folder / f'iter_{options["train_cfg.max_iters"]}.pth').touch()
        log = folder / '20260101_000000/vis_data/scalars.json'
        log.parent.mkdir(parents=True)
        entry = {'step': 2, 'loss': 1.0, 'pseudo/precision/Broken': 0.75, 'pseudo/score_mean': 0.5}
        log.write_text(json.dumps(entry))

    monkeypatch.setattr(MODULE, 'run_tool', run_tool)
    run_tool.done, run_tool.scores = done, scores
    return run_tool


def test_both_start_alike_and_stand_side_by_side(tools, monkeypatch, tmp_path, capsys):
    assert call(monkeypatch, '--out', tmp_path, '--no-amp', *SHORT) == 0
    names = [(command, name) for command, name, _ in tools.done]
    folders = ['burn_in', 'labelled_alone', 'soft_teacher']
    assert names == [(command, name) for name in folders for command in ('train', 'test')]
    options = {name: words for command, name, words in tools.done if command == 'train'}
    for name, words in options.items():
        assert f'train_cfg.max_iters={3 if name == "burn_in" else 2}' in words
        assert (f'load_from={tmp_path.as_posix()}/burn_in/iter_3.pth' in words) == (
            name != 'burn_in'
        )
        assert '--amp' not in words and '--resume' in words
    assert 'model.semi_train_cfg.burn_in=0' in options['soft_teacher']
    # Both average from here on; the burn-in ends with its last weights.
    assert 'default_hooks.average.burn_in=0' in options['labelled_alone']
    assert 'default_hooks.average.burn_in=3' in options['burn_in']
    said = capsys.readouterr().out
    assert 'Soft Teacher wins by 5.0 points of AP50' in said and 'proves nothing' in said
    assert re.search(r'Broken +│ +- │ +0\.750 │ +- │', said)
    page = tmp_path / 'soft_teacher/compare.html'
    assert f'look at {page}' in said and page.is_file()
    assert all((tmp_path / name / 'report.html').is_file() for name in folders[1:])
    summary = json.loads((tmp_path / 'summary.json').read_text())
    assert summary['verdict'] in said and summary['soft_teacher']['AP50'] == 0.35


def test_a_second_run_keeps_what_fits_and_loser_and_winner_exit_alike(
    tools, monkeypatch, tmp_path, capsys
):
    tools.scores['soft_teacher'] = 0.1
    assert call(monkeypatch, '--out', tmp_path, *SHORT) == 0
    assert 'labels alone win by 20.0 points' in capsys.readouterr().out
    assert call(monkeypatch, '--out', tmp_path, *SHORT) == 0
    assert len(tools.done) == 6
    # Killed during a test: only that is done again.
    (tmp_path / 'labelled_alone/evaluation.json').unlink()
    assert call(monkeypatch, '--out', tmp_path, *SHORT) == 0
    assert [item[:2] for item in tools.done[6:]] == [('test', 'labelled_alone')]
    # Other parts and other draws: nothing stays.
    assert call(monkeypatch, '--out', tmp_path, '--seed', '1', *SHORT) == 0
    assert len(tools.done) == 7 + 6 and 'randomness.seed=1' in tools.done[-2][2]
    info = json.loads((tmp_path / 'data/train.json').read_text())['info']
    assert info['seed'] == json.loads((tmp_path / 'summary.json').read_text())['seed'] == 1
    # Another burn-in: everything that stands on it goes, too.
    assert call(monkeypatch, '--out', tmp_path, '--burn-in', '4', '--iterations', '2') == 0
    assert len(tools.done) == 13 + 6
    assert not (tmp_path / 'burn_in/iter_3.pth').exists()


@pytest.mark.parametrize(
    ('alone', 'soft', 'said'),
    [
        (0.3, 0.35, 'Soft Teacher wins by 5.0 points of AP50 (0.350 with Soft Teacher, 0.300 '),
        (0.35, 0.3, 'labels alone win by 5.0 points'),
        (0.3, 0.3, 'neither wins'),
        (None, 0.2, 'Soft Teacher wins by 20.0 points'),
        (None, None, 'neither wins: AP50 is 0.000'),
    ],
)
def test_verdict(alone, soft, said):
    line = verdict(evaluation(alone), evaluation(soft))
    assert line.startswith(said) and line.endswith('proves nothing')


def test_tables_say_what_is_not_known():
    console = Console(width=200, record=True)
    console.print(score_table(evaluation(0.2), evaluation(None), evaluation(0.3)))
    console.print(pseudo_table({'recall': {'Broken': [(1, 0.2), (2, 0.4)]}}, CLASSES))
    lines = console.export_text().splitlines()
    (ap50,) = (line for line in lines if re.match(r'│ AP50 +│', line))
    assert re.findall(r'0\.\d+|-', ap50) == ['0.200', '-', '0.300', '-']
    (broken,) = (line for line in lines if re.match(r'│ Broken +│', line))
    assert re.findall(r'0\.\d+|-', broken) == ['-', '-', '0.400', '-', '-']


@pytest.mark.slow
def test_trained_for_an_update_each(few, monkeypatch, tmp_path):
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    assert call(monkeypatch, '--out', tmp_path, '--burn-in', '1', '--iterations', '1') == 0
    for name in ('burn_in', 'labelled_alone', 'soft_teacher'):
        record = json.loads((tmp_path / name / 'evaluation.json').read_text())
        assert record['images_total'] == 8 and record['parts']['images_total'] == 1
    assert (tmp_path / 'soft_teacher/compare.html').is_file()
