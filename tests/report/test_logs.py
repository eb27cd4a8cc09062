from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmdefect.report.logs import read_logs, training_seconds


def write(work_dir: Path, run: str, lines: list[dict], tail: str = '') -> None:
    folder = work_dir / run / 'vis_data'
    folder.mkdir(parents=True)
    text = ''.join(json.dumps(line) + '\n' for line in lines)
    (folder / 'scalars.json').write_text(text + tail, encoding='utf-8')


def train(steps: range, value: float, per_epoch: int = 10) -> list[dict]:
    return [
        {'loss': value, 'loss_cls': value / 2, 'lr': 0.1, 'time': 1.0, 'step': step, 'iter': step,
         'epoch': (step - 1) // per_epoch + 1}
        for step in steps
    ]  # fmt: skip


def val(epoch: int, ap: float) -> dict:
    return {'mmdefect/AP50': ap, 'time': 0.1, 'step': epoch}


def test_resumed_run_takes_over(tmp_path: Path) -> None:
    write(
        tmp_path, '20260101_1', [*train(range(5, 31, 5), 2.0), val(1, 0.1), val(2, 0.2), val(3, 9)]
    )
    write(tmp_path, '20260102_1', [*train(range(21, 42, 5), 1.0), val(3, 0.3), val(4, 0.4)])
    log = read_logs(tmp_path)
    assert log.train['loss'] == [
        (5, 2), (10, 2), (15, 2), (20, 2), (21, 1), (26, 1), (31, 1), (36, 1), (41, 1)
    ]  # fmt: skip
    assert log.val == {'mmdefect/AP50': [(1, 0.1), (2, 0.2), (3, 0.3), (4, 0.4)]}
    assert (log.val_unit, log.epochs, log.runs) == ('epoch', 5, 2)
    assert '20260102_1 took over at iteration 21; 2 older' in log.notes[0]
    assert set(log.train) == {'loss', 'loss_cls', 'lr'}


def test_run_from_scratch_replaces(tmp_path: Path) -> None:
    write(tmp_path, 'a', [*train(range(5, 101, 5), 2.0), val(1, 0.1), val(10, 0.9)])
    write(tmp_path, 'b', train(range(5, 11, 5), 1.0))
    log = read_logs(tmp_path)
    assert log.train['loss'] == [(5, 1), (10, 1)]
    assert log.val == {}


def test_test_run_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, 'a', [*train(range(5, 11, 5), 2.0), val(1, 0.1)])
    write(tmp_path, 'b', [val(0, 0.7)])
    log = read_logs(tmp_path)
    assert log.val == {'mmdefect/AP50': [(1, 0.1)]}
    assert log.notes == []


def test_torn_line_and_nan(tmp_path: Path) -> None:
    lines = [*train(range(5, 11, 5), 1.0), {'loss': float('nan'), 'step': 15}]
    write(tmp_path, 'a', lines, '{"loss": 0.5, "st')
    log = read_logs(tmp_path)
    assert log.train['loss'] == [(5, 1), (10, 1)]
    assert log.notes == ['a: 1 unreadable log line(s) left out']


def test_iteration_based_training(tmp_path: Path) -> None:
    lines = [{'loss': 1.0, 'lr': 0.1, 'step': step} for step in range(50, 501, 50)]
    write(tmp_path, 'a', [*lines, val(250, 0.1), val(500, 0.2)])
    log = read_logs(tmp_path)
    assert (log.val_unit, log.epochs) == ('iteration', None)
    assert log.val['mmdefect/AP50'] == [(250, 0.1), (500, 0.2)]


def test_metrics_of_single_classes(tmp_path: Path) -> None:
    lines = [
        {'mmdefect/AP50': epoch / 10, 'mmdefect/AP50/rust': 0.1, 'mmdefect/AP/rust': 0.2,
         'mmdefect/recall/hole/edge': float('nan') if epoch == 1 else 0.3, 'step': epoch}
        for epoch in (1, 2)
    ]  # fmt: skip
    write(tmp_path, 'a', [*train(range(5, 21, 5), 1.0), *lines])
    log = read_logs(tmp_path)
    assert log.val == {'mmdefect/AP50': [(1, 0.1), (2, 0.2)]}
    assert log.per_class == {
        'AP': {'rust': [(1, 0.2), (2, 0.2)]},
        'AP50': {'rust': [(1, 0.1), (2, 0.1)]},
        'recall': {'hole/edge': [(2, 0.3)]},
    }


