from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from mmengine.logging import MessageHub

from mmdefect.engine.hooks import ClassProgressHook
from mmdefect.errors import InputError

CLASSES = ('dent', 'a/b', '_rust, "old"')


class Data(list):
    """Images by their labels."""

    metainfo = {'classes': CLASSES}

    def get_data_info(self, index):
        return {'instances': [{'bbox_label': label} for label in self[index]]}


def make_runner(work_dir, iteration=0, images=((0, 0, 1), (0,), (), (2,)), load_from=None):
    pictures = []
    return SimpleNamespace(
        work_dir=str(work_dir), iter=iteration, _load_from=load_from,
        train_dataloader=SimpleNamespace(dataset=Data(images)),
        val_dataloader=SimpleNamespace(dataset=Data()),
        message_hub=MessageHub.get_instance(f'class_progress_{id(pictures)}'),
        visualizer=SimpleNamespace(add_image=lambda *given: pictures.append(given)),
        pictures=pictures,
    )  # fmt: skip


def metrics(*values, prefix='', name='AP'):
    return {f'{prefix}mmdefect/{name}/{key}': v for key, v in zip(CLASSES, values, strict=True)}


def validate(hook, runner, iteration, found):
    runner.iter = iteration
    hook.after_val_epoch(runner, found)


def rows_of(work_dir):
    with (Path(work_dir) / 'class_progress.csv').open(encoding='utf-8', newline='') as file:
        return list(csv.DictReader(file))


def test_table_figure_and_log(tmp_path):
    hook, runner = ClassProgressHook(), make_runner(tmp_path)
    hook.before_train(runner)
    found = {**metrics(0.3, 0.1, float('nan')), **metrics(0.5, 0.2, 0.0, name='AP50')}
    validate(hook, runner, 50, {'mmdefect/AP': 0.2, **found})
    rows = rows_of(tmp_path)
    assert [tuple(row.values()) for row in rows] == [
        ('50', 'model', 'dent', '3', '0.6', '0.3', '0.5', '0.5'),
        ('50', 'model', 'a/b', '1', '0.2', '0.1', '0.2', '0.5'),
        ('50', 'model', '_rust, "old"', '1', '0.2', '', '0', ''),
    ]
    assert cv2.imread(str(tmp_path / 'class_progress.png')).shape[1] > 1000
    ((name, picture, step),) = runner.pictures
    assert (name, step, picture.dtype, picture.shape[2]) == ('class_progress', 50, np.uint8, 3)
    scalars = runner.message_hub.log_scalars
    assert scalars['val/class_progress/efficiency/a/b'].current() == pytest.approx(0.5)
    assert 'val/class_progress/efficiency/_rust, "old"' not in scalars
    assert not list(tmp_path.glob('.*'))


def test_teacher_and_student(tmp_path):
    hook, runner = ClassProgressHook(), make_runner(tmp_path)
    hook.before_train(runner)
    found = {
        **metrics(0.1, 0.1, 0.1, prefix='student/'),
        **metrics(0.3, 0.3, 0.3, prefix='teacher/'),
    }
    validate(hook, runner, 50, found)
    assert [(row['model'], row['AP']) for row in rows_of(tmp_path)] == [
        *[('teacher', '0.3')] * 3, *[('student', '0.1')] * 3,
    ]  # fmt: skip
    # Of the two, the teacher is logged.
    efficiency = runner.message_hub.log_scalars['val/class_progress/efficiency/dent'].current()
    assert efficiency == pytest.approx(0.5)


def test_resumed_and_started_anew(tmp_path):
    hook, runner = ClassProgressHook(), make_runner(tmp_path)
    hook.before_train(runner)
    for iteration in (50, 100, 150):
        validate(hook, runner, iteration, metrics(iteration / 1000, 0.1, 0.1))
    # Killed after the validation at 150, resumed from the checkpoint of iteration 100.
    resumed, runner = ClassProgressHook(), make_runner(tmp_path, 100)
    resumed.before_train(runner)
    validate(resumed, runner, 150, metrics(0.9, 0.1, 0.1))
    dents = [(row['iteration'], row['AP']) for row in rows_of(tmp_path) if row['class'] == 'dent']
    assert dents == [('50', '0.05'), ('100', '0.1'), ('150', '0.9')]
    # Into another work dir.
    other = tmp_path / 'other'
    moved, runner = (
        ClassProgressHook(),
        make_runner(other, 100, load_from=tmp_path / 'iter_100.pth'),
    )
    moved.before_train(runner)
    validate(moved, runner, 150, metrics(0.8, 0.1, 0.1))
    assert [row['iteration'] for row in rows_of(other)[::3]] == ['50', '100', '150']
    anew, runner = ClassProgressHook(), make_runner(tmp_path)
    anew.before_train(runner)
    validate(anew, runner, 50, metrics(0.7, 0.1, 0.1))
    assert [row['AP'] for row in rows_of(tmp_path)] == ['0.7', '0.1', '0.1']


@pytest.mark.parametrize(
    'text',
    [
        'iteration,AP\n50,0.1\n',
        'iteration,model,class,boxes,share,AP,AP50,efficiency\nfifty,model,dent,3,.6,.1,.2,.1\n',
        'iteration,model,class,boxes,share,AP,AP50,efficiency\n50,model,dent,3,.6,high,.2,.1\n',
        'iteration,model,class,boxes,share,AP,AP50,efficiency\n50,model\n',
        'iteration,model,class,boxes,share,AP,AP50,efficiency\n50,"model',
        '\0',
    ],
)
def test_a_spoilt_table_is_named(tmp_path, text):
    (tmp_path / 'class_progress.csv').write_text(text)
    with pytest.raises(InputError, match=r'class_progress.csv: cannot be continued .*move it away'):
        ClassProgressHook().before_train(make_runner(tmp_path, 50))


def test_nothing_to_write(tmp_path):
    hook, runner = ClassProgressHook(), make_runner(tmp_path)
    # A validation outside of a training, other metrics.
    validate(hook, runner, 0, metrics(0.1, 0.1, 0.1))
    hook.before_train(runner)
    validate(hook, runner, 50, {'coco/bbox_mAP': 0.1})
    hook.after_train(runner)
    validate(hook, runner, 50, metrics(0.1, 0.1, 0.1))
    assert not list(tmp_path.iterdir()) and not runner.pictures


def test_no_labelled_box(tmp_path):
    hook, runner = ClassProgressHook(), make_runner(tmp_path, images=((), ()))
    hook.before_train(runner)
    validate(hook, runner, 50, metrics(0.1, 0.2, 0.3))
    assert {(row['boxes'], row['share'], row['efficiency']) for row in rows_of(tmp_path)} == {
        ('0', '', '')
    }


def test_unknown_key():
    with pytest.raises(InputError, match="unknown key 'interval'"):
        ClassProgressHook(interval=5)
