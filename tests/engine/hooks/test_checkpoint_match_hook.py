"""Starting from, testing and resuming checkpoints, through the code of the tools."""

from __future__ import annotations

import copy
import json
import logging
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import IterBasedTrainLoop, Runner

import mmdefect.registry  # noqa: F401  registers the scope
from mmdefect.engine import launch
from mmdefect.engine.hooks import CheckpointMatchHook
from mmdefect.errors import InputError

ANCHORS = 9
CLS = 'bbox_head.retina_cls.weight'


@pytest.fixture
def start(tmp_path, make_config, tiny_coco, monkeypatch):
    """``start(checkpoint, classes)``: weights and log just before the first step."""

    def run(checkpoint, classes=('chip', 'rust'), extra='', kind='retinanet'):
        data = tmp_path / 'data'
        if not data.exists():
            data.mkdir()
            (data / 'images').symlink_to(tiny_coco / 'images', target_is_directory=True)
            content = json.loads((tiny_coco / 'train.json').read_text())
            for old, new in zip(content['categories'], sorted(classes), strict=False):
                old['name'] = new
            known = {entry['id'] for entry in content['categories'][: len(classes)]}
            content['categories'] = content['categories'][: len(classes)] + [
                {'id': 10 + i, 'name': name} for i, name in enumerate(sorted(classes)[2:])
            ]
            content['annotations'] = [
                entry for entry in content['annotations'] if entry['category_id'] in known
            ]
            for split in ('train', 'val'):
                (data / f'{split}.json').write_text(json.dumps(content))
        config = make_config(tmp_path, kind, data=data, classes=classes, extra=extra)
        states = {}

        def peek(runner):
            states['loaded'] = copy.deepcopy(runner.model.state_dict())
            states['ema'] = [
                copy.deepcopy(hook.ema_model.module.state_dict())
                for hook in runner.hooks
                if hasattr(hook, 'ema_model')
            ]

        monkeypatch.setattr(
            'mmengine.runner.loops.EpochBasedTrainLoop.run', lambda self: peek(self.runner)
        )
        launch.train(
            [str(config), '--work-dir', str(tmp_path / 'work'),
             '--cfg-options', f'load_from={checkpoint}']
        )  # fmt: skip
        (log,) = (tmp_path / 'work').rglob('*.log')
        return states, log.read_text(encoding='utf-8')

    return run


@pytest.fixture
def weights(tiny_trained):
    return torch.load(tiny_trained.checkpoint, weights_only=False)['state_dict']


def by_anchor(tensor, classes):
    return tensor.reshape(ANCHORS, classes, *tensor.shape[1:])


def test_same_classes_load_everything(start, tiny_trained, weights):
    states, log = start(tiny_trained.checkpoint)
    for key, value in weights.items():
        assert torch.equal(states['loaded'][key], value), key
    assert 'left fresh' not in log and 'remapped' not in log


def test_same_classes_in_other_order(start, tiny_trained, weights):
    states, log = start(tiny_trained.checkpoint, ('rust', 'chip'))
    got, old = by_anchor(states['loaded'][CLS], 2), by_anchor(weights[CLS], 2)
    assert torch.equal(got[:, 0], old[:, 1])
    assert torch.equal(got[:, 1], old[:, 0])
    assert f'remapped by class name: {CLS}' in log
    assert 'left fresh' not in log


def test_more_classes_share_one(start, tiny_trained, weights):
    states, log = start(tiny_trained.checkpoint, ('dent', 'chip', 'stain'))
    got, old = by_anchor(states['loaded'][CLS], 3), by_anchor(weights[CLS], 2)
    assert torch.equal(got[:, 1], old[:, 0])
    assert not torch.equal(got[:, 0], old[:, 0]) and not torch.equal(got[:, 0], old[:, 1])
    assert torch.equal(
        states['loaded']['backbone.layer4.1.conv2.weight'],
        weights['backbone.layer4.1.conv2.weight'],
    )
    for key in (CLS, CLS.replace('weight', 'bias')):
        assert f'remapped by class name: {key}' in log