def test_nothing_there(tmp_path: Path) -> None:
    log = read_logs(tmp_path)
    assert (log.train, log.val, log.notes, log.runs) == ({}, {}, [], 0)
    assert training_seconds(tmp_path) == 0


def timed(*points: tuple[float, float]) -> list[dict]:
    return [{'loss': 1.0, 'time': time, 'step': step} for step, time in points]


@pytest.mark.parametrize(
    ('runs', 'seconds'),
    [
        ([timed((20, 0.5), (40, 0.25), (43, 1))], 10 + 5 + 3),
        ([timed((20, 1), (40, 1)), timed((60, 2))], 40 + 40),
        # Killed at 50, resumed from 40: ten iterations were computed twice.
        ([timed((20, 1), (40, 1), (50, 1)), timed((50, 2), (60, 2))], 50 + 40),
        # Started anew in the same folder.
        ([timed((20, 1), (40, 1)), timed((20, 1))], 60),
        # A run without training between two others.
        ([timed((20, 1)), [val(1, 0.5)], timed((40, 1))], 40),
        ([[*timed((20, 1)), val(30, 0.1), {'loss': 1.0, 'step': 30}, *timed((40, 1))]], 40),
        ([timed((20, float('nan')), (40, 1))], 40),
    ],
    ids=['windows', 'resumed', 'repeated', 'anew', 'test between', 'other lines', 'no number'],
)
def test_training_seconds(tmp_path: Path, runs: list[list[dict]], seconds: float) -> None:
    for index, lines in enumerate(runs):
        write(tmp_path, f'2026010{index}', lines, '{"loss": 0.5, "time": 9, "st')
    assert training_seconds(tmp_path) == pytest.approx(seconds)


def test_semi_supervised_training(tmp_path: Path) -> None:
    lines = [
        {'loss': 1.0, 'sup_loss_cls': 0.5, 'unsup_rpn_loss_bbox': 0.5, 'lr': 0.1, 'step': step,
         'pseudo/count/hole/edge': 2.0, 'pseudo/positives/level_0': 3.0, 'pseudo/score_mean': 0.5,
         'pseudo/score_mean/rust': 0.6, 'pseudo/clean_images': 0.25, 'pseudo/consensus_added': 1.0,
         'pseudo/precision/rust': float('nan') if step == 50 else 0.8}
        for step in (50, 100)
    ]  # fmt: skip
    lines.append(
        {'teacher/mmdefect/AP50': 0.4, 'teacher/mmdefect/AP50/hole/edge': 0.5,
         'student/mmdefect/AP50': 0.3, 'student/mmdefect/AP50/hole/edge': 0.2,
         'class_progress/efficiency/hole/edge': 1.5, 'step': 100}
    )  # fmt: skip
    write(tmp_path, 'a', lines)
    log = read_logs(tmp_path)
    assert set(log.train) == {'loss', 'sup_loss_cls', 'unsup_rpn_loss_bbox', 'lr'}
    both = [(50, 2.0), (100, 2.0)]
    assert log.pseudo['count'] == {'hole/edge': both}
    assert log.pseudo['positives'] == {'level_0': [(50, 3.0), (100, 3.0)]}
    assert log.pseudo['precision'] == {'rust': [(100, 0.8)]}
    assert log.pseudo['score_mean'] == {'rust': [(50, 0.6), (100, 0.6)]}
    assert [sorted(log.pseudo[name]) for name in ('scores', 'shares', 'votes')] == [
        ['score_mean'], ['clean_images'], ['consensus_added'],
    ]  # fmt: skip
    assert log.val == {'mmdefect/AP50': [(100, 0.4)]}
    assert log.student == {'mmdefect/AP50': [(100, 0.3)]}
    assert log.per_class == {
        'AP50': {'hole/edge': [(100, 0.5)]}, 'efficiency': {'hole/edge': [(100, 1.5)]},
    }  # fmt: skip
