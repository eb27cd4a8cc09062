import numpy as np
import pytest

from mmdefect.datasets.audit.touching_boxes import connected_boxes, touching_pairs


def pairs_of(*rows):
    boxes = np.array(rows, np.float32).reshape(-1, 4)
    found = touching_pairs(boxes, np.zeros(len(boxes), np.int64))
    return list(zip(found.first.tolist(), found.second.tolist(), found.cut.tolist(), strict=True))


LEFT = (0, 0, 50, 40)


@pytest.mark.parametrize(
    ('other', 'expected'),
    [
        ((50, 0, 100, 40), True),  # edge on edge
        ((53, 1, 100, 40), True),  # gap of 3, a tenth of the smaller is 4.7
        ((56, 0, 100, 40), None),  # gap of 6: apart
        ((40, 0, 90, 40), True),  # overlap of 10, a quarter is 12.5
        ((30, 0, 80, 40), False),  # overlap of 20: two boxes over one another
        ((50, 15, 100, 70), False),  # ends not flush
        ((50, 5, 100, 40), True),  # 1-D IoU 35/40
        ((50, 9, 100, 40), False),  # 1-D IoU 31/40
        ((0, 40, 50, 80), True),  # below instead of beside
        ((52, 42, 90, 80), False),  # corner to corner, 2 pixels
        ((53, 43, 90, 80), None),  # 3 pixels
        ((10, 10, 20, 20), False),  # inside
        ((50, 0, 52, 40), True),  # a sliver
    ],
)
def test_two_boxes(other, expected):
    want = [] if expected is None else [(0, 1, expected)]
    assert pairs_of(LEFT, other) == want
    assert [pair[2] for pair in pairs_of(other, LEFT)] == [pair[2] for pair in want]


def test_other_groups_do_not_touch():
    boxes = np.array([LEFT, (50, 0, 100, 40)], np.float32)
    assert len(touching_pairs(boxes, np.array([0, 1]))) == 0


def test_same_as_comparing_all_with_all():
    generator = np.random.default_rng(3)
    low = generator.integers(0, 60, (80, 2))
    boxes = np.concatenate([low, low + generator.integers(3, 20, (80, 2))], axis=1)
    groups = generator.integers(0, 2, 80)
    found = touching_pairs(boxes.astype(np.float32), groups)
    alone = set()
    for a in range(80):
        for b in range(a + 1, 80):
            if groups[a] == groups[b] and pairs_of(boxes[a], boxes[b]):
                alone.add((a, b))
    assert set(zip(found.first.tolist(), found.second.tolist(), strict=True)) == alone


def test_one_pixel_boxes_and_none():
    assert pairs_of((0, 0, 1, 1), (1, 0, 2, 1)) == [(0, 1, True)]
    assert pairs_of() == []
    assert pairs_of(LEFT) == []


def test_connected_boxes():
    first, second = np.array([5, 1, 8]), np.array([9, 5, 12])
    groups = [group.tolist() for group in connected_boxes(first, second)]
    assert groups == [[1, 5, 9], [8, 12]]
    assert connected_boxes(np.zeros(0, int), np.zeros(0, int)) == []
