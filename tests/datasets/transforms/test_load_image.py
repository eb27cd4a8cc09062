from __future__ import annotations

import numpy as np
import pytest
from mmengine.registry import TRANSFORMS
from PIL import Image

import mmdefect.registry  # noqa: F401  registers the scope
from mmdefect.errors import InputError


def build(**arguments):
    return TRANSFORMS.build({'type': 'mmdefect.LoadImage', **arguments})


def test_adds_image_and_shapes(tmp_path):
    path = tmp_path / 'a.png'
    Image.fromarray(np.full((4, 6), 4095, np.uint16)).save(path)
    results = build(bit_depth=12)({'img_path': str(path)})
    assert results['img'].shape == (4, 6, 3)
    assert results['img'].dtype == np.float32
    assert results['img_shape'] == results['ori_shape'] == (4, 6)
    assert build(channels=1)({'img_path': str(path)})['img'].shape == (4, 6, 1)


def test_unreadable_image_is_an_input_error(tmp_path):
    path = tmp_path / 'a.jpg'
    path.write_bytes(b'')
    with pytest.raises(InputError, match=r'a\.jpg: image cannot be decoded'):
        build()({'img_path': str(path)})


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'bit_depth': 8}, 'bit_depth must be 10, 12, 14 or 16, got 8'),
        ({'channels': 2}, 'channels must be 1 or 3, got 2'),
        ({'bitdepth': 12}, "unknown key 'bitdepth'; did you mean 'bit_depth'"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(InputError, match=message):
        build(**arguments)
