from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.structures import BaseDataElement, InstanceData

from mmdefect.errors import InputError
from mmdefect.evaluation.sample_scores import score_sample

CLASSES = ('chip', 'rust')
SHA = '0' * 64
BOX = [1.0, 2.0, 30.123456, 40.0]


def box(label, ignored=0):
    return dict(bbox=BOX, bbox_label=label, ignore_flag=ignored)


def found(labels=(), scores=None, boxes=None):
    scores = [0.5] * len(labels) if scores is None else scores
    boxes = [BOX] * len(labels) if boxes is None else boxes
    return InstanceData(
        bboxes=torch.tensor(boxes).reshape(-1, 4),
        labels=torch.tensor(labels, dtype=torch.int64),
        scores=torch.tensor(scores, dtype=torch.float32),
    )


def line(predicted=None, score=None, tiles=None, labelled=True, part=None, gt=None, **meta):
    sample = BaseDataElement(metainfo=dict(img_path='a.png', **meta))
    values = dict(pred_instances=predicted, pred_score=score, pred_tiles=tiles)
    for name, value in {**values, **(gt or {})}.items():
        if value is not None:
            setattr(sample, name, value)
    return score_sample(sample, CLASSES, SHA, labelled=labelled, part=part)


def test_detections():
    scored = line(found([1, 1, 0], [0.5, 0.75, 0.001]), instances=[box(1)], part='p')
    assert scored.scores == {'chip': float(np.float32(0.001)), 'rust': 0.75}
    assert scored.boxes[0] == (1.0, 2.0, 30.12, 40.0, 1, 0.5) and len(scored.boxes) == 3
    assert (scored.image, scored.sha256, scored.part, scored.truth) == (
        'a.png',
        SHA,
        'p',
        ('rust',),
    )
    assert line(found(), instances=[]).scores == {}
    # Some detectors return half precision on a GPU.
    half = found([0], [0.5])
    half.scores = half.scores.bfloat16()
    assert line(half).scores == {'chip': 0.5}


@pytest.mark.parametrize(
    ('meta', 'truth'),
    [
        (dict(instances=[]), ()),
        (dict(instances=[box(1), box(0), box(1)]), ('chip', 'rust')),
        (dict(instances=[box(0), box(1, ignored=1)]), ('chip',)),
        (dict(instances=[box(1, ignored=1)]), None),
        (dict(instances=[dict(bbox_label=0)]), ('chip',)),
        (dict(instances=[box(0)], labelled=False), None),
        ({}, None),
        (dict(gt=dict(gt_instances=InstanceData())), None),
        (dict(gt=dict(gt_instances=found([1]))), ('rust',)),
        (dict(gt=dict(gt_instances=found())), ()),
        (dict(gt=dict(gt_instances=found(), ignored_instances=found([1]))), None),
    ],
)  # fmt: skip
def test_truth(meta, truth):
    assert line(found([0], [0.5]), **meta).truth == truth


def test_a_classifier():
    tiles = InstanceData(
        bboxes=torch.tensor([[0.0, 0, 8, 8], [8, 0, 16, 8]]),
        scores=torch.tensor([[0.25, 0.5], [0.125, 0.75]]),
    )
    # Pooled scores need not be the highest.
    scored = line(score=torch.tensor([0.125, 0.5]), tiles=tiles)
    assert scored.scores == {'chip': 0.125, 'rust': 0.5}
    assert [box[4:] for box in scored.boxes] == [(1, 0.75), (1, 0.5), (0, 0.25), (0, 0.125)]
    assert scored.boxes[0][:4] == (8, 0, 16, 8)
    assert line(score=torch.tensor([0.0, 1.0])).boxes == ()
    many = InstanceData(bboxes=torch.zeros(80, 4), scores=torch.rand(80, 2))
    assert len(line(score=torch.tensor([0.0, 1.0]), tiles=many).boxes) == 100


@pytest.mark.parametrize(
    ('sample', 'reason'),
    [
        (dict(predicted=found([0], [float('nan')])), 'not finite'),
        (dict(predicted=found([0], [0.5], [[0, 0, float('inf'), 1]])), 'not finite'),
        (dict(predicted=found([0], [1.5])), 'not from 0 to 1'),
        (dict(score=torch.tensor([float('nan'), 0])), 'not from 0 to 1'),
        ({}, 'neither pred_instances nor pred_score'),
    ],
)  # fmt: skip
def test_refusals(sample, reason):
    with pytest.raises(InputError, match=reason) as error:
        line(**sample)
    assert 'a.png' in str(error.value)
    with pytest.raises(InputError, match='img_path'):
        score_sample(BaseDataElement(), CLASSES, SHA)
