from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmdefect.datasets.model_range import BIT_DEPTHS, to_model_range
from mmdefect.errors import InputError


@given(st.sampled_from(BIT_DEPTHS), st.floats(0, 1))
def test_a_share_of_the_full_range_stays_that_share(depth, share):
    value = round(share * (2**depth - 1))
    found = to_model_range(np.full((1, 1), value, np.uint16), depth, channels=1)
    assert found.shape == (1, 1, 1) and found.dtype == np.float32
    assert found.item() == pytest.approx(255 * value / (2**depth - 1), rel=1e-6)


@pytest.mark.parametrize('shape', [(4, 5), (4, 5, 3)])
@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_channels(shape, channels, dtype):
    pixels = np.full(shape, 100, dtype)
    found = to_model_range(pixels, channels=channels)
    assert found.shape == (4, 5, channels)
    grey = 100 if dtype == np.uint8 else 100 * 255 / 65535
    np.testing.assert_allclose(found, grey, rtol=1e-5)


def test_no_pixel_and_too_deep_a_pixel():
    assert to_model_range(np.empty((0, 3), np.uint16), 10, channels=1).shape == (0, 3, 1)
    with pytest.raises(InputError, match=r'frame 7: pixel value 1024 .* set bit_depth=12'):
        to_model_range(np.full((2, 2), 1024, np.uint16), 10, name='frame 7')
