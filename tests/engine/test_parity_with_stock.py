"""Stock MMDetection on compiled mmcv and ours: the same training, the same boxes."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS, init_default_scope

import mmdefect.registry  # noqa: F401  registers the scope
from mmdefect import ops

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        'mmcv' not in ops.available_backends(),
        reason='mmcv has no compiled ops here (make benchmark-env builds an environment with them)',
    ),
]
STEPS = 50


@pytest.fixture(scope='module')
def setting(make_detector):
    """Config of a tiny Faster R-CNN, its model with stock parts, its batches."""
    init_default_scope('mmdet')
    config = Config.fromfile(make_detector('faster_rcnn'))
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    model.init_weights()
    dataset = DATASETS.build(config.train_dataloader.dataset)
    np.random.seed(0)
    samples = [dataset[index] for index in range(len(dataset))]
    batches = [
        {key: [samples[(2 * step + i) % len(samples)][key] for i in range(2)] for key in samples[0]}
        for step in range(STEPS)
    ]
    return SimpleNamespace(config=config, model=model, batches=batches)


def with_our_extractor(setting, model):
    init_default_scope('mmdet')
    config = copy.deepcopy(setting.config.model)
    config.roi_head.bbox_roi_extractor.type = 'mmdefect.MultiLevelRoIExtractor'
    twin = MODELS.build(config)
    twin.load_state_dict(model.state_dict())
    return twin


def train(model, batches):
    optimizer = torch.optim.SGD(model.train().parameters(), lr=0.005, momentum=0.9)
    losses = []
    for step, batch in enumerate(batches):
        torch.manual_seed(step)
        np.random.seed(step)
        data = model.data_preprocessor(copy.deepcopy(batch), True)
        loss, _ = model.parse_losses(model(**data, mode='loss'))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return np.array(losses)


@pytest.fixture(scope='module')
def trained(setting):
    """Losses and models after 50 steps: stock on mmcv's ops, ours on ours."""
    twins = {'mmcv': copy.deepcopy(setting.model), 'torch': None}
    twins['torch'] = with_our_extractor(setting, setting.model)
    losses = {}
    for choice, model in twins.items():
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv('MMDEFECT_OPS', choice)
            losses[choice] = train(model, setting.batches)
    return SimpleNamespace(losses=losses, stock=twins['mmcv'])


def test_losses_agree(trained):
    stock, ours = trained.losses.values()
    np.testing.assert_allclose(ours[:5], stock[:5], rtol=1e-4)
    assert abs(ours.mean() / stock.mean() - 1) < 0.03
    assert stock[-8:].mean() < stock[:8].mean()


def test_detections_of_one_checkpoint_agree_box_by_box(setting, trained):
    results = []
    for choice, model in (
        ('mmcv', trained.stock),
        ('torch', with_our_extractor(setting, trained.stock)),
    ):
        model.eval()
        found = []
        with pytest.MonkeyPatch.context() as patch, torch.no_grad():
            patch.setenv('MMDEFECT_OPS', choice)
            for batch in setting.batches[:4]:
                data = model.data_preprocessor(copy.deepcopy(batch), False)
                found += [sample.pred_instances for sample in model(**data, mode='predict')]
        results.append(found)
    assert sum(map(len, results[0])) > 100
    for stock, ours in zip(*results, strict=True):
        torch.testing.assert_close(ours.scores, stock.scores, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(ours.bboxes, stock.bboxes, rtol=1e-4, atol=1e-3)
        assert torch.equal(ours.labels, stock.labels)
