from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mmdefect.datasets.masks import component_boxes, mask_values, read_mask
from mmdefect.errors import InputError

VALUES = np.array([[0, 1, 2], [0, 0, 255]], np.uint8)


def palette(values):
    image = Image.fromarray(values, 'P')
    image.putpalette([200, 200, 200] * 256)
    return image


@pytest.mark.parametrize(
    ('name', 'image'),
    [
        ('grey.png', Image.fromarray(VALUES)),
        ('grey.bmp', Image.fromarray(VALUES)),
        ('grey.tif', Image.fromarray(VALUES)),
        ('palette.png', palette(VALUES)),
        ('colour.png', Image.fromarray(np.dstack([VALUES] * 3))),
        ('alpha.png', Image.fromarray(np.dstack([*[VALUES] * 3, 255 - VALUES]))),
        ('grey_alpha.png', Image.fromarray(np.dstack([VALUES, 255 - VALUES]), 'LA')),
    ],
)
def test_values_are_kept(tmp_path, name, image):
    image.save(tmp_path / name)
    mask = read_mask(tmp_path / name)
    np.testing.assert_array_equal(mask, VALUES)
    assert mask.dtype == np.uint8
    assert mask_values(mask) == [1, 2, 255]


def test_16_bits_and_one_bit(tmp_path):
    deep = np.array([[0, 256, 65535]], np.uint16)
    Image.fromarray(deep).save(tmp_path / 'deep.png')
    assert mask_values(read_mask(tmp_path / 'deep.png')) == [256, 65535]
    Image.fromarray(VALUES > 0).save(tmp_path / 'bits.png')
    assert mask_values(read_mask(tmp_path / 'bits.png')) == [255]


@pytest.mark.parametrize('mode', ['L', 'P'])
def test_exif_turns_the_mask_upright(tmp_path, mode):
    exif = Image.Exif()
    exif[0x0112] = 6
    image = palette(VALUES) if mode == 'P' else Image.fromarray(VALUES)
    image.save(tmp_path / 'a.png', exif=exif)
    np.testing.assert_array_equal(read_mask(tmp_path / 'a.png'), np.rot90(VALUES, -1))


def test_masks_that_are_none(tmp_path):
    colours = np.zeros((4, 5, 3), np.uint8)
    colours[0, 0] = (255, 0, 0)
    Image.fromarray(colours).save(tmp_path / 'a.png')
    with pytest.raises(InputError, match=r'a\.png: a mask in colours'):
        read_mask(tmp_path / 'a.png')
    palette(VALUES).save(tmp_path / 'b.png')
    (tmp_path / 'b.png').write_bytes((tmp_path / 'b.png').read_bytes()[:-30])
    with pytest.raises(InputError, match=r'b\.png: image cannot be decoded'):
        read_mask(tmp_path / 'b.png')
    with pytest.raises(InputError, match='image file is missing'):
        read_mask(tmp_path / 'c.png')


def test_components_touch_at_corners_and_are_sorted():
    mask = np.zeros((6, 9), bool)
    mask[4, 0] = mask[0, 7:9] = mask[1, 6] = mask[0, 0] = True
    boxes, left_out = component_boxes(mask)
    assert boxes.tolist() == [[0, 0, 1, 1], [6, 0, 9, 2], [0, 4, 1, 5]]
    assert boxes.dtype == np.float32
    assert left_out == 0
    boxes, left_out = component_boxes(mask, min_area=3)
    assert boxes.tolist() == [[6, 0, 9, 2]]
    assert left_out == 2


@pytest.mark.parametrize('value', [False, True])
def test_uniform_masks(value):
    boxes, left_out = component_boxes(np.full((3, 4), value))
    assert boxes.tolist() == ([[0, 0, 4, 3]] if value else [])
    assert (boxes.shape[1], left_out) == (4, 0)


def test_against_a_search_of_the_neighbours():
    mask = np.random.default_rng(0).random((40, 50)) < 0.3
    boxes, _ = component_boxes(mask)
    expected = []
    left = {tuple(point) for point in np.argwhere(mask)}
    while left:
        waiting, component = [left.pop()], []
        while waiting:
            y, x = waiting.pop()
            component.append((y, x))
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            waiting.extend(near)
        ys, xs = np.transpose(component)
        expected.append([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
    assert sorted(boxes.tolist()) == sorted(expected)
