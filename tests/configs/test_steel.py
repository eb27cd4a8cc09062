"""The steel configs on a few generated strips: data, models, and a short training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from mmdefect.datasets.synthetic import write_steel
from mmdefect.engine.launch import test as evaluate
from mmdefect.engine.launch import train
from mmdefect.registry import MODELS

ROOT = Path(__file__).resolve().parents[2] / 'configs/steel'
DETECTOR, CLASSIFIER, FINE_TUNED = (
    'retinanet_r18_fpn_steel_tiles.py', 'efficientnet_b0_steel_tiles.py',
    'efficientnet_b0_finetune_steel_tiles.py',
)  # fmt: skip
CONFIGS = (DETECTOR, CLASSIFIER, FINE_TUNED)
# Smaller tiles cost less, and a strip has more of them.
SMALL = """
_base_ = ['{base}']
small = dict(size=(128, 128), overlap=0)
model = dict(**small, {model})
train_dataloader = dict(num_workers=0, persistent_workers=False, batch_size=4,
                        sampler=dict(batch_size=4), dataset=dict(**small))
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(indices=3))
test_dataloader = val_dataloader
train_cfg = dict(max_epochs=2, val_interval=1)
param_scheduler = []
default_hooks = dict(logger=dict(interval=1))
"""


@pytest.fixture(scope='module')
def strips(tmp_path_factory):
    folder = tmp_path_factory.mktemp('steel')
    write_steel(folder, parts={'train': 2, 'val': 1, 'test': 1})
    return folder


@pytest.fixture
def load(strips, monkeypatch):
    monkeypatch.setenv('MMDEFECT_STEEL', strips.as_posix())
    init_default_scope('mmdet')
    return lambda name: Config.fromfile(ROOT / name)


@pytest.mark.parametrize('name', [DETECTOR, CLASSIFIER])
def test_every_tile_of_every_strip_reaches_the_model(load, strips, name):
    config = load(name)
    truth = json.loads((strips / 'train.json').read_text())
    defective = {note['image_id'] for note in truth['annotations']}
    bad = {Path(i['file_name']).name for i in truth['images'] if i['id'] in defective}
    config.train_dataloader.sampler.defect_share = None
    config.train_dataloader.update(num_workers=0, persistent_workers=False)
    shown: dict[str, int] = {}
    tiles = 0
    for batch in Runner.build_dataloader(config.train_dataloader, seed=0):
        for image, sample in zip(batch['inputs'], batch['data_samples'], strict=True):
            side = 256 if name == DETECTOR else 256 * config.scale
            assert tuple(image.shape) == (3, side, side)
            if name == DETECTOR:
                count = len(sample.gt_instances)
            else:
                assert sample.gt_score.shape == (1,)
                count = int(sample.gt_score.sum())
            shown[Path(sample.img_path).name] = shown.get(Path(sample.img_path).name, 0) + count
            tiles += 1
    assert tiles == 8 * 12 and len(shown) == 8
    assert {strip for strip, count in shown.items() if count} == bad
    for part in ('val_dataloader', 'test_dataloader'):
        config[part].update(num_workers=0, persistent_workers=False)
        samples = [
            batch['data_samples'][0] for batch in Runner.build_dataloader(config[part], seed=0)
        ]
        assert [sample.img_shape for sample in samples] == [(256, 1600)] * 4
        assert any(sample.instances for sample in samples)


@pytest.mark.parametrize('name', CONFIGS)
def test_model_and_data_agree(load, name):
    config = load(name)
    inner = config.model.get('detector') or config.model.classifier
    classes = inner.bbox_head.num_classes if 'bbox_head' in inner else inner.head.num_classes
    for part in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        dataset = config[part].dataset
        assert len(dataset.get('dataset', dataset).metainfo.classes) == classes
    assert 'Pretrained' not in str(config.model) and 'SyncBN' not in str(config.model)
    assert (config.load_from is not None) == (name == FINE_TUNED)
    assert config.default_hooks.checkpoint.save_best.startswith('mmdefect/')
    model = MODELS.build(config.model).train()
    assert all(weight.requires_grad for weight in model.parameters())
    assert not any(key.startswith(('classifier.', 'detector.')) for key in model.state_dict())
    if name != DETECTOR:
        from mmpretrain.models import EfficientNet, ImageClassifier

        assert isinstance(model.classifier, ImageClassifier)
        assert isinstance(model.classifier.backbone, EfficientNet)
    text = (ROOT / name).read_text()
    assert '# ---- often changed ' in text and '# ---- rarely ' in text


def test_four_classes_by_two_lines(load, tmp_path):
    text = (ROOT / CLASSIFIER).read_text().replace("'../", f"'{ROOT.parent.as_posix()}/")
    text = text.replace("labels = ('defect',)", 'labels = _base_.classes')
    path = tmp_path / 'four.py'
    path.write_text(text.replace('single_class = True', 'single_class = False'))
    config = Config.fromfile(path)
    assert config.model.classifier.head.num_classes == 4
    config.train_dataloader.update(num_workers=0, persistent_workers=False)
    scores = [
        sample.gt_score
        for batch in Runner.build_dataloader(config.train_dataloader, seed=0)
        for sample in batch['data_samples']
    ]
    assert torch.stack(scores).shape[1] == 4 and (torch.stack(scores).sum(0) > 0).all()


def write_small(tmp_path, name, model='', extra=''):
    path = tmp_path / f'small_{name}'
    path.write_text(SMALL.format(base=(ROOT / name).as_posix(), model=model) + extra)
    return path


def log_of(work_dir):
    newest = max(work_dir.glob('*/*.log'), key=lambda path: path.stat().st_mtime)
    return newest.read_text(encoding='utf-8')


@pytest.mark.slow
def test_classifier_trains_goes_on_and_is_tested(load, tmp_path):
    config = write_small(tmp_path, CLASSIFIER)
    work = tmp_path / 'work'
    train(
        [str(config), '--work-dir', str(work), '--amp', '--cfg-options', 'train_cfg.max_epochs=1']
    )
    log = log_of(work)
    assert 'weights of labels that are there / are not: defect 1.2' in log
    assert log.count('nothing is frozen') == 1
    assert 'mmdefect/part_recall: ' in log and 'parts: ' in log
    assert list(work.glob('best_mmdefect_part_recall_epoch_1.pth'))
    train([str(config), '--work-dir', str(work), '--amp', '--resume'])
    assert 'Epoch(train) [2]' in log_of(work) and log_of(work).count('nothing is frozen') == 1
    evaluate(
        [str(config), str(work / 'epoch_2.pth'), '--amp', '--work-dir', str(tmp_path / 'test')]
    )
    assert 'mmdefect/part_AP: ' in log_of(tmp_path / 'test')
    # Its own weights are pretrained ones for the next training, whose backbone is frozen first.
    train(
        [str(config), '--work-dir', str(tmp_path / 'next'), '--cfg-options',
         f'load_from={work}/epoch_2.pth', 'train_cfg.max_epochs=1']
    )  # fmt: skip
    first, then = (
        torch.load(path, weights_only=False)['state_dict']
        for path in (work / 'epoch_2.pth', tmp_path / 'next/epoch_1.pth')
    )
    changed = {key.split('.')[0] for key in first if not torch.equal(first[key], then[key])}
    assert changed == {'head'}


@pytest.mark.slow
def test_detector_trains_on_tiles_and_counts_strips(load, tmp_path):
    small = 'detector=dict(backbone=dict(base_channels=8), neck=dict(in_channels=[8, 16, 32, 64]))'
    config = write_small(tmp_path, DETECTOR, model=small)
    work = tmp_path / 'work'
    train([str(config), '--work-dir', str(work), '--cfg-options', 'train_cfg.max_epochs=1'])
    log = log_of(work)
    assert 'mmdefect/AP50: ' in log and 'mmdefect/part_recall/scratch: ' in log
    assert list(work.glob('best_mmdefect_AP50_epoch_1.pth'))
