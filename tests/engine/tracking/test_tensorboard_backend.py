"""Event files, read back with TensorBoard's own reader."""

from __future__ import annotations

import pytest
from mmengine.config import Config
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mmdefect.engine import launch
from mmdefect.engine.tracking import TensorboardVisBackend
from mmdefect.errors import InputError


def events_of(folder):
    (path,) = folder.rglob('events.out.tfevents.*')
    events = EventAccumulator(str(path))
    events.Reload()
    return events


def steps(events, tag):
    return [point.step for point in events.Scalars(tag)]


def test_a_training_writes_them_by_default(tiny_trained):
    events = events_of(tiny_trained.work_dir)
    tags = events.Tags()['scalars']
    train = {'loss', 'loss_cls', 'loss_bbox', 'lr', 'time', 'data_time', 'epoch'}
    assert {f'train/{name}' for name in train} <= set(tags)
    assert {f'mmdefect/AP50{name}' for name in ('', '/chip', '/rust')} <= set(tags)
    # Validation after the fourth iteration stands there, not at step 1, its epoch.
    assert steps(events, 'train/loss') == steps(events, 'train/lr') == [1, 2, 3, 4]
    assert steps(events, 'mmdefect/AP50') == steps(events, 'val/time') == [4]
    assert 'iter' not in tags and 'time' not in tags
    assert events.Tags()['images'] == []
    assert all(point.value > 0 for point in events.Scalars('train/loss'))


def test_the_config_is_readable(tiny_trained):
    events = events_of(tiny_trained.work_dir)
    assert events.Tags()['tensors'] == ['config/text_summary']
    (text,) = events.Tensors('config/text_summary')[0].tensor_proto.string_val
    lines = text.decode().splitlines()
    assert (lines[0], lines[-1]) == ('```python', '```')
    assert "    dict(type='mmdefect.TensorboardVisBackend')," in lines


def test_a_test_writes_its_scores(tiny_trained, tmp_path):
    config, checkpoint = str(tiny_trained.config), str(tiny_trained.checkpoint)
    launch.test([config, checkpoint, '--work-dir', str(tmp_path)])
    tested, trained = events_of(tmp_path), events_of(tiny_trained.work_dir)
    assert steps(tested, 'test/mmdefect/AP50/chip') == [0]
    value = tested.Scalars('test/mmdefect/AP50/chip')[0].value
    assert value == pytest.approx(trained.Scalars('mmdefect/AP50/chip')[0].value)


def test_unusual_class_names(tmp_path):
    backend = TensorboardVisBackend(str(tmp_path))
    backend.add_config(Config({'classes': ('Kratzer (tief)',)}))
    backend.add_scalars({'mmdefect/AP50/Kratzer (tief), ä': 0.5})
    backend.close()
    assert events_of(tmp_path).Tags()['scalars'] == ['mmdefect/AP50/Kratzer (tief), ä']


def test_without_the_package(tmp_path, monkeypatch):
    def fails(self):
        raise ImportError('No module named tensorboard')

    monkeypatch.setattr(TensorboardVisBackend.__base__, '_init_env', fails)
    with pytest.raises(InputError, match='pip install tensorboard'):
        TensorboardVisBackend(str(tmp_path)).add_config(Config())
    with pytest.raises(InputError, match='did you mean'):
        TensorboardVisBackend(str(tmp_path), save_dirs=1)
