from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdefect import ops
from mmdefect.ops import overlaps


def reference_nms(boxes, scores, threshold, offset=0, labels=None, metric='iou'):
    """Greedy suppression, one box at a time, in float32."""
    boxes, threshold = np.asarray(boxes, np.float32).reshape(-1, 4), np.float32(threshold)
    off = np.float32(offset)
    order = np.argsort(-np.asarray(scores, np.float64), kind='stable')
    area = (boxes[:, 2] - boxes[:, 0] + off) * (boxes[:, 3] - boxes[:, 1] + off)
    kept: list[int] = []
    for j in order:
        for i in kept:
            if labels is not None and labels[i] != labels[j]:
                continue
            x1, y1 = np.maximum(boxes[i, :2], boxes[j, :2])
            x2, y2 = np.minimum(boxes[i, 2:], boxes[j, 2:])
            inter = max(x2 - x1 + off, np.float32(0)) * max(y2 - y1 + off, np.float32(0))
            whole = area[i] + area[j] - inter if metric == 'iou' else min(area[i], area[j])
            if inter > 0 and inter / whole > threshold:
                break
        else:
            kept.append(int(j))
    return kept


def random_boxes(number, seed=0, size=100.0):
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(number, 2, generator=generator) * size
    extent = torch.rand(number, 2, generator=generator) * 30
    return torch.cat([corner, corner + extent], 1), torch.rand(number, generator=generator)


@pytest.fixture(autouse=True)
def _ours(monkeypatch):
    monkeypatch.setenv('MMDEFECT_OPS', 'torch')


# Coarse coordinates and scores make ties, touching, equal and empty boxes common.
box = st.tuples(*[st.integers(0, 6)] * 4).map(
    lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3]))
)
case = st.lists(st.tuples(box, st.integers(0, 3), st.integers(0, 2)), max_size=40)


@settings(max_examples=150, deadline=None)
@given(
    case, st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.integers(0, 1), st.integers(1, 9),
    st.sampled_from(['iou', 'ios']),
)  # fmt: skip
def test_equals_reference(rows, threshold, offset, block, metric):
    boxes = torch.tensor([row[0] for row in rows], dtype=torch.float32).view(-1, 4)
    scores = torch.tensor([row[1] for row in rows]) / 4
    labels = torch.tensor([row[2] for row in rows], dtype=torch.int64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules['mmdefect.ops.nms'], '_BLOCK', block)
        patch.setattr(overlaps, '_PAIRS', 2 * block)
        patch.setattr(overlaps, '_NEIGHBOURS', block)
        keep = ops.nms(boxes, scores, threshold, offset, metric=metric)
        aware = ops.batched_nms(boxes, scores, labels, threshold, metric=metric)
    assert keep.dtype == aware.dtype == torch.int64
    assert keep.tolist() == reference_nms(boxes, scores, threshold, offset, metric=metric)
    expected = reference_nms(boxes, scores, threshold, labels=labels.tolist(), metric=metric)
    assert aware.tolist() == expected


@pytest.mark.parametrize('size', [20.0, 100.0, 2000.0])
def test_many_boxes_equal_reference(size):
    boxes, scores = random_boxes(700, size=size)
    assert ops.nms(boxes, scores, 0.5).tolist() == reference_nms(boxes, scores, 0.5)


def test_chain_of_overlaps_alternates():
    # Each box overlaps only its neighbours: the slowest case of the fixed point.
    x = torch.arange(600.0)
    boxes = torch.stack([x, x * 0, x + 2, x * 0 + 1], 1)
    keep = ops.nms(boxes, torch.linspace(1, 0, 600), 0.2)
    assert keep.tolist() == list(range(0, 600, 2))


def test_threshold_itself_does_not_suppress():
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 5]])
    scores = torch.tensor([0.9, 0.8])
    assert ops.nms(boxes, scores, 0.5).tolist() == [0, 1]
    assert ops.nms(boxes, scores, 0.49).tolist() == [0]


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float64])
def test_other_types_are_computed_in_float32(dtype):
    boxes, scores = (values.to(dtype) for values in random_boxes(60))
    assert ops.nms(boxes, scores, 0.3).tolist() == reference_nms(
        boxes.float(), scores.double(), 0.3
    )


