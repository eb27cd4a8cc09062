from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdefect import ops
from mmdefect.ops import overlaps


def reference_fusion(boxes, scores, labels, threshold, sources, number, mode, metric):
    """Section 3 of the paper, one box at a time; (box, score, label, members), best first."""
    fused = []
    for index in sorted(range(len(boxes)), key=lambda i: (-scores[i], i)):
        best, most = None, threshold
        for candidate in fused:
            if candidate['label'] == labels[index]:
                overlap = reference_overlap(candidate['box'], boxes[index], metric)
                if overlap > most:
                    best, most = candidate, overlap
        if best is None:
            best = {'label': labels[index], 'members': []}
            fused.append(best)
        best['members'].append(index)
        weights = np.maximum([scores[i] for i in best['members']], 1e-300)
        best['box'] = np.average([boxes[i] for i in best['members']], axis=0, weights=weights)
    result = []
    for item in fused:
        members = [scores[i] for i in item['members']]
        count = len({sources[i] for i in item['members']}) if sources else len(members)
        mean = sum(members) / len(members) * (min(count, number) / number)
        score = max(members) if mode == 'max' else mean
        result.append((item['box'], score, item['label'], item['members']))
    return sorted(result, key=lambda item: (-item[1], item[3][0]))


def reference_overlap(a, b, metric='iou'):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = (a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1])
    return width * height / (min(areas) if metric == 'ios' else sum(areas) - width * height)


def assert_equals_reference(boxes, scores, labels, threshold, sources, number, mode, metric='iou'):
    tensors = (
        torch.tensor(boxes, dtype=torch.float32).view(-1, 4),
        torch.tensor(scores, dtype=torch.float32),
        torch.tensor(labels, dtype=torch.int64),
    )
    given_sources = torch.tensor(sources, dtype=torch.int64) if sources else None
    fused = ops.weighted_box_fusion(*tensors, threshold, given_sources, number, mode, metric)
    boxes, scores = tensors[0].tolist(), tensors[1].tolist()
    expected = reference_fusion(boxes, scores, labels, threshold, sources, number, mode, metric)
    assert fused.labels.tolist() == [item[2] for item in expected]
    members = [fused.members.eq(k).nonzero().flatten().tolist() for k in range(len(expected))]
    assert members == [sorted(item[3]) for item in expected]
    np.testing.assert_allclose(fused.scores, [item[1] for item in expected], atol=1e-6)
    boxes = np.array([item[0] for item in expected]).reshape(-1, 4)
    np.testing.assert_allclose(fused.boxes, boxes, atol=1e-5)


# Coarse coordinates and scores make ties, touching, equal and empty boxes common.
box = st.tuples(*[st.integers(0, 6)] * 4).map(
    lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3]))
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(box, st.integers(0, 4), st.integers(0, 1), st.integers(0, 2)), max_size=30),
    st.sampled_from([0.0, 0.25, 0.55, 1.0]),
    st.booleans(),
    st.integers(3, 4),
    st.sampled_from(['mean', 'max']),
    st.integers(1, 7),
    st.sampled_from(['iou', 'ios']),
)
def test_equals_reference(rows, threshold, with_sources, number, mode, block, metric):
    boxes, scores, labels, sources = zip(*rows, strict=True) if rows else ((), (), (), ())
    scores = [score / 4 for score in scores]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules['mmdefect.ops.box_fusion'], '_BLOCK', block)
        patch.setattr(overlaps, '_NEIGHBOURS', block)
        chosen = list(sources) if with_sources else None
        assert_equals_reference(
            boxes, scores, list(labels), threshold, chosen, number, mode, metric
        )


def test_many_boxes_equal_reference():
    generator = np.random.default_rng(0)
    corner = generator.integers(0, 200, (600, 2))
    boxes = np.hstack([corner, corner + generator.integers(10, 40, (600, 2))]).tolist()
    labels = generator.integers(0, 3, 600).tolist()
    assert_equals_reference(boxes, generator.random(600).tolist(), labels, 0.4, None, 2, 'mean')


