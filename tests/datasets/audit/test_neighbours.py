import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdefect.datasets.audit import neighbours
from mmdefect.datasets.audit.neighbours import box_iou, pairs_in_windows, same_place_pairs

corner = st.integers(0, 30)
box = st.tuples(corner, corner, st.integers(1, 12), st.integers(1, 12), st.integers(0, 2))


def table(rows):
    boxes = np.array([[x, y, x + w, y + h] for x, y, w, h, _ in rows], np.float32).reshape(-1, 4)
    return boxes, np.array([row[4] for row in rows], np.int64)


def all_pairs(boxes, groups):
    first, second = np.triu_indices(len(boxes), 1)
    same = groups[first] == groups[second]
    return first[same], second[same]


@settings(max_examples=200, deadline=None)
@given(rows=st.lists(box, max_size=25), least=st.sampled_from([0.3, 0.5, 0.9]))
def test_same_as_comparing_all_with_all(rows, least):
    boxes, groups = table(rows)
    first, second = all_pairs(boxes, groups)
    iou = box_iou(boxes[first].astype(float), boxes[second].astype(float))
    want = {
        (a, b) for a, b, i in zip(first.tolist(), second.tolist(), iou, strict=True) if i >= least
    }
    a, b, found = same_place_pairs(boxes, groups, least)
    assert set(zip(a.tolist(), b.tolist(), strict=True)) == want
    assert len(a) == len(want) and (found >= least).all()


@pytest.mark.parametrize('chunk', [1, 7, 500_000])
def test_chunks_change_nothing(monkeypatch, chunk):
    monkeypatch.setattr(neighbours, '_CHUNK', chunk)
    generator = np.random.default_rng(0)
    starts = generator.uniform(0, 50, 60)
    groups = generator.integers(0, 3, 60)
    pairs = list(pairs_in_windows(groups, starts, starts + 5))
    found = {
        (min(a, b), max(a, b))
        for x, y in pairs
        for a, b in zip(x.tolist(), y.tolist(), strict=True)
    }
    first, second = all_pairs(starts, groups)
    near = np.abs(starts[first] - starts[second]) <= 5
    assert found == set(zip(first[near].tolist(), second[near].tolist(), strict=True))
    assert max(len(x) for x, _ in pairs) <= max(chunk, 60)


def test_crowds_stay_linear(monkeypatch):
    monkeypatch.setattr(neighbours, '_MOST', 3)
    starts = np.zeros(50)
    pairs = list(pairs_in_windows(np.zeros(50, np.int64), starts, starts + 1))
    assert sum(len(first) for first, _ in pairs) == 3 * 50 - 6


def test_no_boxes_no_pairs():
    assert list(pairs_in_windows(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))) == []
    first, second, iou = same_place_pairs(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), 0.9)
    assert len(first) == len(second) == len(iou) == 0


@pytest.mark.parametrize('least', [0, -1, 1.1])
def test_bad_least_iou(least):
    with pytest.raises(ValueError, match='least_iou must be'):
        same_place_pairs(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), least)


def test_iou_without_area_is_zero():
    line = np.array([[1.0, 1, 1, 9]])
    assert box_iou(line, line).tolist() == [0.0]