def test_empty_and_single():
    empty = ops.nms(torch.zeros(0, 4), torch.zeros(0), 0.5)
    assert empty.shape == (0,) and empty.dtype == torch.int64
    none = ops.batched_nms(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0).long(), 0.5)
    assert none.shape == (0,) and none.dtype == torch.int64
    assert ops.nms(torch.tensor([[5.0, 5, 5, 5]]), torch.tensor([0.1]), 0.0).tolist() == [0]


@pytest.mark.parametrize('number', [1, 3, 500])
def test_max_num_is_a_prefix(number):
    boxes, scores = random_boxes(300)
    labels = torch.arange(300) % 3
    assert torch.equal(
        ops.nms(boxes, scores, 0.5, max_num=number), ops.nms(boxes, scores, 0.5)[:number]
    )
    assert torch.equal(
        ops.batched_nms(boxes, scores, labels, 0.5, max_num=number),
        ops.batched_nms(boxes, scores, labels, 0.5)[:number],
    )


def test_classes_are_exact_on_large_images_with_many_classes():
    # Shifting class 90,000 of a 10,000 px image apart in float32 would round these boxes to
    # the same 64 px grid and merge the first two.
    boxes = torch.tensor([[100.0, 100, 110, 110], [106, 100, 116, 110], [100, 100, 110, 110]])
    boxes = torch.cat([boxes, torch.tensor([[0.0, 0, 10000, 10000]])])
    labels = torch.tensor([90_000, 90_000, 3, 5])
    scores = torch.tensor([0.9, 0.8, 0.7, 0.6])
    assert ops.batched_nms(boxes, scores, labels, 0.5).tolist() == [0, 1, 2, 3]
    agnostic = ops.batched_nms(boxes, scores, labels, 0.5, class_agnostic=True)
    assert agnostic.tolist() == [0, 1, 3]


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'boxes': torch.zeros(2, 5)}, r'boxes must be of shape \(N, 4\), got \(2, 5\)'),
        ({'scores': torch.zeros(3)}, r'scores must be of shape \(2,\), got \(3,\)'),
        ({'boxes': torch.zeros(2, 4).long()}, 'boxes must be floating point, got torch.int64'),
        ({'scores': torch.zeros(2).int()}, 'scores must be floating point, got torch.int32'),
        ({'scores': torch.zeros(2, device='meta')}, 'scores must be on cpu as boxes are, got meta'),
        ({'scores': torch.tensor([0.5, float('nan')])}, 'scores must be finite, got nan at index'),
        ({'boxes': torch.full((2, 4), float('inf'))}, 'boxes must be finite, got .* at index 0'),
        ({'iou_threshold': 1.5}, 'iou_threshold must be in'),
        ({'iou_threshold': float('nan')}, 'iou_threshold must be in'),
        ({'offset': 2}, 'offset must be 0 or 1, got 2'),
        ({'max_num': 0}, 'max_num must be -1 or positive, got 0'),
    ],
)
def test_bad_input(change, message):
    arguments = {'boxes': torch.zeros(2, 4), 'scores': torch.zeros(2), 'iou_threshold': 0.5}
    with pytest.raises(ValueError, match=message):
        ops.nms(**{**arguments, **change})


@pytest.mark.parametrize(
    ('labels', 'message'),
    [
        (torch.zeros(2), 'labels must be integers, got torch.float32'),
        (torch.zeros(3).long(), r'labels must be of shape \(2,\), got \(3,\)'),
        (torch.zeros(2, dtype=torch.int64, device='meta'), 'labels must be on cpu .*, got meta'),
        (torch.tensor([3, -2]), 'labels must be >= 0, got -2 at index 1'),
    ],
)
def test_bad_labels(labels, message):
    with pytest.raises(ValueError, match=message):
        ops.batched_nms(torch.zeros(2, 4), torch.zeros(2), labels, 0.5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')
def test_cuda_equals_cpu():
    boxes, scores = random_boxes(700)
    keep = ops.nms(boxes.cuda(), scores.cuda(), 0.5)
    assert keep.is_cuda
    assert keep.tolist() == ops.nms(boxes, scores, 0.5).tolist()
