"""Counting positives, on levels and assigners whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmdet.models.task_modules.assigners import MaxIoUAssigner
from mmdet.models.task_modules.prior_generators import AnchorGenerator, MlvlPointGenerator
from mmengine.structures import InstanceData

from mmdefect.engine.check.positives import PositiveCounter
from mmdefect.engine.check.prior_levels import prior_levels

SIZES = [(16, 20), (8, 10), (4, 5)]


def anchors(**options):
    generator = AnchorGenerator(strides=[8, 16, 32], ratios=[0.5, 1.0, 2.0], **options)
    return generator.grid_priors(SIZES, device='cpu')


@pytest.mark.parametrize(
    'levels',
    [
        anchors(scales=[4]),
        # Anchors of size 64 stand on two levels at the same places.
        anchors(scales=[4, 8]),
        anchors(scales=[4, 8, 16]),
        MlvlPointGenerator([8, 16, 32]).grid_priors(SIZES, device='cpu', with_stride=True),
        MlvlPointGenerator([8, 16, 32]).grid_priors(SIZES, device='cpu'),
    ],
    ids=['one scale', 'shared', 'shared by three', 'points and strides', 'points'],
)
@pytest.mark.parametrize('border', [None, 40.0, 90.0])
def test_levels_of_priors_that_were_left_out(levels, border):
    every = torch.cat(levels)
    expected = np.repeat(np.arange(3), [len(level) for level in levels])
    kept = torch.ones(len(every), dtype=torch.bool)
    if border is not None:
        kept = (every[:, 0] >= border) & (every[:, 1] < 128 - border / 2)
    found = prior_levels(every[kept], levels)
    np.testing.assert_array_equal(found, expected[kept.numpy()])


def test_priors_of_elsewhere_have_no_level():
    levels = anchors(scales=[4])
    assert prior_levels(torch.full((3, 4), 7.25), levels) is None
    assert prior_levels(torch.zeros(3, 5), levels) is None
    assert prior_levels(torch.zeros(0, 4), levels).shape == (0,)


class Head(torch.nn.Module):
    """An RPN-like head: anchors, an assigner, one class."""

    def __init__(self, num_classes):
        super().__init__()
        self.num_classes = num_classes
        self.prior_generator = AnchorGenerator(strides=[8, 16, 32], ratios=[1.0], scales=[4])
        self.assigner = MaxIoUAssigner(0.5, 0.4, min_pos_iou=0.5)

    def loss(self, boxes, labels):
        priors = torch.cat(self.prior_generator.grid_priors(SIZES, device='cpu'))
        inside = (priors[:, :2] >= 0).all(1) & (priors[:, 2] <= 160) & (priors[:, 3] <= 128)
        truth = InstanceData(bboxes=boxes, labels=labels)
        return self.assigner.assign(InstanceData(priors=priors[inside]), truth)


class Model(torch.nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.data_preprocessor = torch.nn.Identity()
        self.rpn_head = Head(num_classes)

    def forward(self, boxes, labels):
        class Sample:
            gt_instances = InstanceData(bboxes=boxes, labels=labels)

        self.data_preprocessor({'inputs': None, 'data_samples': [Sample]})
        shown = labels if self.rpn_head.num_classes > 1 else torch.zeros_like(labels)
        return self.rpn_head.loss(boxes, shown)


@pytest.mark.parametrize('num_classes', [3, 1], ids=['three classes', 'rpn'])
def test_boxes_levels_and_classes(num_classes):
    model = Model(num_classes)
    counter = PositiveCounter(['small', 'large', 'tiny'])
    counter.attach(model)
    # An anchor of stride 8, one of stride 16, and a speck that no anchor reaches.
    boxes = torch.tensor([[24.0, 24, 56, 56], [32.0, 32, 96, 96], [70.0, 70, 73, 73]])
    model(boxes, torch.tensor([0, 1, 2]))
    model(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long))
    (head,) = counter.heads()
    assert (head.name, head.kind) == ('rpn_head', 'dense')
    assert head.levels == ['stride 8', 'stride 16', 'stride 32']
    assert head.boxes.tolist() == [1, 1, 1] and head.missed.tolist() == [0, 0, 1]
    assert head.positives[0, 0] > 0 and head.positives[0, 1:].sum() == 0
    assert head.positives[1, 1] > 0 and head.positives[1, [0, 2]].sum() == 0
    assert head.positives[2].sum() == 0 and head.without_positive() == ['tiny']
    assert counter.seconds > 0


def test_a_class_that_was_not_seen_is_not_blamed():
    model = Model(3)
    counter = PositiveCounter(['a', 'b', 'c'])
    counter.attach(model)
    model(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long))
    assert counter.heads()[0].without_positive() == []
