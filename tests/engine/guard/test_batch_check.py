import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.structures import InstanceData

from mmdefect.engine.guard import broken_images, image_names


def sample(name, boxes=None):
    described = DetDataSample(metainfo={'img_path': name})
    if boxes is not None:
        described.gt_instances = InstanceData(bboxes=boxes)
    return described


def image(value=1.0, dtype=torch.float32):
    return torch.full((3, 2, 2), value).to(dtype)


@pytest.mark.parametrize('value', [torch.nan, torch.inf, -torch.inf])
def test_pixels(value):
    images = [image(), image(value), image(255, torch.uint8)]
    batch = {'inputs': images, 'data_samples': [sample('a'), sample('b'), sample('c')]}
    assert broken_images(batch) == ['b']
    assert image_names(batch) == ['a', 'b', 'c']


@pytest.mark.parametrize('kind', [torch.as_tensor, HorizontalBoxes])
def test_boxes(kind):
    good, bad = torch.tensor([[0.0, 0, 1, 1]]), torch.tensor([[0.0, 0, torch.nan, 1]])
    samples = [sample('a', kind(good)), sample('b', kind(bad)), sample('c', kind(bad[:0]))]
    batch = {'inputs': torch.zeros(3, 3, 2, 2, dtype=torch.uint8), 'data_samples': samples}
    assert broken_images(batch) == ['b']


def test_branches_without_an_image_hold_none():
    batch = {
        'inputs': {'sup': [image(), None], 'unsup_student': [None, image(torch.nan)]},
        'data_samples': {
            'sup': [sample('a'), None],
            'unsup_student': [None, sample('b')],
        },
    }
    assert broken_images(batch) == ['b']
    assert image_names(batch) == ['a', 'b']


def test_an_image_of_two_branches_is_named_once():
    branch = [image(torch.nan)]
    batch = {
        'inputs': {'unsup_teacher': branch, 'unsup_student': branch},
        'data_samples': {'unsup_teacher': [sample('a')], 'unsup_student': [sample('a')]},
    }
    assert broken_images(batch) == image_names(batch) == ['a']


@pytest.mark.parametrize('batch', [None, [], (torch.zeros(1),), {}, {'inputs': []}])
def test_other_batches(batch):
    assert broken_images(batch) == image_names(batch) == []
