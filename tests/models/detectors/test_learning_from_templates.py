"""A task that no single view can solve: marks are harmless where the template has them too."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from mmdefect.evaluation import DefectMetric

SIDE = 96
STEPS = 200


def part(index):
    """Board and template with four marks in common; four more on the board alone."""
    generator = np.random.default_rng(index)
    board = generator.integers(90, 140, (SIDE, SIDE)).astype(np.uint8)
    template, boxes = board.copy(), []
    for number, cell in enumerate(generator.permutation(36)[:8].tolist()):
        w, h, x, y = (generator.integers((8, 8, 0, 0), (14, 14, 3, 3))).tolist()
        x, y = x + cell % 6 * 16, y + cell // 6 * 16
        board[y : y + h, x : x + w] = 230
        if number < 4:
            template[y : y + h, x : x + w] = 230
        else:
            boxes.append([x, y, x + w, y + h])
    views = []
    for view_id, (pixels, found) in enumerate(((board, boxes), (template, []))):
        instances = [dict(bbox=box, bbox_label=0, ignore_flag=0) for box in found]
        sample = DetDataSample(
            metainfo=dict(
                part_id=str(index), view_id=view_id, view_role=('inspect', 'reference')[view_id],
                part_homography=np.eye(3), homography_matrix=np.eye(3, dtype=np.float32),
                ori_shape=(SIDE, SIDE), img_shape=(SIDE, SIDE), scale_factor=(1.0, 1.0),
                img_path=f'{index}_{view_id}.png', instances=instances,
            )
        )  # fmt: skip
        corners = torch.tensor(found, dtype=torch.float32).reshape(-1, 4)
        labels = torch.zeros(len(found), dtype=torch.int64)
        sample.gt_instances = InstanceData(bboxes=corners, labels=labels)
        sample.ignored_instances = InstanceData(bboxes=corners[:0], labels=labels[:0])
        views.append((torch.from_numpy(pixels)[None].repeat(3, 1, 1), sample))
    return views


def batch(first, parts):
    views = [view for index in range(first, first + parts) for view in part(index)]
    inputs, samples = zip(*views, strict=True)
    return {'inputs': list(inputs), 'data_samples': list(samples)}


def learn(model):
    """AP50 of new parts after the steps."""
    optimiser = torch.optim.AdamW(model.train().parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, STEPS, pct_start=0.15)
    for step in range(STEPS):
        data = model.data_preprocessor(batch(4 * step, 4), training=True)
        losses = model(data['inputs'], data['data_samples'], mode='loss')
        optimiser.zero_grad()
        model.parse_losses(losses)[0].backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimiser.step()
        schedule.step()
    metric = DefectMetric()
    metric.dataset_meta = dict(classes=['defect'])
    with torch.no_grad():
        for first in range(10**6, 10**6 + 48, 8):
            found = model.eval().val_step(batch(first, 8))
            metric.process(None, [sample.to_dict() for sample in found])
    return metric.compute_metrics(metric.results)['AP50']


@pytest.mark.slow
def test_the_template_tells_what_the_board_alone_cannot(build):
    changes = {
        'backbone.base_channels': 16,
        'neck.in_channels': [16, 32, 64, 128],
        'neck.out_channels': 32,
        'neck.num_outs': 3,
        'bbox_head.in_channels': 32,
        'bbox_head.feat_channels': 32,
        'bbox_head.num_classes': 1,
        'bbox_head.anchor_generator': dict(
            type='AnchorGenerator', ratios=[1.0], octave_base_scale=2, scales_per_octave=1,
            strides=[8, 16, 32],
        ),
    }  # fmt: skip
    fusion = {
        'fusion.channels': 32,
        'fusion.num_levels': 3,
        'fusion.tokens': 144,
    }
    alone = learn(build('retinanet', **changes, fusion=None))
    together = learn(build('retinanet', **changes, **fusion))
    # Half of the marks are defects, so guessing gets about .5.
    assert alone < 0.65 and together > 0.85, (alone, together)
