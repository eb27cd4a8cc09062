"""Grey values against Pillow and mmcv."""

from __future__ import annotations

import mmcv
import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from mmdefect.datasets.transforms import tone_curves

FACTORS = [0.0, 0.7, 0.93, 1.0, 1.4, 2.0]


def images():
    generator = np.random.default_rng(0)
    noise = generator.integers(0, 256, (41, 53, 3)).astype(np.uint8)
    dark = (generator.normal(60, 12, (64, 64, 3)).clip(0, 255)).astype(np.uint8)
    ramp = np.tile(np.arange(200, dtype=np.uint8)[:, None, None], (1, 90, 3))
    return {'noise': noise, 'dark': dark, 'ramp': ramp, 'flat': np.full((9, 9, 3), 77, np.uint8),
            'pixel': noise[:1, :1], 'line': noise[:2, :40]}  # fmt: skip


IMAGES = images()


def by_pillow(image, operation):
    if image.shape[2] == 1:
        return np.asarray(operation(Image.fromarray(image[..., 0])))[..., None]
    return np.asarray(operation(Image.fromarray(image[..., ::-1])))[..., ::-1]


@pytest.mark.parametrize('name', IMAGES)
@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize('factor', FACTORS)
def test_factors_have_pillows_meaning(name, channels, factor):
    image = IMAGES[name][..., :channels]
    for ours, theirs in (
        (tone_curves.brightness, ImageEnhance.Brightness),
        (tone_curves.contrast, ImageEnhance.Contrast),
        (tone_curves.sharpness, ImageEnhance.Sharpness),
    ):
        expected = by_pillow(image, lambda picture, t=theirs: t(picture).enhance(factor))
        np.testing.assert_array_equal(ours(image, factor), expected, err_msg=theirs.__name__)


@pytest.mark.parametrize('name', IMAGES)
@pytest.mark.parametrize('channels', [1, 3])
def test_curves_are_pillows(name, channels):
    image = IMAGES[name][..., :channels]
    expected = by_pillow(image, ImageOps.autocontrast)
    np.testing.assert_array_equal(tone_curves.auto_contrast(image), expected)
    expected = by_pillow(image, ImageOps.equalize)
    np.testing.assert_array_equal(tone_curves.equalize(image), expected)
    for bits in range(1, 9):
        expected = by_pillow(image, lambda picture, b=bits: ImageOps.posterize(picture, b))
        np.testing.assert_array_equal(tone_curves.posterize(image, bits), expected)


@pytest.mark.parametrize('name', ['noise', 'dark', 'ramp'])
def test_mmcv_differs_by_rounding_only(name):
    image = IMAGES[name]
    pairs = [
        (tone_curves.auto_contrast(image), mmcv.auto_contrast(image)),
        (tone_curves.equalize(image), mmcv.imequalize(image)),
        (tone_curves.posterize(image, 5), mmcv.posterize(image, 5)),
    ]
    for factor in (0.7, 1.4):
        pairs.append((tone_curves.brightness(image, factor), mmcv.adjust_brightness(image, factor)))
        pairs.append((tone_curves.contrast(image, factor), mmcv.adjust_contrast(image, factor)))
        ours, theirs = tone_curves.sharpness(image, factor), mmcv.adjust_sharpness(image, factor)
        pairs.append((ours[1:-1, 1:-1], theirs[1:-1, 1:-1]))
    for ours, theirs in pairs:
        assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= 1


@pytest.mark.parametrize('name', ['noise', 'dark', 'ramp'])
@pytest.mark.parametrize('channels', [1, 3])
def test_float_images_of_whole_values_differ_by_rounding_only(name, channels):
    image = IMAGES[name][..., :channels]
    for operation, value in (
        ('auto_contrast', ()), ('equalize', ()), ('brightness', (1.3,)), ('contrast', (0.8,)),
        ('sharpness', (1.6,)), ('posterize', (5,)),
    ):  # fmt: skip
        made = getattr(tone_curves, operation)(image.astype(np.float32), *value)
        assert made.dtype == np.float32 and made.min() >= 0 and made.max() <= 255
        exact = getattr(tone_curves, operation)(image, *value)
        # Pillow cuts fractions off.
        assert np.abs(made - exact).max() < 2


def test_float_images_keep_their_depth():
    image = np.linspace(100, 101, 4096, dtype=np.float32).reshape(64, 64)
    for made in (tone_curves.brightness(image, 1.1), tone_curves.contrast(image, 1.5),
                 tone_curves.auto_contrast(image)):  # fmt: skip
        assert len(np.unique(made)) > 4000


def test_input_is_not_changed_and_shape_is_kept():
    for shape in ((7, 5), (7, 5, 1), (7, 5, 3)):
        image = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
        before = image.copy()
        for operation, value in (
            ('auto_contrast', ()), ('equalize', ()), ('brightness', (1.3,)), ('contrast', (0.8,)),
            ('sharpness', (1.6,)), ('posterize', (5,)),
        ):  # fmt: skip
            # A flipped view has negative strides.
            made = getattr(tone_curves, operation)(image[:, ::-1], *value)
            assert made.shape == shape and made.dtype == np.uint8
        np.testing.assert_array_equal(image, before)
