from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdefect.ops import overlaps

box = st.tuples(*[st.integers(0, 12)] * 4).map(
    lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3]))
)


def as_boxes(rows):
    return torch.tensor(rows, dtype=torch.float32).view(-1, 4)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(box, min_size=1, max_size=12), st.lists(box, min_size=1, max_size=30),
    st.integers(0, 1), st.integers(1, 6), st.integers(1, 20),
)  # fmt: skip
def test_pairs_left_out_do_not_overlap(first, second, offset, neighbours, pairs):
    first, second = as_boxes(first), as_boxes(second)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(overlaps, '_NEIGHBOURS', neighbours)
        patch.setattr(overlaps, '_PAIRS', pairs)
        order = overlaps.neighbourhood_order(second)
        assert sorted(order.tolist()) == list(range(len(second)))
        columns = overlaps.as_columns(first, offset)
        others = overlaps.as_columns(second[order], offset)
        missing = torch.ones(len(first), len(second), dtype=torch.bool)
        for part, near in overlaps.split_near(columns, others, offset):
            assert len(near) and len(near) * (part.stop - part.start) <= max(pairs, len(near))
            assert missing[near, part].all()  # each pair once
            missing[near, part] = False
    assert not overlaps.iou(columns, others, offset)[missing].nan_to_num().any()


def test_neighbours_are_near():
    generator = torch.Generator().manual_seed(0)
    corner = torch.rand(8192, 2, generator=generator) * 1000
    order = overlaps.neighbourhood_order(torch.cat([corner, corner + 5], 1))
    frames = corner[order].view(16, 512, 2)
    area = (frames.amax(1) - frames.amin(1)).prod(1)
    assert area.sum() < 1.1e6  # sixteen frames cover a plane of 1e6 about once


def test_iou_counts_the_last_pixel():
    boxes = as_boxes([(0, 0, 3, 3), (0, 0, 3, 1), (3, 3, 5, 5), (4, 4, 4, 4)])
    plain = overlaps.iou(*[overlaps.as_columns(boxes, 0)] * 2, 0)
    assert plain[0].tolist() == pytest.approx([1, 1 / 3, 0, 0])
    assert plain[3, 3].isnan()
    pixels = overlaps.iou(*[overlaps.as_columns(boxes, 1)] * 2, 1)
    assert pixels[0].tolist() == pytest.approx([1, 0.5, 1 / 24, 0])
    assert pixels[3, 3] == 1
