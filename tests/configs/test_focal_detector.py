"""The two-stage detector with focal losses, as its config builds it: checked, trained, tested."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

import mmdefect.registry  # noqa: F401  registers the scope
from mmdefect.engine import launch
from mmdefect.engine.check import check_config
from mmdefect.engine.config_file import read_config

FILE = Path(__file__).resolve().parents[2] / 'configs/_base_/models/faster_rcnn_r18_fpn_focal.py'


@pytest.fixture(scope='module')
def config_file(make_config, tmp_path_factory):
    return make_config(tmp_path_factory.mktemp('focal'), 'faster_rcnn_focal')


def test_values_of_the_config():
    init_default_scope('mmdet')
    config = Config.fromfile(FILE)
    model = MODELS.build(config.model)
    losses = [head.loss_cls for head in (model.rpn_head, model.roi_head.bbox_head)]
    assert [(loss.gamma, loss.alpha, loss.loss_weight) for loss in losses] == [
        (2.5, 0.75, 3.0), (3.5, 0.75, 2.5),
    ]  # fmt: skip
    generator = model.rpn_head.prior_generator
    sizes = generator.base_anchors[0][:, 2:] - generator.base_anchors[0][:, :2]
    assert (sizes[:, 0] / sizes[:, 1]).tolist() == pytest.approx(
        [0.2, 0.35, 0.45, 0.55, 0.65, 1, 2]
    )
    assert sizes.prod(dim=1).sqrt().tolist() == pytest.approx([32.0] * 7)
    # One line of the config each.
    text = FILE.read_text()
    assert all(f'\n{name} = ' in text for name in ('rpn_gamma', 'roi_alpha', 'ratios'))


def test_the_check_understands_heads_and_generator(config_file):
    report = check_config(read_config(config_file), 2)
    assert report.failure is None and report.passed, [str(item) for item in report.findings]
    assert report.findings == []
    first, second = report.positives
    assert (first.name, first.kind, second.name, second.kind) == (
        'rpn_head', 'dense', 'roi_head', 'roi',
    )  # fmt: skip
    assert first.levels == [f'stride {stride}' for stride in (4, 8, 16, 32, 64)]
    assert (first.boxes > 0).all() and (first.positives.sum(axis=1) >= first.boxes).all()
    assert all(
        {'loss_rpn_cls', 'loss_rpn_bbox', 'loss_cls', 'loss_bbox', 'acc'} <= set(item.losses)
        for item in report.iterations
    )


def test_anchors_that_fit_nothing_are_told_in_the_order_of_the_config(make_config, tmp_path):
    path = make_config(
        tmp_path,
        'faster_rcnn_focal',
        extra="model['rpn_head']['anchor_generator'].update(scales=[64])\n"
        "model['train_cfg'] = dict(rpn=dict(assigner=dict(match_low_quality=False)))",
    )
    report = check_config(read_config(path), 1)
    assert any('ratios (w/h)' in finding.cure for finding in report.findings)


def test_trains_and_predicts_what_it_trained(config_file, tmp_path):
    launch.train([
        str(config_file), '--work-dir', str(tmp_path), '--cfg-options', 'randomness.seed=1',
    ])  # fmt: skip
    scalars = [
        json.loads(line) for line in next(tmp_path.glob('*/vis_data/scalars.json')).open()
    ]  # fmt: skip
    losses = [row['loss'] for row in scalars if 'loss' in row]
    assert len(losses) == 4 and losses[-1] < losses[0]
    assert 'mmdefect/AP50' in scalars[-1]
    saved = torch.load(tmp_path / 'epoch_1.pth', weights_only=False)['state_dict']
    assert saved['roi_head.bbox_head.fc_cls.weight'].shape[0] == 2  # a row per class, no more
    assert saved['rpn_head.rpn_cls.weight'].shape[0] == 7


@pytest.mark.slow
@pytest.mark.parametrize('flags', [[], ['--amp']], ids=['float32', 'bfloat16'])
def test_both_tools_as_processes(run_tool, config_file, tmp_path, flags):
    done = run_tool('train', config_file, '--work-dir', tmp_path / 'work', *flags)
    assert done.returncode == 0, done.stderr
    checkpoint = tmp_path / 'work/epoch_1.pth'
    done = run_tool(
        'test', config_file, checkpoint, '--work-dir', tmp_path / 'test',
        '--out', tmp_path / 'found.pkl',
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / 'found.pkl').is_file() and (tmp_path / 'test/evaluation.json').is_file()
