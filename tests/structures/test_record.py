from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmdefect.structures import ImageRecord, Problem

GOOD = {
    'path': Path('a.png'),
    'image_id': 0,
    'width': 4,
    'height': 3,
    'boxes': np.zeros((1, 4), np.float32),
    'labels': ('rust',),
    'ignored': np.zeros(1, bool),
    'box_ids': (0,),
}


def test_record_without_boxes_has_length_zero():
    record = ImageRecord(
        Path('a.png'), 'a', 4, 3, np.zeros((0, 4), np.float32), (), np.zeros(0, bool), ()
    )
    assert len(record) == 0
    assert record.extra == {}


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'boxes': np.zeros((2, 4), np.float32)}, r'boxes must have shape \(1, 4\)'),
        ({'ignored': np.zeros(2, bool)}, r'ignored must have shape \(1,\)'),
        ({'box_ids': ()}, 'box_ids must have length 1'),
        ({'box_extra': ({}, {})}, 'box_extra must have length 0 or 1'),
    ],
)
def test_lengths_must_agree(change, message):
    with pytest.raises(ValueError, match=message):
        ImageRecord(**{**GOOD, **change})


def test_problem_is_one_line():
    assert str(Problem('a.jpg, annotation 3', 'box is not finite')) == (
        'a.jpg, annotation 3: box is not finite'
    )
