from __future__ import annotations

import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.registry import FUNCTIONS

import mmdefect.registry  # noqa: F401  registers the scope
from mmdefect.datasets import multi_view_collate
from mmdefect.errors import InputError


def view(value):
    return {'inputs': torch.full((3, 2, 2), value), 'data_samples': DetDataSample()}


def branches(**values):
    keys = ('sup', 'unsup_teacher', 'unsup_student')
    return {
        'inputs': {key: values.get(key) for key in keys},
        'data_samples': {key: values.get(key) for key in keys},
    }


def test_found_as_a_loader_config_names_it():
    assert FUNCTIONS.get('mmdefect.multi_view_collate') is multi_view_collate


def test_views_of_a_part_stay_together_also_where_parts_differ_in_number():
    batch = multi_view_collate(
        [{'views': [view(0), view(1)], 'part_id': 'p'}, {'views': [view(2)]}, {'views': [view(3)]}]
    )
    assert set(batch) == {'inputs', 'data_samples'}
    assert [int(image[0, 0, 0]) for image in batch['inputs']] == [0, 1, 2, 3]
    assert all(isinstance(sample, DetDataSample) for sample in batch['data_samples'])


def test_branches():
    parts = [
        {'views': [branches(sup='a'), branches(sup='b')]},
        {'views': [branches(unsup_teacher='c', unsup_student='d')]},
    ]
    expected = {
        'sup': ['a', 'b', None],
        'unsup_teacher': [None, None, 'c'],
        'unsup_student': [None, None, 'd'],
    }
    assert multi_view_collate(parts) == {'inputs': expected, 'data_samples': expected}


@pytest.mark.parametrize(
    ('parts', 'message'),
    [
        ([view(0)], "an item has no 'views'"),
        ([{'views': [{'img': 0}]}], 'must end in mmdefect.PackInputs'),
        ([{'views': [view(0)]}, {'views': [branches(sup=1)]}], 'or those of all sources in Multi'),
    ],
)
def test_items_that_are_no_packed_parts(parts, message):
    with pytest.raises(InputError, match=message):
        multi_view_collate(parts)
