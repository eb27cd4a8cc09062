from __future__ import annotations

from pathlib import Path

import pytest

from mmdefect.evaluation.error_types import ERROR_TYPES
from mmdefect.report.chart_data import error_rows, run_data
from mmdefect.report.class_table import class_rows, compared_rows, difference
from mmdefect.report.evaluation import Evaluation, load_evaluation
from mmdefect.report.logs import TrainingLog

BOX = [10, 10, 30, 30]
LOOSE = [20, 10, 40, 30]


@pytest.fixture
def evaluation(tmp_path: Path, write_run) -> Evaluation:
    images = [
        {'path': '1.png', 'width': 99, 'height': 99, 'ground_truth': [[*BOX, 0, 0]],
         'detections': [[*BOX, 0, 0.9], [*BOX, 0, 0.8]]},
        {'path': '2.png', 'width': 99, 'height': 99, 'ground_truth': [[*BOX, 1, 0]],
         'detections': [[*LOOSE, 1, 0.9]]},
        {'path': '3.png', 'width': 99, 'height': 99, 'ground_truth': [], 'detections': []},
    ]  # fmt: skip
    write_run(tmp_path, ['rust', 'dent'], images)
    return load_evaluation(tmp_path)


def test_every_error_type_stands_in_the_page(evaluation: Evaluation) -> None:
    assert set(evaluation.error_types) == set(ERROR_TYPES)
    rows = error_rows(evaluation, evaluation)
    assert len(rows) == len(ERROR_TYPES) == len(run_data(evaluation, TrainingLog())['errors'])
    assert sum(sum(row['counts']) for row in rows) == sum(
        sum(kind.counts) for kind in evaluation.error_types.values()
    )
    loose = next(row for row in rows if row['title'] == 'Badly placed')
    assert loose['counts'] == [0, 1] and loose['gains'] == [0.5, 0.5]
    assert all(len(row['gains']) == 2 for row in rows)


def test_run_data(evaluation: Evaluation) -> None:
    log = TrainingLog(train={'loss': [(1.0, 2.0)]}, per_class={'AP50': {'rust': [(1.0, 0.5)]}})
    data = run_data(evaluation, log)
    assert data['log']['perClass'] == {'AP50': {'rust': [(1.0, 0.5)]}}
    table = data['table']
    assert (table['imagesDefect'], table['imagesGood']) == (2, 1)
    assert table['start'] == evaluation.operating.threshold
    assert len(table['youden']) == 2 and len(table['youden'][0]) == 101
    assert [size for size in data['sizes'] if size['truth']] == [
        {'name': '16 to 32 px', 'truth': 2, 'found': 1}
    ]
    assert data['sizes'][-1]['name'] == '256 px and more'
    assert sum(map(sum, data['histogram']['counts'])) == 2


def test_weakest_first_and_undefined_last() -> None:
    rows = [
        {'name': name, 'AP50': value, 'boxes': 0 if value is None else 3, 'images': 1}
        for name, value in (('good', 0.9), ('none', None), ('weak', 0.1), ('mid', 0.5))
    ]
    names = [row['name'] for row in rows]
    evaluation = Evaluation.model_construct(classes=names, per_class=[type_of(row) for row in rows])
    found = class_rows(evaluation, ['#111', '#222', '#333', '#444'])
    assert [(row['name'], row['weakest'], row['colour']) for row in found] == [
        ('weak', True, '#333'), ('mid', False, '#444'), ('good', False, '#111'),
        ('none', False, '#222'),
    ]  # fmt: skip


def type_of(row: dict):
    from mmdefect.report.evaluation import ClassResult

    return ClassResult(**row)


def test_largest_loss_first() -> None:
    def run(*values: float | None) -> Evaluation:
        rows = [
            type_of({'name': name, 'AP50': value, 'AP': value, 'AR': None, 'boxes': 1, 'images': 1})
            for name, value in zip('abcd', values, strict=True)
        ]
        return Evaluation.model_construct(classes=list('abcd'), per_class=rows)

    rows = compared_rows(run(0.5, 0.9, None, None), run(0.4, 0.95, 0.3, None), ['#000'] * 4)
    assert [row['name'] for row in rows] == ['b', 'a', 'c', 'd']
    assert rows[0]['values'][0] == (0.9, 0.95, pytest.approx(-0.05))
    assert rows[2]['values'][0] == (None, 0.3, None)
    assert rows[0]['values'][2] == (None, None, None)


@pytest.mark.parametrize(
    ('one', 'other', 'expected'),
    [(0.5, 0.25, 0.25), (0, 0, 0), (None, 0.5, None), (0.5, None, None), (None, None, None)],
)
def test_difference(one: float | None, other: float | None, expected: float | None) -> None:
    assert difference(one, other) == expected
