"""DeepPCB's board and template, from its config through crops to a training step."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import Runner
from PIL import Image

from mmdefect.engine.launch import train

CONFIG = Path(__file__).resolve().parents[3] / (
    'configs/faster_rcnn/faster_rcnn_r18_fpn_deep-pcb_two-view.py'
)
SIDE = 96
DATA = os.environ.get('MMDEFECT_DATA', '')


def write_boards(folder, number=6):
    """Boards of stripes; the template has them too, but not the black patch."""
    generator = np.random.default_rng(0)
    (folder / 'deep_pcb').mkdir(parents=True)
    for index in range(number):
        template = np.full((SIDE, SIDE), 255, np.uint8)
        template[:, generator.integers(0, SIDE, 6)] = 0
        board = template.copy()
        x, y = (int(value) for value in generator.integers(20, SIDE - 40, 2))
        board[y : y + 20, x : x + 20] = 255 - template[y : y + 20, x : x + 20]
        for kind, pixels in (('test', board), ('temp', template)):
            Image.fromarray(pixels).save(folder / f'deep_pcb/{index}_{kind}.jpg', quality=95)
        text = f'{x} {y} {x + 20} {y + 20} {index % 6 + 1}' if index else ''
        (folder / f'deep_pcb/{index}.txt').write_text(text)
    names = '\n'.join(f'{index}.jpg {index}.txt' for index in range(number))
    for split in ('train', 'val'):
        (folder / f'deep_pcb/{split}.txt').write_text(names)
    return folder


@pytest.fixture
def load(monkeypatch):
    """``load(data, crop)``: the config, its model made small, its loader in this process."""

    def make(data, crop):
        monkeypatch.setenv('MMDEFECT_DATA', Path(data).as_posix())
        init_default_scope('mmdet')
        config = Config.fromfile(CONFIG)
        config.merge_from_dict(
            {
                'model.backbone.base_channels': 8,
                'model.neck.in_channels': [8, 16, 32, 64],
                'model.neck.out_channels': 16,
                'model.rpn_head.in_channels': 16,
                'model.rpn_head.feat_channels': 16,
                'model.roi_head.bbox_roi_extractor.out_channels': 16,
                'model.roi_head.bbox_head.in_channels': 16,
                'model.roi_head.bbox_head.fc_out_channels': 32,
                'model.fusion.channels': 16,
                'model.fusion.num_heads': 2,
                'model.fusion.tokens_at': [crop, crop],
            }
        )
        for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
            loader.update(batch_size=2, num_workers=0, persistent_workers=False)
        steps = config.train_dataloader.dataset.pipeline
        steps[1].crop_size = (crop, crop)
        steps[2].transforms[0].scale = (crop, crop)
        return config

    return make


def check_batch(batch, crop):
    """Boards and templates in turns, cropped and flipped alike; returns how alike they are."""
    samples, images = batch['data_samples'], batch['inputs']
    assert [sample.view_role for sample in samples] == ['inspect', 'reference'] * 2
    assert {tuple(image.shape) for image in images} == {(3, crop, crop)}
    alike = []
    for board, template in ((0, 1), (2, 3)):
        assert samples[board].part_id == samples[template].part_id
        assert np.array_equal(samples[board].homography_matrix, samples[template].homography_matrix)
        assert len(samples[template].gt_instances) == 0
        first, second = (images[index].float() for index in (board, template))
        alike.append(((first - second).abs() < 64).float().mean().item())
    return min(alike)


def one_step(config, batch):
    """Gates after one step, zero before, and the losses."""
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    model.init_weights()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    data = model.train().data_preprocessor(batch, training=True)
    losses = model(data['inputs'], data['data_samples'], mode='loss')
    total, log = model.parse_losses(losses)
    total.backward()
    optimiser.step()
    return model.fusion.gates.detach(), log


@pytest.mark.parametrize('seed', [0, 1])
def test_a_step_on_generated_boards(tmp_path, load, seed):
    config = load(write_boards(tmp_path), 64)
    batch = next(iter(Runner.build_dataloader(config.train_dataloader, seed=seed)))
    assert check_batch(batch, 64) > 0.75
    gates, log = one_step(config, batch)
    assert all(torch.isfinite(value) for value in log.values())
    # Of the coarse levels the RPN may have sampled no anchor.
    assert gates[:3].any(dim=1).all()


@pytest.mark.slow
def test_whole_boards_are_tested_and_templates_get_no_result(tmp_path, load):
    config = load(write_boards(tmp_path), 64)
    config.work_dir = str(tmp_path / 'work')
    config.train_cfg.update(max_epochs=1, val_interval=1)
    for loader in (config.val_dataloader, config.test_dataloader):
        loader.dataset.pipeline[0].transforms[1].scale = (SIDE, SIDE)
    path = tmp_path / 'two_view.py'
    config.dump(path)
    train([str(path), '--work-dir', str(tmp_path / 'work')])
    state = torch.load(tmp_path / 'work/epoch_1.pth', weights_only=False)['state_dict']
    assert state['fusion.gates'].any()
    (log,) = (tmp_path / 'work').rglob('*.log')
    text = log.read_text(encoding='utf-8')
    assert '6 parts of 2 views, 0 of them with fewer; 6 reference views' in text
    assert 'Images: prevalence 0.833' in text and '(1 good)' in text


@pytest.mark.skipif(not DATA, reason='needs MMDEFECT_DATA')
def test_a_step_on_deep_pcb(load):
    config = load(DATA, 320)
    config.train_dataloader.dataset.indices = 8
    batch = next(iter(Runner.build_dataloader(config.train_dataloader, seed=0)))
    # Edges of the tracks lie a pixel apart here and there.
    assert check_batch(batch, 320) > 0.9
    gates, log = one_step(config, batch)
    assert all(torch.isfinite(value) for value in log.values())
    # Of the coarse levels the RPN may have sampled no anchor.
    assert gates[:3].any(dim=1).all()