def test_disjoint_classes_of_the_same_number_start_fresh(start, tiny_trained, weights):
    states, log = start(tiny_trained.checkpoint, ('dent', 'stain'))
    assert states['loaded'][CLS].shape == weights[CLS].shape
    assert not torch.equal(states['loaded'][CLS], weights[CLS])
    # RetinaNet's prior, log(.01 / .99).
    bias = states['loaded']['bbox_head.retina_cls.bias']
    torch.testing.assert_close(bias, torch.full_like(bias, -4.595), rtol=1e-3, atol=0)
    assert f'left fresh: {CLS}' in log
    assert torch.equal(
        states['loaded']['bbox_head.retina_reg.weight'], weights['bbox_head.retina_reg.weight']
    )


def test_layers_that_only_look_like_class_heads_are_not_remapped(start, tiny_trained, weights):
    """One class of two: FPN's 16 channels shrink to 8, which fits "8 rows per class" too."""
    extra = 'model.update(neck=dict(in_channels=[8, 16, 32, 64], out_channels=8))\n'
    extra += "model['bbox_head'].update(in_channels=8)\n"
    _, log = start(tiny_trained.checkpoint, ('chip',), extra)
    remapped = [line for line in log.splitlines() if 'remapped' in line]
    assert len(remapped) == 2 and all('retina_cls' in line for line in remapped)
    assert 'left fresh: neck.lateral_convs.0.conv' in log


@pytest.mark.parametrize('wrapped', [True, False])
def test_bare_backbone(start, tmp_path, weights, wrapped):
    """As torchvision's ImageNet weights: no prefix, no classes, a classifier on top."""
    state = {
        key.removeprefix('backbone.'): value + 1
        for key, value in weights.items()
        if key.startswith('backbone.') and value.is_floating_point()
    }
    state['fc.weight'] = torch.zeros(1000, 64)
    given = tmp_path / 'resnet.pth'
    torch.save({'state_dict': state} if wrapped else state, given)
    states, log = start(given)
    for key, value in state.items():
        if key != 'fc.weight':
            assert torch.equal(states['loaded'][f'backbone.{key}'], value)
    assert 'backbone' in log and 'left fresh: neck.' in log
    assert 'left fresh: backbone' not in log


def test_data_parallel_prefix(start, tmp_path, weights):
    given = tmp_path / 'given.pth'
    torch.save({f'module.{key}': value for key, value in weights.items()}, given)
    states, log = start(given)
    assert torch.equal(states['loaded'][CLS], weights[CLS])
    assert 'left fresh' not in log


def test_averaged_weights_start_from_the_adapted_checkpoint(start, tmp_path, make_config):
    init_default_scope('mmdet')
    model = MODELS.build(Config.fromfile(make_config(tmp_path, 'rtmdet')).model)
    given = tmp_path / 'given.pth'
    meta = {'dataset_meta': {'classes': ('rust', 'chip')}}
    torch.save({'state_dict': model.state_dict(), 'meta': meta}, given)
    states, _ = start(given, kind='rtmdet')
    key = 'bbox_head.rtm_cls.0.weight'
    assert torch.equal(states['loaded'][key], model.state_dict()[key].flip(0))
    (average,) = states['ema']
    assert torch.equal(average[key], states['loaded'][key])


def test_deeper_backbone_is_refused(start, tmp_path):
    init_default_scope('mmdet')
    backbone = {
        'type': 'mmdet.ResNet', 'depth': 50, 'base_channels': 8, 'norm_cfg': {'type': 'BN'}
    }  # fmt: skip
    given = tmp_path / 'r50.pth'
    torch.save(MODELS.build(backbone).state_dict(), given)
    with pytest.raises(InputError, match=r'r50\.pth: .* another model, only \d+ of 100') as caught:
        start(given)
    assert '\n' not in str(caught.value)


def test_testing_needs_every_weight(tmp_path, tiny_trained, weights):
    state = dict(weights)
    del state['neck.fpn_convs.0.conv.weight']
    given = tmp_path / 'given.pth'
    torch.save({'state_dict': state}, given)
    with pytest.raises(InputError, match=r'1 of \d+ weights do not fit \(first: neck\.fpn_convs'):
        launch.test([str(tiny_trained.config), str(given), '--work-dir', str(tmp_path / 'work')])


