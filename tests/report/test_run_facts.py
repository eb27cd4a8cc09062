from __future__ import annotations

from pathlib import Path

import pytest

from mmdefect.report.evaluation import Evaluation
from mmdefect.report.logs import TrainingLog
from mmdefect.report.run_facts import (
    config_text,
    date_text,
    run_title,
    summary_rows,
    trained_for,
)


def run(**values) -> Evaluation:
    return Evaluation.model_construct(
        **{'config': None, 'checkpoint': None, 'epoch': None, **values}
    )


@pytest.mark.parametrize(
    ('epoch', 'checkpoint', 'logged', 'expected'),
    [
        (3, 'epoch_7.pth', 9, '3 epochs'),
        (None, 'epoch_7.pth', 9, '7 epochs'),
        (None, 'best_mmdefect_AP50_epoch_12.pth', 9, '12 epochs'),
        (None, 'final.pth', 9, '9 epochs'),
        (None, 'epoch_7.pth.bak', 9, '9 epochs'),
        (None, None, None, None),
        (0, None, 9, '0 epochs'),
        (1, None, None, '1 epoch'),
        (None, 'iter_2500.pth', None, '2,500 iterations'),
        (None, 'best_teacher_mmdefect_AP50_iter_1.pth', 0, '1 iteration'),
    ],
)
def test_trained_for(epoch, checkpoint, logged, expected) -> None:
    evaluation = run(epoch=epoch, checkpoint=checkpoint)
    assert trained_for(evaluation, TrainingLog(epochs=logged)) == expected


@pytest.mark.parametrize(
    ('text', 'expected'),
    [
        ('2026-01-02T03:04:05+00:00', '2026-01-02 03:04 UTC'),
        ('2026-01-02T03:04:05', '2026-01-02 03:04'),
        ('yesterday', 'yesterday'),
        (None, None),
    ],
)
def test_date(text, expected) -> None:
    assert date_text(text) == expected


def test_title_is_the_config_or_the_folder(tmp_path: Path) -> None:
    assert run_title(tmp_path / 'a', run(config='x.py')) == 'x.py'
    assert run_title(tmp_path / 'a', run()) == 'a'


def test_summary(tmp_path: Path) -> None:
    assert summary_rows(tmp_path) == ([], None)
    (tmp_path / 'summary.json').write_text('{"a": {"b": 0.123456}, "c": [1]}')
    assert summary_rows(tmp_path) == ([('a.b', '0.1235'), ('c', '[1]')], None)
    (tmp_path / 'summary.json').write_text('{')
    assert 'cannot be read' in summary_rows(tmp_path)[1]


def test_config_only_where_it_is_clear_which(tmp_path: Path) -> None:
    assert config_text(tmp_path, run()) is None
    (tmp_path / 'a.py').write_text('a = 1')
    assert config_text(tmp_path, run()) == ('a.py', 'a = 1')
    (tmp_path / 'b.py').write_text('b = 1')
    assert config_text(tmp_path, run()) is None
    assert config_text(tmp_path, run(config='b.py')) == ('b.py', 'b = 1')
