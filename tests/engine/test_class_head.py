from __future__ import annotations

import pytest
import torch

from mmdefect.engine.class_head import remap_class_rows

OLD, NEW = ('a', 'b', 'c'), ('c', 'x', 'a', 'y')


def test_dense_head_rows_go_by_name_within_each_anchor():
    source = torch.arange(6.0).reshape(6, 1, 1, 1).expand(6, 2, 3, 3)
    target = torch.full((8, 2, 3, 3), -1.0)
    rows = remap_class_rows(target, source, OLD, NEW)
    assert rows[:, 0, 0, 0].tolist() == [2, -1, 0, -1, 5, -1, 3, -1]
    assert target.eq(-1).all()


def test_roi_head_keeps_the_background_last():
    rows = remap_class_rows(torch.full((5, 2), -1.0), torch.arange(8.0).reshape(4, 2), OLD, NEW)
    assert rows[:, 0].tolist() == [4, -1, 0, -1, 6]


def test_same_classes_in_other_order():
    rows = remap_class_rows(torch.zeros(4), torch.tensor([1.0, 2, 3, 4]), ('a', 'b'), ('b', 'a'))
    assert rows.tolist() == [2, 1, 4, 3]


def test_half_precision_source_takes_the_type_of_the_target():
    rows = remap_class_rows(torch.zeros(2), torch.ones(2).half(), ('a', 'b'), ('b', 'a'))
    assert rows.dtype == torch.float32


@pytest.mark.parametrize(
    ('target', 'source', 'new'),
    [
        ((4,), (3,), ('x', 'y', 'z', 'w')),
        ((8, 5), (6, 4), NEW),
        ((8,), (7,), NEW),
        ((12,), (6,), NEW),
        ((), (), NEW),
    ],
    ids=['no class in common', 'other width', 'no multiple', 'other anchors', 'a number'],
)
def test_what_is_no_class_head_is_left_alone(target, source, new):
    assert remap_class_rows(torch.zeros(target), torch.zeros(source), OLD, new) is None
