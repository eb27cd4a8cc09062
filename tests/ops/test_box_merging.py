from __future__ import annotations

import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdefect import ops
from mmdefect.ops import overlaps


def reference_overlap(a, b, metric):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = (a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1])
    return width * height / (min(areas) if metric == 'ios' else sum(areas) - width * height)


def reference_merging(boxes, scores, labels, threshold, metric):
    """Greedy, one box at a time: (hull, score, label, members), best first."""
    left = sorted(range(len(boxes)), key=lambda i: (-scores[i], i))
    merged = []
    while left:
        best = left[0]
        group = [best] + [
            i for i in left[1:]
            if labels[i] == labels[best]
            and reference_overlap(boxes[best], boxes[i], metric) > threshold
        ]  # fmt: skip
        columns = list(zip(*(boxes[i] for i in group), strict=True))
        hull = [min(columns[0]), min(columns[1]), max(columns[2]), max(columns[3])]
        merged.append((hull, scores[best], labels[best], sorted(group)))
        left = [i for i in left if i not in group]
    return merged


box = st.tuples(*[st.integers(0, 6)] * 4).map(
    lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3]))
)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(box, st.integers(0, 3), st.integers(0, 2)), max_size=30),
    st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.sampled_from(['iou', 'ios']), st.integers(1, 9),
)  # fmt: skip
def test_equals_reference(rows, threshold, metric, block):
    boxes, scores, labels = ([row[k] for row in rows] for k in range(3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules['mmdefect.ops.nms'], '_BLOCK', block)
        patch.setattr(overlaps, '_NEIGHBOURS', block)
        merged = ops.non_max_merging(
            torch.tensor(boxes, dtype=torch.float32).view(-1, 4),
            torch.tensor(scores, dtype=torch.float32),
            torch.tensor(labels, dtype=torch.int64),
            threshold,
            metric,
        )
    expected = reference_merging(boxes, scores, labels, threshold, metric)
    assert merged.boxes.tolist() == [item[0] for item in expected]
    assert merged.scores.tolist() == [item[1] for item in expected]
    assert merged.labels.tolist() == [item[2] for item in expected]
    for rank, item in enumerate(expected):
        assert merged.members.eq(rank).nonzero().flatten().tolist() == item[3]


def test_unknown_metric():
    nothing = torch.zeros(0, 4), torch.zeros(0), torch.zeros(0).long()
    for function in (ops.non_max_merging, ops.batched_nms, ops.weighted_box_fusion):
        with pytest.raises(ValueError, match='^metric must be one of iou, ios, got'):
            function(*nothing, 0.5, metric='giou')
