"""The hooks that show a semi-supervised training, in a real one, resumed once."""

from __future__ import annotations

import csv
import json

import cv2
import numpy as np
import pytest

import mmdefect.registry  # noqa: F401  registers the scope
from mmdefect.compat.checkpoints import load
from mmdefect.engine import launch
from mmdefect.report.logs import read_logs

# A training of six iterations and its validations.
pytestmark = pytest.mark.slow
_RUN = """
model = dict(
    _delete_=True, type='mmdefect.MultiViewSoftTeacher', detector=detector,
    data_preprocessor=dict(
        type='MultiBranchDataPreprocessor', data_preprocessor=detector.data_preprocessor),
    semi_train_cfg=dict(
        classes=classes, unsup_weight=1.0, policy=dict(clean_images='background'),
        thresholds=dict(initial=0.12, cls=0.1, rpn=0.11),
        statistics=dict(hidden_truth=True)),
    semi_test_cfg=dict(predict_on='teacher'))
# Hidden boxes: the teacher's branch keeps them for the statistics.
unlabeled_dataset['pipeline'] = load + [
    dict(type='LoadAnnotations', with_bbox=True),
    dict(
        type='MultiBranch', branch_field=branch_field,
        unsup_teacher=augment + pack, unsup_student=augment + pack)]
train_dataloader['dataset']['datasets'] = [labeled_dataset, unlabeled_dataset]
train_cfg = dict(_delete_=True, type='mmdefect.GuardedIterBasedTrainLoop', max_iters=4,
    val_interval=2)
val_cfg = dict(type='TeacherStudentValLoop')
param_scheduler = []
default_hooks = dict(
    logger=dict(interval=1, log_metric_by_epoch=False),
    checkpoint=dict(_delete_=True, type='mmdefect.AtomicCheckpointHook', by_epoch=False,
        interval=2, save_best='teacher/mmdefect/AP50', rule='greater'))
log_processor = dict(by_epoch=False, window_size=1)
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='DetLocalVisualizer', vis_backends=vis_backends, name='visualizer')
custom_hooks = [
    dict(type='mmdefect.MeanTeacherHook'),
    dict(type='mmdefect.ClassProgressHook'),
    dict(type='mmdefect.PseudoLabelGalleryHook', interval=2, cell=160),
    dict(type='mmdefect.EvaluationRecordHook'),
    # Everything is stuck in so short a training.
    dict(type='mmdefect.TrainingGuardHook', window=1, rules=[
        dict(name='weak_classes_stuck', span=4, limit=2.0),
        dict(name='loss_unsteady', span=2, limit=9.0)])]
"""


@pytest.fixture(scope='module')
def runs(tmp_path_factory, make_detector):
    """Work dir of four iterations, resumed for two more."""
    config = make_detector('semi', _RUN)
    work_dir = tmp_path_factory.mktemp('semi_run')
    arguments = [str(config), '--work-dir', str(work_dir)]
    launch.train(arguments)
    first = (work_dir / 'class_progress.csv').read_text()
    launch.train([*arguments, '--resume', '--cfg-options', 'train_cfg.max_iters=6'])
    return work_dir, first


def test_class_progress(runs):
    work_dir, first = runs
    text = (work_dir / 'class_progress.csv').read_text()
    assert text.startswith(first)
    rows = list(csv.DictReader(text.splitlines()))
    assert [(row['iteration'], row['model'], row['class']) for row in rows] == [
        (iteration, model, name)
        for iteration in ('2', '4', '6')
        for model in ('teacher', 'student')
        for name in ('chip', 'rust')
    ]
    # Six of the eight labelled images have one box of each class; the unlabelled ones as many.
    assert {(row['boxes'], row['share']) for row in rows} == {('6', '0.5')}
    for row in rows:
        assert float(row['efficiency']) == pytest.approx(2 * float(row['AP']), rel=1e-4)
    assert cv2.imread(str(work_dir / 'class_progress.png')).shape[1] > 1000


def test_back_ends_and_log(runs):
    work_dir, _ = runs
    pictures = {path.name for path in work_dir.glob('*/vis_data/vis_image/*.png')}
    assert pictures == {
        f'{name}_{step}.png' for name in ('class_progress', 'pseudo_labels') for step in (2, 4, 6)
    }
    log = read_logs(work_dir)
    assert [step for step, _ in log.per_class['efficiency']['rust']] == [2, 4, 6]
    assert {'kept_ratio', 'count', 'threshold', 'precision', 'stage'} <= set(log.pseudo)
    assert [step for step, _ in log.pseudo['count']['chip']] == [1, 2, 3, 4, 5, 6]


def test_gallery(runs):
    work_dir, _ = runs
    sheets = sorted(path.name for path in (work_dir / 'pseudo_labels').iterdir())
    assert sheets == ['iter_2.jpg', 'iter_4.jpg', 'iter_6.jpg']
    sheet = cv2.imread(str(work_dir / 'pseudo_labels' / 'iter_2.jpg'))
    # Two unlabelled images side by side.
    assert sheet.shape[1] == 2 * 166 + 6
    assert np.ptp(sheet[60:], axis=2).max() > 60


def test_guard(runs):
    work_dir, _ = runs
    record = json.loads((work_dir / 'training_guard.json').read_text())
    assert [item['rule'] for item in record['said']] == ['weak_classes_stuck']
    assert record['said'][0]['iteration'] == 4
    assert [item['iteration'] for item in record['validations']] == [2, 4, 6]
    state = load(work_dir / 'iter_6.pth', map_location='cpu')['training_guard']
    assert [item['end'] for item in state['windows']] == [1, 2, 3, 4, 5, 6]
    # Validated after the checkpoint was saved, and yet known after the resume. A new best has
    # the checkpoint of its iteration saved again.
    assert [item['iteration'] for item in state['validations']] in ([2, 4], [2, 4, 6])
    assert set(state['windows'][0]['means']) >= {'loss', 'count'}


def test_the_record_is_of_the_teacher(runs):
    work_dir, _ = runs
    record = json.loads((work_dir / 'evaluation.json').read_text())
    log = read_logs(work_dir)
    assert record['metrics']['AP50'] == pytest.approx(log.val['mmdefect/AP50'][-1][1], abs=1e-4)
