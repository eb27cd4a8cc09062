from __future__ import annotations

import pytest
import torch

from mmdefect.inference import TileMerge

# Two views of one object, a part of it, and another object.
BOXES = torch.tensor([[0.0, 0, 20, 10], [1, 0, 21, 10], [12, 0, 20, 10], [40, 0, 50, 10]])
SCORES, LABELS = torch.tensor([0.5, 0.75, 0.25, 0.125]), torch.tensor([1, 1, 1, 0])
CUT = torch.tensor([False, False, True, False])


@pytest.mark.parametrize(
    ('arguments', 'first', 'number'),
    [
        (dict(), [1, 0, 21, 10], 2),
        (dict(drop_cut=False), [1, 0, 21, 10], 3),
        (dict(metric='ios', drop_cut=False), [1, 0, 21, 10], 2),
        (dict(method='nmm'), [0, 0, 21, 10], 2),
        (dict(method='wbf'), [0.6, 0, 20.6, 10], 2),
        (dict(max_per_image=1), [1, 0, 21, 10], 1),
    ],
)
def test_methods(arguments, first, number):
    found = TileMerge(**arguments)(BOXES, SCORES, LABELS, CUT)
    assert found.boxes[0].tolist() == pytest.approx(first)
    assert found.scores[0] == 0.75 and found.labels[0] == 1
    assert len(found) == len(found.boxes) == len(found.labels) == number
    assert found.masks is None


@pytest.mark.parametrize('method', ['nms', 'nmm', 'wbf'])
def test_across_classes_the_best_names_the_class(method):
    labels = torch.tensor([0, 2, 2, 1])
    apart = TileMerge(method, drop_cut=False)(BOXES, SCORES, labels, CUT)
    joined = TileMerge(method, class_agnostic=True)(BOXES, SCORES, labels, CUT)
    assert len(apart) == 4 and joined.labels.tolist() == [2, 1]
    assert joined.scores.tolist() == [0.75, 0.125]


@pytest.mark.parametrize('method', ['nms', 'nmm', 'wbf'])
def test_nothing(method):
    none = torch.zeros(0)
    found = TileMerge(method)(torch.zeros(0, 4), none, none.long(), none.bool(), [])
    assert found.boxes.shape == (0, 4) and found.masks == ()


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (dict(method='soft'), 'method must be one of nms, nmm, wbf'),
        (dict(metric='giou'), 'metric must be one of iou, ios'),
        (dict(threshold=1.5), 'threshold must be in 0..1'),
        (dict(max_per_image=0), 'max_per_image must be'),
    ],
)
def test_values_out_of_range(arguments, words):
    with pytest.raises(ValueError, match=words):
        TileMerge(**arguments)
