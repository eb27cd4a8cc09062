from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from mmengine.config import Config

import mmdefect.registry  # noqa: F401  registers the scope
from mmdefect.engine.inference_settings import (
    inference_settings,
    require_same_settings,
    tile_settings,
)
from mmdefect.errors import InputError

ROOT = Path(__file__).resolve().parents[2] / 'configs'


def changed(config, path, value):
    config = copy.deepcopy(config)
    config.merge_from_dict({path: value})
    return inference_settings(config)


def test_what_scores_depend_on(tiny_config):
    config = Config.fromfile(tiny_config)
    settings = inference_settings(config)
    assert json.loads(json.dumps(settings)) == settings
    kinds = [step['type'] for step in settings['pipeline']]
    assert kinds == ['mmdefect.LoadImage', 'Resize'] and settings['tiles'] is None
    assert settings == inference_settings(Config.fromstring(config.pretty_text, '.py'))
    # What changes no score.
    assert settings == changed(config, 'test_dataloader.batch_size', 7)
    assert settings == changed(config, 'model.bbox_head.loss_cls.gamma', 1.0)
    for path, value, key in (
        ('model.test_cfg.score_thr', 0.01, 'test_cfg.score_thr'),
        ('model.test_cfg.nms.iou_threshold', 0.6, 'test_cfg.nms.iou_threshold'),
        ('model.data_preprocessor.mean', [0, 0, 0], 'data_preprocessor.mean.0'),
        ('test_dataloader.dataset.pipeline.1.scale', (32, 32), 'pipeline.1.scale.0'),
    ):
        with pytest.raises(InputError, match=f'^p.json: was made with {key}='):
            require_same_settings(settings, changed(config, path, value), 'p.json')
    with pytest.raises(InputError, match='amp=false, and this run has true'):
        require_same_settings(settings, inference_settings(config, amp=True), 'p.json')
    for known in (None, settings):
        require_same_settings(known, settings, 'p.json')
    require_same_settings(settings, None, 'p.json')


def test_tiles_of_config_and_options_are_the_same(tiny_config):
    plain = Config.fromfile(tiny_config)
    tiled = copy.deepcopy(plain)
    load, resize, _, pack = plain.test_dataloader.dataset.pipeline
    tiled.model = dict(
        type='mmdefect.TiledDetector', detector=plain.model, size=(64, 48), overlap=0.25,
        pipeline=[load, resize, pack],
    )  # fmt: skip
    tiled.test_dataloader.dataset.pipeline = [load, pack]
    tiles = tile_settings(size=(64, 48), overlap=(0.25, 0.25))
    assert inference_settings(tiled) == inference_settings(plain, tiles=tiles)
    with pytest.raises(InputError, match=r'tiles(\.\w+)*=nothing|this run has nothing'):
        require_same_settings(inference_settings(plain), inference_settings(tiled), 'p.json')


def test_a_config_without_a_test():
    config = Config(dict(model=dict(type='RetinaNet')))
    with pytest.raises(InputError, match='no test_dataloader'):
        inference_settings(config)
    config.val_dataloader = dict(dataset=dict(pipeline=[dict(type='mmdefect.LoadImage')]))
    assert len(inference_settings(config)['pipeline']) == 1


@pytest.mark.parametrize(
    'name', ['soft_teacher/soft_teacher_custom_multi_view.py', 'rtmdet/rtmdet_tiny_drill.py']
)
def test_of_our_configs(name):
    settings = inference_settings(Config.fromfile(ROOT / name))
    assert settings['test_cfg'] and settings['data_preprocessor'] and settings['pipeline']
