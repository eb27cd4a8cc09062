from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from mmdefect.datasets import decode_runs, encode_runs
from mmdefect.errors import InputError


@settings(deadline=None)
@given(mask=arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=9)))
def test_masks_come_back(mask):
    text = encode_runs(mask)
    found = decode_runs(text, mask.shape[::-1])
    np.testing.assert_array_equal(found, mask)
    assert found.flags['C_CONTIGUOUS'] and found.dtype == bool
    # By definition: pixels from 1, down the columns.
    pixels = [
        pixel
        for start, length in np.array(text.split(), int).reshape(-1, 2).tolist()
        for pixel in range(start, start + length)
    ]
    height = mask.shape[0]
    expected = [
        x * height + y + 1 for x in range(mask.shape[1]) for y in range(height) if mask[y, x]
    ]
    assert pixels == expected


@settings(deadline=None)
@given(order=st.permutations(['1 3', '5 1', '10 2']))
def test_the_order_of_runs_does_not_matter_and_runs_may_touch(order):
    assert encode_runs(decode_runs(' '.join(order), (4, 3))) == '1 3 5 1 10 2'
    assert encode_runs(decode_runs('4 2 1 3', (4, 3))) == '1 5'


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('1 2 3', '3 values; write pairs of start and length'),
        ('7', '1 values'),
        ('1 3 3 2', 'runs 1 3 and 3 2 overlap'),
        ('9 1 9 1', 'runs 9 1 and 9 1 overlap'),
        ('12 2', 'run 12 2: ends past the last of 12 pixels'),
        ('13 1', 'run 13 1: ends past'),
        ('2 999999999999999999', 'ends past'),
        ('0 3', 'run 0 3: start and length must be from 1'),
        ('3 0', 'run 3 0: start'),
        ('-1 3', 'run -1 3: start'),
        ('nan', "'nan' is no whole number from 1"),
        ('1 2.5', "'2.5' is no whole number"),
        ('1 99999999999999999999', "'99999999999999999999' is no whole number"),
    ],
)
def test_bad_runs(text, message):
    with pytest.raises(InputError, match=f'^a.csv, line 2: .*{message}'):
        decode_runs(text, (4, 3), 'a.csv, line 2')


def test_empty_full_and_wrong_shape():
    assert encode_runs(np.zeros((3, 4), bool)) == encode_runs(np.zeros((0, 4), bool)) == ''
    assert encode_runs(np.ones((3, 4), bool)) == '1 12'
    assert not decode_runs('', (4, 3)).any()
    with pytest.raises(ValueError, match=r'mask must have shape \(h, w\), got \(3, 4, 1\)'):
        encode_runs(np.zeros((3, 4, 1), bool))
