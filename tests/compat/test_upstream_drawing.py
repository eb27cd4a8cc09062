"""16-bit images are drawn as bright as they are, all others as mmcv reads them."""

from __future__ import annotations

import cv2
import mmcv
import numpy as np
import pytest

import mmdefect  # noqa: F401  installs the finder
from mmdefect.compat.upstream_drawing import DeepImages


def encode(image, suffix='.png'):
    return cv2.imencode(suffix, image)[1].tobytes()


@pytest.mark.parametrize('bits', [10, 12, 14, 16])
def test_deep_grey_and_colour(bits):
    limit = 2**bits - 1
    grey = np.linspace(0, limit, 60).astype(np.uint16).reshape(6, 10)
    drawn = DeepImages(mmcv).imfrombytes(encode(grey))
    assert drawn.dtype == np.uint8 and drawn.shape == (6, 10, 3)
    np.testing.assert_allclose(drawn[..., 0], grey * (255 / limit), atol=0.51)
    colour = np.stack([grey, np.zeros_like(grey), grey // 2], axis=2)
    bgr = DeepImages(mmcv).imfrombytes(encode(colour))
    rgb = DeepImages(mmcv).imfrombytes(encode(colour), channel_order='rgb')
    np.testing.assert_array_equal(bgr[..., ::-1], rgb)
    assert bgr[..., 1].max() == 0 and bgr[..., 0].max() == 255


@pytest.mark.parametrize('order', ['bgr', 'rgb'])
def test_8_bit_images_are_left_to_mmcv(order):
    image = np.random.default_rng(0).integers(0, 256, (8, 9, 3), np.uint8)
    for suffix in ('.png', '.jpg'):
        code = encode(image, suffix)
        np.testing.assert_array_equal(
            DeepImages(mmcv).imfrombytes(code, channel_order=order),
            mmcv.imfrombytes(code, channel_order=order),
        )


def test_upstream_modules_draw_with_it():
    import mmdet.apis.det_inferencer as inferencer
    import mmdet.engine.hooks.visualization_hook as hook

    assert isinstance(inferencer.mmcv, DeepImages)
    assert isinstance(hook.mmcv, DeepImages)
    assert hook.mmcv.imwrite is mmcv.imwrite
