"""Drill data of a grey camera with more than 8 bits."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from mmdefect.datasets.images import read_image
from mmdefect.datasets.synthetic import write_drill
from mmdefect.errors import InputError

FEW = {'train': 1, 'val': 0, 'test': 0, 'unlabeled': 1}


def _images(folder):
    return sorted((folder / 'images').rglob('*.*'))


@pytest.mark.parametrize('bit_depth', [10, 12, 14, 16])
def test_values_fill_the_stated_bits_and_no_more(tmp_path, bit_depth):
    summary = write_drill(tmp_path, bit_depth=bit_depth, parts=FEW)
    assert f'{bit_depth}-bit grey' in str(summary) and summary.bit_depth == bit_depth
    pixels = np.stack([cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in _images(tmp_path)])
    assert pixels.shape == (16, 160, 160) and pixels.dtype == np.uint16
    assert 2 ** (bit_depth - 1) < pixels.max() < 2**bit_depth
    # More grey levels than 8 bits have, so these are no shifted 8-bit images.
    assert len(np.unique(pixels)) > 512
    assert json.loads((tmp_path / 'train.json').read_text())['info']['bit_depth'] == bit_depth


def test_same_scene_and_labels_as_in_colour(tmp_path):
    write_drill(tmp_path / 'colour', parts=FEW)
    write_drill(tmp_path / 'grey', bit_depth=12, parts=FEW)
    colour, grey = (
        json.loads((tmp_path / name / 'train.json').read_text()) for name in ('colour', 'grey')
    )
    assert grey['annotations'] == colour['annotations']
    assert 'bit_depth' not in colour['info']
    for one, other in zip(*(_images(tmp_path / name) for name in ('colour', 'grey')), strict=True):
        seen = read_image(one, channels=1).astype(np.float32)
        deep = read_image(other, bit_depth=12, channels=1)
        # JPEG and the noise of single channels make the difference.
        assert np.abs(seen - deep).mean() < 4
        assert abs(float(seen.mean() - deep.mean())) < 1


def test_a_smaller_bit_depth_than_the_camera_has_is_one_line(tmp_path):
    write_drill(tmp_path, bit_depth=12, parts=FEW)
    with pytest.raises(InputError, match=r'above the stated bit_depth=10 .* set bit_depth=12'):
        for path in _images(tmp_path):
            read_image(path, bit_depth=10)


def test_another_bit_depth_replaces_the_data(tmp_path):
    write_drill(tmp_path, parts=FEW)
    assert not write_drill(tmp_path, bit_depth=12, parts=FEW).kept
    assert {path.suffix for path in _images(tmp_path)} == {'.png'}
    assert write_drill(tmp_path, bit_depth=12, parts=FEW).kept
    assert not write_drill(tmp_path, bit_depth=10, parts=FEW).kept
    write_drill(tmp_path, parts=FEW)
    assert {path.suffix for path in _images(tmp_path)} == {'.jpg'}