@pytest.mark.parametrize('kind', ['retinanet', 'rtmdet'])
def test_testing_a_plain_state_dict(tmp_path, make_config, kind):
    init_default_scope('mmdet')
    config = make_config(tmp_path, kind)
    given = tmp_path / 'given.pth'
    torch.save(MODELS.build(Config.fromfile(config).model).state_dict(), given)
    launch.test([str(config), str(given), '--work-dir', str(tmp_path / 'work')])
    assert json.loads((tmp_path / 'work' / 'evaluation.json').read_text())['checkpoint'] == (
        'given.pth'
    )


def test_resume_continues_weights_optimiser_and_epoch(tmp_path, tiny_trained, monkeypatch):
    saved = torch.load(tiny_trained.checkpoint, weights_only=False)
    seen = {}

    def peek(loop):
        seen['runner'] = loop.runner

    monkeypatch.setattr('mmengine.runner.loops.EpochBasedTrainLoop.run', peek)
    launch.train(
        [str(tiny_trained.config), '--work-dir', str(tmp_path / 'work'),
         '--resume', str(tiny_trained.checkpoint), '--cfg-options', 'train_cfg.max_epochs=2']
    )  # fmt: skip
    runner: Runner = seen['runner']
    assert (runner.epoch, runner.iter) == (1, 4)
    for key, value in runner.model.state_dict().items():
        assert torch.equal(value, saved['state_dict'][key]), key
    old, new = saved['optimizer'], runner.optim_wrapper.state_dict()
    assert old['state'].keys() == new['state'].keys()
    for index, entry in old['state'].items():
        assert torch.equal(entry['exp_avg'], new['state'][index]['exp_avg'])


def test_colour_weights_are_summed_for_a_grey_model(start, tiny_trained, weights):
    grey = (
        "\nmodel['data_preprocessor'] = dict(mean=[117.], std=[57.], bgr_to_rgb=False)"
        "\nmodel['backbone']['in_channels'] = 1"
    )
    states, log = start(tiny_trained.checkpoint, extra=grey)
    key = 'backbone.conv1.weight'
    summed = weights[key].sum(dim=1, keepdim=True)
    assert torch.equal(states['loaded'][key], summed)
    assert f'summed over the image channels (3 to 1): {key}' in log
    assert 'left fresh' not in log


FUSED = (
    "\nmodel['type'] = 'mmdefect.MultiViewRetinaNet'"
    "\nmodel['fusion'] = dict(type='mmdefect.CrossViewFusion', channels=16, num_heads=2)"
)


def evaluation(work_dir):
    """Images with their detections, and the log."""
    record = json.loads((work_dir / 'evaluation.json').read_text())
    (log,) = work_dir.rglob('*.log')
    return record['images'], log.read_text(encoding='utf-8')


def test_a_fusion_of_views_may_be_absent_as_a_whole(
    tmp_path, make_config, tiny_trained, start, weights
):
    """It is neutral before it is trained: the same predictions as the single-view detector."""
    fused = make_config(tmp_path, extra=FUSED)
    results = []
    for name, config in (('single', tiny_trained.config), ('multi', fused)):
        work_dir = tmp_path / name
        launch.test([str(config), str(tiny_trained.checkpoint), '--work-dir', str(work_dir)])
        results.append(evaluation(work_dir))
    (single, plain), (multi, log) = results
    assert single == multi and all(image['detections'] for image in single)
    said = 'epoch_1.pth has no fusion: the model predicts as the one without it'
    assert said in log and 'has no fusion' not in plain
    assert 'missing keys' not in log
    # A training starts from it, and says what is new.
    states, log = start(tiny_trained.checkpoint, extra=FUSED)
    assert torch.equal(states['loaded'][CLS], weights[CLS])
    assert 'fusion 0 of ' in log and 'left fresh: fusion.gates' in log


