from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from mmengine.runner import IterBasedTrainLoop
from torch import nn

import mmdefect.registry  # noqa: F401  registers the scope
from mmdefect.engine import launch
from mmdefect.engine.hooks import EvaluationRecordHook
from mmdefect.errors import InputError
from mmdefect.evaluation import DefectMetric
from mmdefect.geometry import TileGrid
from mmdefect.report import write_report


def record_of(work_dir):
    return json.loads((work_dir / 'evaluation.json').read_text(encoding='utf-8'))


def runner_of(work_dir, evidence=None, epoch=3):
    metric = DefectMetric()
    metric.evidence = evidence
    return SimpleNamespace(
        work_dir=str(work_dir), epoch=epoch, val_evaluator=SimpleNamespace(metrics=[metric]),
        cfg=SimpleNamespace(filename='a/b.py'), _load_from=None, _train_loop=None, model=None,
    )  # fmt: skip


def test_after_validation(tiny_trained):
    record = record_of(tiny_trained.work_dir)
    assert (record['format'], record['epoch']) == ('mmdefect-evaluation/2', 1)
    assert record['config'] == tiny_trained.config.name
    assert (tiny_trained.work_dir / record['checkpoint']).is_file()
    assert record['classes'] == ['chip', 'rust']
    assert (record['images_total'], record['score_table']['images_good']) == (8, 2)
    assert not list(tiny_trained.work_dir.glob('.*'))


def test_after_test_and_a_report_from_it(tiny_trained, tmp_path):
    config, checkpoint = str(tiny_trained.config), str(tiny_trained.checkpoint)
    launch.test([config, checkpoint, '--work-dir', str(tmp_path)])
    record = record_of(tmp_path)
    assert (record['epoch'], record['checkpoint']) == (None, 'epoch_1.pth')
    trained = record_of(tiny_trained.work_dir)
    assert record['metrics'] == trained['metrics']
    assert record['images'] == trained['images']
    assert write_report(tmp_path).is_file()


@pytest.mark.parametrize('saved', [True, False])
def test_names_only_a_checkpoint_that_exists(tmp_path, saved):
    if saved:
        (tmp_path / 'epoch_3.pth').touch()
    EvaluationRecordHook().after_val_epoch(runner_of(tmp_path, {'classes': ['chip']}))
    assert record_of(tmp_path)['checkpoint'] == ('epoch_3.pth' if saved else None)


def test_a_training_by_iterations_knows_no_epoch(tmp_path):
    (tmp_path / 'iter_40.pth').touch()
    runner = runner_of(tmp_path, {'classes': ['chip']}, epoch=0)
    runner._train_loop, runner.iter = IterBasedTrainLoop.__new__(IterBasedTrainLoop), 40
    EvaluationRecordHook().after_val_epoch(runner)
    record = record_of(tmp_path)
    assert (record['epoch'], record['checkpoint']) == (None, 'iter_40.pth')


@pytest.mark.parametrize('wrapped', [False, True])
def test_names_the_tiles_of_a_tiled_model(tmp_path, wrapped):
    runner = runner_of(tmp_path, {'classes': ['chip']})
    EvaluationRecordHook().after_val_epoch(runner)
    assert 'tiles' not in record_of(tmp_path)
    runner.model = nn.Module()
    runner.model.grid = TileGrid((256, 128), 0.5)
    if wrapped:
        runner.model = nn.DataParallel(runner.model)
    EvaluationRecordHook().after_val_epoch(runner)
    assert record_of(tmp_path)['tiles'] == {
        'size': [256, 128], 'overlap': [0.5, 0.5], 'edge': 'shift',
    }  # fmt: skip


def test_other_metrics_leave_no_file(tmp_path):
    runner = runner_of(tmp_path)
    EvaluationRecordHook().after_val_epoch(runner)
    runner.val_evaluator.metrics = [object()]
    EvaluationRecordHook().after_val_epoch(runner)
    assert not list(tmp_path.iterdir())


def test_an_old_record_survives_what_cannot_be_written(tmp_path):
    EvaluationRecordHook().after_val_epoch(runner_of(tmp_path, {'classes': ['chip']}))
    with pytest.raises(ValueError):
        EvaluationRecordHook().after_val_epoch(runner_of(tmp_path, {'bad': float('nan')}))
    assert record_of(tmp_path)['classes'] == ['chip']
    assert len(list(tmp_path.iterdir())) == 1
    (tmp_path / 'file').touch()
    with pytest.raises(InputError, match='cannot be written'):
        EvaluationRecordHook().after_val_epoch(runner_of(tmp_path / 'file', {'classes': []}))
