from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from mmdet.models.task_modules.coders import DeltaXYWHBBoxCoder

from mmdefect.errors import InputError
from mmdefect.models import BoxJitter

SHAPES = torch.tensor([[64.0, 64], [64, 64]])


def stay(shifted, classes=1, calls=None):
    """A RoI head that refines nothing: what it gets, it gives."""

    def forward(features, rois):
        if calls is not None:
            calls.append(rois)
        deltas = torch.zeros(len(rois), 4 * classes)
        return {'bbox_pred': deltas + shifted(rois).repeat(1, classes)}

    head = SimpleNamespace(reg_class_agnostic=classes == 1, bbox_coder=DeltaXYWHBBoxCoder())
    return SimpleNamespace(_bbox_forward=forward, bbox_head=head)


def measure(jitter, head, boxes, labels=None, images=None):
    number = len(boxes)
    labels = torch.zeros(number, dtype=torch.int64) if labels is None else labels
    images = torch.zeros(number, dtype=torch.int64) if images is None else images
    return jitter.measure(head, (), boxes, labels, images, SHAPES[images])


def test_one_call_for_all_boxes_of_all_images():
    calls = []
    jitter = BoxJitter(times=7)
    boxes = torch.tensor([[5.0, 5, 15, 25], [20, 20, 40, 30], [1, 1, 9, 9]])
    images = torch.tensor([0, 1, 1])
    found = measure(jitter, stay(lambda rois: torch.zeros(len(rois), 4), calls=calls), boxes,
                    images=images)  # fmt: skip
    assert len(calls) == 1 and calls[0].shape == (21, 5) and found.shape == (3,)
    assert calls[0][:, 0].view(7, 3).tolist() == [[0, 1, 1]] * 7


def test_sure_where_the_head_finds_the_place_again_else_as_unsure_as_the_shift():
    torch.manual_seed(0)
    boxes = torch.tensor([[20.0, 20, 40, 30]])
    coder = DeltaXYWHBBoxCoder()
    sure = stay(lambda rois: coder.encode(rois[:, 1:], boxes.expand(len(rois), 4)))
    assert measure(BoxJitter(), sure, boxes).item() < 1e-5
    unsure = stay(lambda rois: torch.zeros(len(rois), 4))
    found = measure(BoxJitter(times=2000, scale=0.06), unsure, boxes).item()
    assert found == pytest.approx(0.06, rel=0.05)


def test_deltas_of_the_own_class_are_taken():
    boxes = torch.tensor([[20.0, 20, 40, 30]]).repeat(2, 1)
    coder = DeltaXYWHBBoxCoder()

    def forward(features, rois):
        right = coder.encode(rois[:, 1:], boxes[:1].expand(len(rois), 4))
        return {'bbox_pred': torch.cat([torch.zeros_like(right), right], 1)}

    head = stay(lambda rois: rois, classes=2)
    head._bbox_forward = forward
    found = measure(BoxJitter(), head, boxes, labels=torch.tensor([0, 1]))
    assert found[0] > 0.01 and found[1] < 1e-5


def test_boxes_are_cut_at_the_border():
    coder_free = stay(lambda rois: torch.zeros(len(rois), 4))
    # Far outside on all sides: whatever is shifted, the image's border remains.
    found = measure(BoxJitter(), coder_free, torch.tensor([[-500.0, -500, 600, 600]]))
    assert found.item() == 0


def test_tiny_boxes_keep_their_corners_in_order_and_none_is_fine():
    moved = BoxJitter(times=50, scale=2.0).shift(torch.tensor([[5.0, 5, 5.1, 5.1]]))
    assert (moved[..., 2:] >= moved[..., :2]).all()
    assert len(measure(BoxJitter(), None, torch.zeros(0, 4))) == 0


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(times=1), 'times must be an integer >= 2'),
        (dict(scale=0), 'scale must be positive'),
        (dict(limit=float('inf')), 'limit must be positive'),
        (dict(scal=1), "did you mean 'scale'"),
    ],
)
def test_mistakes(settings, message):
    with pytest.raises(InputError, match=message):
        BoxJitter(**settings)
