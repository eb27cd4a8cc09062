"""Two processes with half of the images each, against one with all of them."""

from __future__ import annotations

import json
import sys

import pytest

_CODE = """
import json, os, sys
import torch
import mmdefect, mmdefect.registry
from mmdet.utils import register_all_modules
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from types import SimpleNamespace
from mmdefect.models import FocalBBoxHead, FocalRPNHead

register_all_modules()
BOXES = [[[20., 13, 31, 37], [33, 8, 60, 30]], []]
META = dict(img_shape=(48, 64), pad_shape=(48, 64), batch_input_shape=(48, 64))


def rpn(images):
    torch.manual_seed(0)
    head = FocalRPNHead(
        4, feat_channels=4, train_cfg=ConfigDict(
            assigner=dict(type='MaxIoUAssigner', pos_iou_thr=.7, neg_iou_thr=.3, min_pos_iou=.3),
            allowed_border=-1, pos_weight=-1),
        anchor_generator=dict(type='AnchorGenerator', strides=[8], scales=[2], ratios=[.5, 1, 2]))
    features = torch.randn(2, 4, 6, 8)[images]
    truth = [InstanceData(bboxes=torch.tensor(BOXES[i]).reshape(-1, 4),
                          labels=torch.zeros(len(BOXES[i]), dtype=torch.int64)) for i in images]
    losses = head.loss_by_feat(*head((features,)), truth, [META] * len(images))
    return [sum(losses[name]).item() for name in ('loss_rpn_cls', 'loss_rpn_bbox')]


def roi(images):
    torch.manual_seed(0)
    head = FocalBBoxHead(num_classes=3, in_channels=4, roi_feat_size=1, fc_out_channels=8)
    features, sampled = torch.randn(2, 4, 4, 1, 1), []
    for i in images:
        boxes = torch.tensor(BOXES[i]).reshape(-1, 4)
        rest = torch.rand(4 - len(boxes), 4).sort(dim=1)[0] * 40
        sampled.append(SimpleNamespace(
            pos_priors=boxes + 1, pos_gt_bboxes=boxes, neg_priors=rest,
            pos_gt_labels=torch.arange(len(boxes))))
    outputs = head(features[images].flatten(0, 1))
    rois = torch.zeros(4 * len(images), 5)
    losses = head.loss_and_target(*outputs, rois, sampled, ConfigDict(pos_weight=-1))['loss_bbox']
    return [losses[name].item() for name in ('loss_cls', 'loss_bbox')]


def run(rank, folder):
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/store', rank=rank, world_size=2)
    with open(f'{folder}/{rank}.json', 'w') as file:
        json.dump(rpn([rank]) + roi([rank]), file)
    torch.distributed.destroy_process_group()


folder = sys.argv[1]
with open(f'{folder}/one.json', 'w') as file:
    json.dump(rpn([0, 1]) + roi([0, 1]), file)
torch.multiprocessing.start_processes(run, (folder,), nprocs=2, start_method='fork')
"""


@pytest.mark.skipif(sys.platform == 'win32', reason='forks')
def test_the_mean_of_two_ranks_is_the_loss_of_one_process(run_python, tmp_path):
    """The second rank has a clean image only: no deadlock, and its share of the divisor."""
    done = run_python('-W', 'ignore', '-c', _CODE, tmp_path)
    assert done.returncode == 0, done.stderr
    one, first, second = (
        json.loads((tmp_path / f'{name}.json').read_text()) for name in ('one', '0', '1')
    )
    means = [(a + b) / 2 for a, b in zip(first, second, strict=True)]
    assert means == pytest.approx(one, rel=1e-5)
    assert second[1] == second[3] == 0 and min(first + one) > 0
    assert second[0] > 0 and second[2] > 0
