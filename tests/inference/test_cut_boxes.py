from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdefect.inference.cut_boxes import drop_cut_boxes

WHOLE = [0.0, 0, 20, 10]


@pytest.mark.parametrize(
    ('part', 'score', 'label', 'kept'),
    [
        ([10, 0, 20, 10], 0.5, 0, False),  # part of the whole
        ([10, 0, 20, 10], 0.5, 1, True),  # of another class
        ([10, 0, 20, 10], 0.9, 0, True),  # the whole one is too weak to stand for it
        ([10, 0, 40, 10], 0.5, 0, True),  # a third of it is covered
        ([50, 0, 60, 10], 0.5, 0, True),  # elsewhere
    ],
)
def test_when_a_whole_box_stands_for_a_part(part, score, label, kept):
    boxes, scores = torch.tensor([WHOLE, part]), torch.tensor([0.4, score])
    labels, cut = torch.tensor([0, label]), torch.tensor([False, True])
    found, raised = drop_cut_boxes(boxes.float(), scores, labels, cut)
    assert found.tolist() == ([0, 1] if kept else [0])
    assert raised.tolist() == pytest.approx([0.4, score] if kept else [max(0.4, score), score])


box = st.tuples(*[st.integers(0, 12)] * 4).map(
    lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]) + 1, max(b[1], b[3]) + 1)
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(box, st.integers(0, 4), st.integers(0, 1), st.booleans()), max_size=25))
def test_equals_a_loop_and_keeps_the_highest_score(rows):
    boxes = torch.tensor([row[0] for row in rows]).float().view(-1, 4)
    scores = torch.tensor([row[1] / 4 for row in rows])
    labels = torch.tensor([row[2] for row in rows]).long()
    cut = torch.tensor([row[3] for row in rows]).bool()
    kept, raised = drop_cut_boxes(boxes, scores, labels, cut)
    expected, alive = [row[1] / 4 for row in rows], []
    order = sorted(range(len(rows)), key=lambda i: (-rows[i][1], i))
    for index, (part, score, label, is_cut) in enumerate(rows):
        stands = None
        for other in order if is_cut else ():
            whole = rows[other]
            width = min(part[2], whole[0][2]) - max(part[0], whole[0][0])
            height = min(part[3], whole[0][3]) - max(part[1], whole[0][1])
            area = (part[2] - part[0]) * (part[3] - part[1])
            covers = max(width, 0) * max(height, 0) >= torch.tensor(0.7) * area
            if not whole[3] and whole[2] == label and whole[1] >= 0.5 * score and covers:
                stands = other
                break
        if stands is None or max(width, 0) * max(height, 0) == 0:
            alive.append(index)
        else:
            expected[stands] = max(expected[stands], score / 4)
    assert kept.tolist() == alive
    assert raised.tolist() == expected
    if len(rows):
        assert raised[kept].max() == scores.max()
