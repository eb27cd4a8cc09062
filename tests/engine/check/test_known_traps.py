from __future__ import annotations

import pytest
from mmengine.config import Config

from mmdefect.engine.check.known_traps import config_traps, nodes


def traps(**config):
    return config_traps(Config({'model': {}, **config}))


def train(*steps, **options):
    return dict(train_dataloader=dict(dataset=dict(pipeline=list(steps), **options)))


FLIP, HSV = dict(type='RandomFlip'), dict(type='mmdet.YOLOXHSVRandomAug')
BRIGHT = [[dict(type='Brightness')]]
CASES = {
    'crop': (train(dict(type='RandomCrop', crop_size=(8, 8))), 'allow_negative_crop=True'),
    'crop scoped': (train(dict(type='mmdet.RandomCrop')), 'allow_negative_crop=True'),
    'filter': (train(dict(type='FilterAnnotations')), 'keep_empty=False'),
    'filter_empty_gt': (train(filter_cfg=dict(filter_empty_gt=True)), 'filter_empty_gt=False'),
    'rand augment': (
        train(dict(type='RandAugment', aug_num=1, aug_space=[[dict(type='Shear', prob=0.5)]])),
        'raise prob',
    ),
    'posterize': (
        train(dict(type='RandAugment', aug_space=[[dict(type='Posterize')]])), 'set min_mag',
    ),
    'hsv': (train(FLIP, HSV), 'put it before RandomFlip'),
    'focal': (
        dict(model=dict(roi_head=dict(bbox_head=dict(
            type='Shared2FCBBoxHead', loss_cls=dict(type='FocalLoss'))))),
        'mmdefect.FocalBBoxHead',
    ),
    'focal in a cascade': (
        dict(model=dict(detector=dict(roi_head=dict(bbox_head=[dict(
            loss_cls=dict(type='mmdet.FocalLoss'))])))),
        'CrossEntropyLoss',
    ),
    'batch size': (
        dict(train_dataloader=dict(batch_size=4, sampler=dict(type='X', batch_size=5))),
        'one number in both places',
    ),
    'score': (dict(model=dict(test_cfg=dict(rcnn=dict(score_thr=0.05)))), 'set .001'),
    'grey weights': (
        dict(model=dict(backbone=dict(
            in_channels=1, init_cfg=dict(type='Pretrained', checkpoint='x')))),
        'load_from',
    ),
    'misspelt': (dict(optim_wraper=dict()), "'optim_wrapper'"),
}  # fmt: skip
RIGHT = {
    'crop': train(dict(type='RandomCrop', allow_negative_crop=True)),
    'filter': train(dict(type='FilterAnnotations', keep_empty=False)),
    'rand augment': train(dict(type='RandAugment', aug_num=1, aug_space=BRIGHT)),
    'ours': train(dict(type='mmdefect.RandomCrop')),
    'hsv first': train(HSV, FLIP),
    'dense focal': dict(model=dict(bbox_head=dict(loss_cls=dict(type='FocalLoss')))),
    'our focal head': dict(model=dict(roi_head=dict(bbox_head=dict(
        type='mmdefect.FocalBBoxHead', loss_cls=dict(type='FocalLoss'))))),
    'batch size': dict(train_dataloader=dict(batch_size=5, sampler=dict(batch_size=5))),
    'score': dict(model=dict(test_cfg=dict(score_thr=0.001), train_cfg=dict(score_thr=0.5))),
    'validation crop': dict(val_dataloader=dict(dataset=dict(pipeline=[
        dict(type='FilterAnnotations')]))),
    'variables': dict(train_pipeline=[], dataset=dict(), loader=dict(), tta_model=dict()),
}  # fmt: skip


@pytest.mark.parametrize('name', CASES)
def test_traps(name):
    config, cure = CASES[name]
    (finding,) = traps(**config)
    assert cure in finding.cure, finding


@pytest.mark.parametrize('name', RIGHT)
def test_right_settings_are_no_traps(name):
    assert traps(**RIGHT[name]) == []


def test_our_own_configs_have_none():
    from pathlib import Path

    root = Path(__file__).resolve().parents[3] / 'configs'
    for path in sorted(root.glob('*/*.py')):
        if path.parent.name != '_base_':
            found = [item.where for item in config_traps(Config.fromfile(path))]
            # It counts products at a score of .2, and says so.
            known = ['model.test_cfg.score_thr'] if 'sku110k' in path.name else []
            assert found == known, path.name


def test_nodes_reach_into_lists():
    found = dict(nodes({'a': [{'b': {'c': 1}}, 2], 'd': ()}, 'x'))
    assert list(found) == ['x', 'x.a.0', 'x.a.0.b']


@pytest.mark.parametrize(
    ('text', 'names'),
    [
        ("_base_ = ['base.py']\nclasses = ('chip',)\n", ['classes']),
        ("_base_ = ['base.py']\nclasses = ('chip',)\nval_cfg = dict(n=len(classes))\n", []),
        ("_base_ = ['base.py']\nval_cfg = dict(n=1)\nwork_dir = 'x'\n", []),
    ],
)
def test_variables_that_nothing_reads(tmp_path, text, names):
    (tmp_path / 'base.py').write_text("model = dict()\nclasses = ('rust',)\nval_cfg = dict(n=1)\n")
    (tmp_path / 'mine.py').write_text(text)
    found = config_traps(Config.fromfile(tmp_path / 'mine.py'))
    assert [item.where for item in found] == names