def test_a_box_that_moved_attracts_others():
    # The third overlaps the mean of the first two by 8 of 12, either alone by 7 of 13 at most.
    boxes = torch.tensor([[0.0, 0, 10, 1], [4, 0, 14, 1], [2, 0, 12, 1]])
    fused = ops.weighted_box_fusion(
        boxes, torch.tensor([0.5, 0.5, 0.4]), torch.zeros(3).long(), iou_threshold=0.4
    )
    assert fused.members.tolist() == [0, 0, 0]
    alone = ops.weighted_box_fusion(
        boxes[[0, 2]], torch.tensor([0.5, 0.4]), torch.zeros(2).long(), iou_threshold=0.67
    )
    assert alone.members.tolist() == [0, 1]


def test_threshold_itself_does_not_fuse():
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 5]])
    arguments = (boxes, torch.tensor([0.5, 0.4]), torch.tensor([0, 0]))
    assert len(ops.weighted_box_fusion(*arguments, iou_threshold=0.5).boxes) == 2
    assert len(ops.weighted_box_fusion(*arguments, iou_threshold=0.49).boxes) == 1


def test_sources_count_once():
    boxes, labels = torch.tensor([[0.0, 0, 9, 9]] * 3), torch.zeros(3).long()
    scores = torch.tensor([0.9, 0.6, 0.3])
    for sources, expected in (([0, 0, 0], 0.2), ([0, 1, 0], 0.4), ([2, 1, 0], 0.6)):
        fused = ops.weighted_box_fusion(
            boxes, scores, labels, sources=torch.tensor(sources), num_sources=3
        )
        assert fused.scores.tolist() == pytest.approx([expected])
    assert ops.weighted_box_fusion(boxes, scores, labels, num_sources=3).scores[0] == (
        pytest.approx(0.6)
    )


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16, torch.float64])
def test_other_types(dtype):
    boxes = torch.tensor([[300.0, 2, 310, 12], [302, 2, 312, 12], [7, 7, 9, 9]], dtype=dtype)
    fused = ops.weighted_box_fusion(
        boxes, torch.tensor([0.5, 0.5, 0.25], dtype=dtype), torch.tensor([1, 1, 0])
    )
    assert fused.boxes.tolist() == [[301.0, 2.0, 311.0, 12.0], [7.0, 7.0, 9.0, 9.0]]
    assert fused.boxes.dtype == fused.scores.dtype == torch.float32
    assert fused.labels.tolist() == [1, 0]


def test_boxes_without_area_stay_alone():
    lines = torch.tensor([[3.0, 0, 3, 5], [0, 2, 6, 2], [3, 0, 3, 5], [0, 0, 6, 6]])
    fused = ops.weighted_box_fusion(lines, torch.rand(4), torch.zeros(4).long(), iou_threshold=0.0)
    assert len(fused.boxes) == 4


def test_empty():
    fused = ops.weighted_box_fusion(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0).long())
    assert [tuple(part.shape) for part in fused] == [(0, 4), (0,), (0,), (0,)]


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'boxes': torch.zeros(2, 5)}, r'boxes must be of shape \(N, 4\), got \(2, 5\)'),
        ({'boxes': torch.full((2, 4), float('nan'))}, 'boxes must be finite, got .* at index 0'),
        ({'scores': torch.tensor([0.5, -0.25])}, 'scores must be >= 0, got -0.25 at index 1'),
        ({'scores': torch.zeros(2).long()}, 'scores must be floating point, got torch.int64'),
        ({'labels': torch.tensor([0, -1])}, 'labels must be >= 0, got -1 at index 1'),
        ({'labels': torch.zeros(2)}, 'labels must be integers, got torch.float32'),
        ({'iou_threshold': 1.01}, r'iou_threshold must be in \[0, 1\], got 1.01'),
        ({'num_sources': 0}, 'num_sources must be positive, got 0'),
        ({'sources': torch.tensor([0, 2])}, r'sources must be in 0..1, got 2 at index 1'),
        ({'sources': torch.zeros(1).long()}, r'sources must be of shape \(2,\), got \(1,\)'),
        ({'score_mode': 'avg'}, "score_mode must be one of mean, max, got 'avg'"),
    ],
)
def test_bad_input(change, message):
    arguments = {
        'boxes': torch.zeros(2, 4), 'scores': torch.zeros(2), 'labels': torch.zeros(2).long(),
        'num_sources': 2,
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        ops.weighted_box_fusion(**{**arguments, **change})
