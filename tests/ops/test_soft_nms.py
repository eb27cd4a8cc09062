from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdefect import ops
from mmdefect.ops import overlaps


def reference_soft_nms(boxes, scores, threshold, sigma, min_score, method, offset):
    """Take the best, the lower index among equals, lower the others, drop what is too low."""
    f = np.float32
    items = [
        [*map(f, box), f(score), index]
        for index, (box, score) in enumerate(zip(boxes, scores, strict=True))
    ]
    kept = []

    def area(item):
        return (item[2] - item[0] + f(offset)) * (item[3] - item[1] + f(offset))

    while items:
        top = max(items, key=lambda item: (item[4], -item[5]))
        kept.append(top)
        others, items = [item for item in items if item is not top], []
        for item in others:
            width = max(f(0), min(top[2], item[2]) - max(top[0], item[0]) + f(offset))
            height = max(f(0), min(top[3], item[3]) - max(top[1], item[1]) + f(offset))
            inter = width * height
            iou = inter / (area(top) + area(item) - inter) if inter > 0 else f(0)
            weight = f(1)
            if method == 'gaussian':
                weight = np.exp(-(iou * iou) / f(sigma))
            elif iou >= f(threshold):
                weight = f(0) if method == 'naive' else f(1) - iou
            if item[4] * weight >= f(min_score):
                items.append([*item[:4], item[4] * weight, item[5]])
    return kept


box = st.tuples(*[st.integers(0, 6)] * 4).map(
    lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3]))
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(box, st.integers(0, 4)), max_size=15),
    st.sampled_from(['naive', 'linear', 'gaussian']),
    st.sampled_from([0.0, 0.3, 0.5]),
    st.sampled_from([0.0, 0.001, 0.2]),
    st.integers(0, 1),
    st.integers(1, 9),
)
def test_equals_reference(rows, method, threshold, min_score, offset, block):
    boxes = torch.tensor([row[0] for row in rows], dtype=torch.float32).view(-1, 4)
    scores = torch.tensor([row[1] / 4 for row in rows], dtype=torch.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('MMDEFECT_OPS', 'torch')
        patch.setattr(sys.modules['mmdefect.ops.soft_nms'], '_BLOCK', block)
        patch.setattr(overlaps, '_NEIGHBOURS', block)
        dets, inds = ops.soft_nms(boxes, scores, threshold, 0.5, min_score, method, offset)
    expected = reference_soft_nms(
        boxes.tolist(), scores.tolist(), threshold, 0.5, min_score, method, offset
    )
    assert dets.shape == (len(expected), 5) and dets.dtype == torch.float32
    assert inds.tolist() == [item[5] for item in expected]
    np.testing.assert_allclose(
        dets.numpy(), np.array([item[:5] for item in expected], np.float32).reshape(-1, 5), 1e-5
    )


def test_naive_is_hard_suppression_at_or_above_the_threshold():
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 5], [0, 0, 10, 4]])
    scores = torch.tensor([0.9, 0.8, 0.7])
    _, inds = ops.soft_nms(boxes, scores, 0.5, method='naive')
    assert inds.tolist() == [0, 2]


def test_input_is_untouched_and_first_box_stays():
    boxes, scores = torch.tensor([[0.0, 0, 4, 4]] * 3), torch.tensor([1e-5, 2e-5, 1e-5])
    before = boxes.clone(), scores.clone()
    dets, inds = ops.soft_nms(boxes, scores)
    assert inds.tolist() == [1]
    assert dets[0, 4] == scores[1]
    assert torch.equal(boxes, before[0]) and torch.equal(scores, before[1])


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'boxes': torch.zeros(2, 3)}, 'boxes must be of shape'),
        ({'scores': torch.zeros(1)}, 'scores must be of shape'),
        ({'boxes': torch.full((2, 4), float('nan'))}, 'boxes must be finite'),
        ({'scores': torch.tensor([0.0, float('inf')])}, 'scores must be finite, got inf'),
        ({'scores': torch.tensor([0.1, -0.2])}, 'scores must be >= 0, got -0.2.* at index 1'),
        ({'iou_threshold': -0.1}, 'iou_threshold must be in'),
        ({'sigma': 0.0}, 'sigma must be positive, got 0.0'),
        ({'min_score': float('nan')}, 'min_score must be a number'),
        ({'method': 'soft'}, "method must be one of .*, got 'soft'"),
        ({'offset': -1}, 'offset must be 0 or 1, got -1'),
    ],
)
def test_bad_input(change, message):
    with pytest.raises(ValueError, match=message):
        ops.soft_nms(**{'boxes': torch.zeros(2, 4), 'scores': torch.zeros(2), **change})
