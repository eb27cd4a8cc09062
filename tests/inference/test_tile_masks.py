from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from mmdefect.inference.tile_masks import encode_tile_masks, unite_masks


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 9), st.integers(1, 9), st.integers(1, 8), st.integers(1, 8),
    st.integers(0, 8), st.integers(0, 8), st.integers(0, 2**16), st.sampled_from([0.2, 0.9, 1.0]),
)  # fmt: skip
def test_equals_a_mask_drawn_into_the_image(width, height, w, h, x, y, seed, share):
    x, y = min(x, width - 1), min(y, height - 1)
    masks = np.random.default_rng(seed).random((3, h, w)) < share
    masks[0] = False
    image = np.zeros((3, height + h, width + w), bool)
    image[:, y : y + h, x : x + w] = masks
    image = image[:, :height, :width]
    encoded = encode_tile_masks(masks, np.array([x, y, x + w, y + h]), (height, width))
    for mask, rle in zip(image, encoded, strict=True):
        assert rle['size'] == [height, width]
        np.testing.assert_array_equal(coco_mask.decode(rle), mask)
        assert coco_mask.area(rle) == mask.sum()
    union = coco_mask.decode(unite_masks(encoded))
    np.testing.assert_array_equal(union, image.any(0))


def test_a_mask_of_another_size_is_stretched():
    mask = np.array([[[True, False]]])
    (encoded,) = encode_tile_masks(mask, np.array([1, 0, 5, 2]), (2, 6))
    assert coco_mask.decode(encoded).tolist() == [[0, 1, 1, 0, 0, 0]] * 2


def test_a_hundred_megapixels_are_never_filled():
    mask = np.ones((1, 50, 50), bool)
    (encoded,) = encode_tile_masks(mask, np.array([9950, 9950, 10000, 10000]), (10000, 10000))
    assert coco_mask.toBbox(encoded).tolist() == [9950, 9950, 50, 50]
    assert len(encoded['counts']) < 1000


def test_none():
    assert encode_tile_masks(np.zeros((0, 4, 4), bool), np.array([0, 0, 4, 4]), (4, 4)) == []
