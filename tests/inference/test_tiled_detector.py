from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner.checkpoint import get_state_dict, load_state_dict

from mmdefect.engine.launch import test as evaluate
from mmdefect.engine.launch import train
from mmdefect.engine.predict import load_model
from mmdefect.inference import Inspector, TileGrid

SIZE, OVERLAP = (48, 40), 0.5
TILED = """
_base_ = ['{base}']
model = dict(_delete_=True, type='mmdefect.TiledDetector', detector=_base_.model,
             size=(48, 40), overlap=0.5, pipeline=_base_.resize, batch_size=3)
whole = [dict(type='mmdefect.LoadImage'), dict(type='LoadAnnotations', with_bbox=True),
         dict(type='mmdefect.PackInputs', meta_keys=('img_path', 'ori_shape', 'img_shape'))]
val_dataloader = dict(dataset=dict(pipeline=whole))
test_dataloader = val_dataloader
"""
TRAINING = """
flip = dict(type='RandomFlip', prob=0.5)
train_dataloader = dict(
    _delete_=True, batch_size=2, num_workers=0,
    sampler=dict(type='mmdefect.TileSampler', batch_size=2),
    dataset=dict(
        type='mmdefect.TiledDataset', size=(48, 40), overlap=0.5,
        dataset=dict(type='mmdefect.DefectDataset', metainfo=dict(classes=_base_.classes),
                     reader=dict(type='mmdefect.COCOReader', ann_file=_base_.data + '/train.json'),
                     pipeline=whole[:2]),
        pipeline=[flip, *_base_.resize, dict(type='mmdefect.PackInputs')]))
"""


@pytest.fixture
def tiled_config(tmp_path, tiny_config):
    path = tmp_path / 'tiled.py'
    path.write_text(TILED.format(base=tiny_config.as_posix()))
    return path


def build(config, **changes):
    init_default_scope('mmdet')
    return MODELS.build({**Config.fromfile(config).model, **changes})


def test_weights_have_the_names_of_the_detector(tiled_config, tiny_config):
    tiled, plain = build(tiled_config), build(tiny_config)
    names = set(plain.state_dict())
    assert set(tiled.state_dict()) == set(get_state_dict(tiled)) == names
    for load in (
        lambda model, state: model.load_state_dict(state),
        lambda model, state: load_state_dict(model, state, strict=True),
    ):
        with torch.no_grad():
            plain.backbone.conv1.weight.normal_()
        load(tiled, plain.state_dict())
        assert torch.equal(tiled.detector.backbone.conv1.weight, plain.backbone.conv1.weight)
    wrapped = torch.nn.Sequential(tiled)
    assert set(wrapped.state_dict()) == {f'0.{name}' for name in names}
    wrapped.load_state_dict(wrapped.state_dict())


def test_evaluation_sees_what_the_inspector_sees(tiled_config, tiny_trained, tmp_path):
    evaluate(
        [str(tiled_config), str(tiny_trained.checkpoint), '--work-dir', str(tmp_path / 'work'),
         '--out', str(tmp_path / 'found.pkl')]
    )  # fmt: skip
    samples = pickle.loads((tmp_path / 'found.pkl').read_bytes())
    assert len(samples) == 8
    model = load_model(tiny_trained.config, tiny_trained.checkpoint)
    inspector = Inspector(model, TileGrid(SIZE, OVERLAP), batch_size=3, channels_last=False)
    results = inspector.inspect(sample['img_path'] for sample in samples)
    for sample, result in zip(samples, results, strict=True):
        found, expected = sample['pred_instances'], result.detections
        assert len(found['scores']) == len(expected) > 0
        np.testing.assert_allclose(found['scores'], expected.scores, atol=1e-5)
        np.testing.assert_allclose(found['bboxes'], expected.boxes, atol=1e-2)
        assert found['labels'].tolist() == expected.labels.tolist()
    assert (tmp_path / 'work').glob('*/evaluation.json')
    with pytest.raises(ValueError, match='cuts tiles itself'):
        Inspector(load_model(tiled_config, tiny_trained.checkpoint), TileGrid(SIZE))


def test_an_image_that_was_resized_is_refused(tiled_config):
    model = build(tiled_config).eval()
    sample = type('Sample', (dict,), {'ori_shape': (10, 20)})(img_path='a.png')
    with pytest.raises(ValueError, match='a.png: the test pipeline makes 8x8 of an image of 20x10'):
        model.test_step({'inputs': [torch.zeros(3, 8, 8)], 'data_samples': [sample]})


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        (dict(size=(0, 4)), 'size must be'), (dict(overlap=1.0), 'overlap must be'),
        (dict(merge=dict(methd='nms')), "unknown key 'methd'; did you mean 'method'"),
        (dict(edges='pad'), "unknown key 'edges'; did you mean 'edge'"),
    ],
)  # fmt: skip
def test_values_out_of_range(tiled_config, changes, words):
    with pytest.raises(ValueError, match=words):
        build(tiled_config, **changes)


@pytest.mark.slow
def test_trains_on_tiles_and_validates_on_whole_images(tiny_config, tmp_path, tiny_trained):
    path = tmp_path / 'trained.py'
    path.write_text(TILED.format(base=tiny_config.as_posix()) + TRAINING)
    train([str(path), '--work-dir', str(tmp_path / 'work')])
    weights = torch.load(tmp_path / 'work/epoch_1.pth', weights_only=False)['state_dict']
    assert set(weights) == set(
        torch.load(tiny_trained.checkpoint, weights_only=False)['state_dict']
    )
    # The checkpoint serves the detector alone.
    evaluate(
        [
            str(tiny_config),
            str(tmp_path / 'work/epoch_1.pth'),
            '--work-dir',
            str(tmp_path / 'plain'),
        ]
    )