def test_a_fusion_that_is_partly_absent_is_an_error(tmp_path, make_config, weights):
    config = make_config(tmp_path, extra=FUSED)
    init_default_scope('mmdet')
    own = MODELS.build(Config.fromfile(config).model).state_dict()
    state = {**weights, **{key: own[key] for key in own if key.startswith('fusion.')}}
    del state['fusion.gates']
    given = tmp_path / 'given.pth'
    torch.save({'state_dict': state}, given)
    with pytest.raises(InputError, match=r'1 of \d+ weights do not fit \(first: fusion.gates'):
        launch.test([str(config), str(given), '--work-dir', str(tmp_path / 'work')])


def test_resuming_needs_the_fusion_too(tmp_path, make_config, tiny_trained):
    config = make_config(tmp_path, extra=FUSED)
    with pytest.raises(InputError, match=r'weights do not fit \(first: fusion\.'):
        launch.train(
            [str(config), '--work-dir', str(tmp_path / 'work'),
             '--resume', str(tiny_trained.checkpoint)]
        )  # fmt: skip


def test_a_detector_starts_student_and_teacher(tmp_path):
    def detector(value):
        model = torch.nn.Module()
        model.backbone = torch.nn.Linear(2, 2)
        torch.nn.init.constant_(model.backbone.weight, value)
        return model

    semi = torch.nn.Module()
    semi.student, semi.teacher = detector(0.0), detector(1.0)
    loop = IterBasedTrainLoop.__new__(IterBasedTrainLoop)
    loop.dataloader = SimpleNamespace(dataset=SimpleNamespace(metainfo={}))
    runner = SimpleNamespace(
        model=semi, work_dir=str(tmp_path), logger=logging.getLogger('twins'), _resume=False,
        _load_from='burn_in.pth', _train_loop=loop, _val_loop=None, _test_loop=None,
    )  # fmt: skip
    for state in (detector(7.0).state_dict(), {'weight': torch.full((2, 2), 7.0)}):
        checkpoint = {'state_dict': dict(state)}
        if 'weight' in state:
            # A backbone alone, as of ImageNet.
            checkpoint['state_dict']['bias'] = torch.zeros(2)
        CheckpointMatchHook().after_load_checkpoint(runner, checkpoint)
        for twin in ('student', 'teacher'):
            assert (checkpoint['state_dict'][f'{twin}.backbone.weight'] == 7).all()
    # What is a teacher already stays as it is; how far its pseudo labels had come is forgotten.
    semi.register_buffer('unsupervised_iterations', torch.tensor(500))
    checkpoint = {'state_dict': semi.state_dict()}
    CheckpointMatchHook().after_load_checkpoint(runner, checkpoint)
    assert (checkpoint['state_dict']['teacher.backbone.weight'] == 1).all()
    assert 'unsupervised_iterations' not in checkpoint['state_dict']
    with pytest.raises(InputError, match='checkpoint of another model'):
        CheckpointMatchHook().after_load_checkpoint(
            runner, {'state_dict': {'backbone.other': torch.zeros(1)}}
        )


def test_heads_of_classifiers_follow_class_names():
    model = torch.nn.Module()
    model.backbone, model.head = torch.nn.Linear(2, 2), torch.nn.Module()
    model.head.fc = torch.nn.Linear(2, 2)
    loop = IterBasedTrainLoop.__new__(IterBasedTrainLoop)
    loop._dataloader = loop.dataloader = SimpleNamespace(
        dataset=SimpleNamespace(metainfo={'classes': ('rust', 'chip')})
    )
    runner = SimpleNamespace(
        model=model, _load_from='a.pth', _train_loop=loop, _val_loop=None, _test_loop=None,
        _resume=False, logger=logging.getLogger('match'),
    )  # fmt: skip
    state = {key: torch.randn_like(value) for key, value in model.state_dict().items()}
    checkpoint = {
        'state_dict': dict(state),
        'meta': {'dataset_meta': {'classes': ('chip', 'rust')}},
    }
    CheckpointMatchHook().after_load_checkpoint(runner, checkpoint)
    for key in ('head.fc.weight', 'head.fc.bias'):
        assert torch.equal(checkpoint['state_dict'][key], state[key].flip(0))
    assert torch.equal(checkpoint['state_dict']['backbone.bias'], state['backbone.bias'])
