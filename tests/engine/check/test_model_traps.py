"""Traps that show in the built model, the loader and the data."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from torch import nn

from mmdefect.engine.check.data_counts import DataFlow
from mmdefect.engine.check.model_traps import densest_image, hanging_sampler, model_traps


class MultiSourceSampler:
    def __init__(self, quotas, groups=None):
        self.num_per_source = quotas
        self.source_ratio = [1, 4]
        if groups is not None:
            self.group2size_per_source = groups


def loader(sampler, lengths=(3, 3)):
    parts = [range(length) for length in lengths]
    return SimpleNamespace(sampler=sampler, dataset=SimpleNamespace(datasets=parts))


@pytest.mark.parametrize(
    ('sampler', 'lengths', 'what'),
    [
        (MultiSourceSampler([2, 0]), (3, 3), 'never returns where one is 0'),
        (MultiSourceSampler([1, 1]), (3, 0), 'part 2 of the data is empty'),
        (
            MultiSourceSampler([1, 1], [{0: 1, 1: 2}, {0: 0, 1: 3}]), (3, 3),
            'upright and lying images are not in both parts',
        ),
        (MultiSourceSampler([1, 1], [{0: 1, 1: 2}, {0: 2, 1: 1}]), (3, 3), None),
        (MultiSourceSampler([1, 1], [{0: 0, 1: 3}, {0: 0, 1: 3}]), (3, 3), None),
        (MultiSourceSampler([1, 1]), (3, 3), None),
    ],
)  # fmt: skip
def test_samplers_that_never_return(sampler, lengths, what):
    finding = hanging_sampler(loader(sampler, lengths))
    assert (finding is None) == (what is None)
    assert what is None or what in str(finding)


def teacher(training, hook):
    norm = nn.BatchNorm2d(2)
    model = nn.Module()
    model.student, model.teacher = nn.Sequential(norm), nn.Identity()
    model.train()
    if not training:
        norm.eval()
    return model_traps(model, Config(dict(model=dict(), custom_hooks=[hook])))


HOOK = dict(type='MeanTeacherHook')


@pytest.mark.parametrize(
    ('training', 'hook', 'found'),
    [
        (True, HOOK, 1),
        (True, dict(HOOK, skip_buffer=True), 1),
        (True, dict(HOOK, skip_buffer=False), 0),
        (False, HOOK, 0),
        (True, dict(type='mmdefect.MeanTeacherHook'), 0),
    ],
)
def test_statistics_of_a_teacher(training, hook, found):
    assert len(teacher(training, hook)) == found


class Detector(nn.Module):
    def __init__(self, frozen='', norm_eval=False):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2))
        self.backbone.norm_eval = norm_eval
        for name, weight in self.backbone.named_parameters():
            weight.requires_grad = name.split('.')[0] not in frozen


@pytest.mark.parametrize(
    ('model', 'config', 'found'),
    [
        (Detector(), {}, []),
        (Detector('0'), {}, ['model.backbone.frozen_stages']),
        (Detector('1'), {}, []),  # scale and shift of a BatchNorm: the identity
        (Detector(norm_eval=True), {}, ['model.backbone.norm_eval']),
        (Detector('0', True), dict(load_from='a.pth'), []),
        (Detector('0', True), dict(model=dict(backbone=dict(
            init_cfg=dict(type='Pretrained', checkpoint='a.pth')))), []),
        (Detector('0'), dict(model=dict(backbone=dict(init_cfg=dict(type='Kaiming')))),
         ['model.backbone.frozen_stages']),
    ],
)  # fmt: skip
def test_frozen_random_weights(model, config, found):
    findings = model_traps(model, Config({'model': {}, **config}))
    assert [finding.where for finding in findings] == found


def flow(name, densest, labelled=True):
    return DataFlow(name, 9, 0, 9, 0, {}, densest, labelled)


@pytest.mark.parametrize(
    ('flows', 'test_cfg', 'found'),
    [
        ([flow('train', 101)], dict(max_per_img=100), ['model.test_cfg.max_per_img']),
        ([flow('train', 100)], dict(max_per_img=100), []),
        ([flow('train', 500, labelled=False)], dict(max_per_img=100), []),
        (
            [flow('val', 90)], dict(rpn=dict(max_per_img=9), rcnn=dict(max_per_img=80)),
            ['model.test_cfg.rcnn.max_per_img'],
        ),
        ([flow('val', 90)], dict(max_per_img=-1), []),
        ([], dict(max_per_img=1), []),
    ],
)  # fmt: skip
def test_most_boxes_of_an_image(flows, test_cfg, found):
    findings = densest_image(flows, Config(dict(model=dict(test_cfg=test_cfg))))
    assert [finding.where for finding in findings] == found


def test_an_ordinary_loader():
    assert hanging_sampler(torch.utils.data.DataLoader(range(4), batch_size=2)) is None
