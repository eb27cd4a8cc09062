"""One of six changes of light per image, each with its own probability."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest
from mmengine.registry import TRANSFORMS

import mmdefect.registry  # noqa: F401  registers the scope
from mmdefect.datasets.transforms import tone_curves
from mmdefect.errors import InputError

SIX = ('auto_contrast', 'equalize', 'brightness', 'contrast', 'sharpness', 'posterize')
PROBABILITIES = (0.6, 0.5, 0.8, 0.8, 0.5, 0.3)
OFF = {f'{name}_prob': 0 for name in SIX}


def build(**keys):
    return TRANSFORMS.build({'type': 'mmdefect.ColourSpace', **keys})


def image(shape=(12, 9, 3), dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(dtype)


def draws(step, count, seed=0):
    np.random.seed(seed)
    picture = image((2, 2, 3))
    return [step({'img': picture})['colour_space'] for _ in range(count)]


def test_each_is_drawn_evenly_and_applied_with_its_own_probability():
    count = 6000
    applied = draws(build(), count)
    assert max(map(len, applied)) == 1
    seen = Counter(name for names in applied for name, _ in names)
    for name, probability in zip(SIX, PROBABILITIES, strict=True):
        expected = count / 6 * probability
        assert abs(seen[name] - expected) < 5 * np.sqrt(expected), name


def test_values_fill_the_stated_ranges():
    applied = [pair for names in draws(build(), 4000) for pair in names]
    by_name = {name: [value for other, value in applied if other == name] for name in SIX}
    for name, low, high in (('brightness', 0.7, 1.4), ('contrast', 0.7, 1.5),
                            ('sharpness', 0.7, 2.0)):  # fmt: skip
        values = np.array(by_name[name])
        assert low <= values.min() < low + 0.05 and high - 0.05 < values.max() <= high
    assert set(by_name['posterize']) == {4, 5, 6, 7}
    assert set(by_name['auto_contrast']) == set(by_name['equalize']) == {None}


@pytest.mark.parametrize('name', SIX)
@pytest.mark.parametrize('shape', [(12, 9), (12, 9, 1), (12, 9, 3)])
@pytest.mark.parametrize('dtype', [np.uint8, np.float32])
def test_what_is_noted_is_what_was_done(name, shape, dtype):
    step = build(aug_num=6, **{**OFF, f'{name}_prob': 1})
    np.random.seed(3)
    given = image(shape, dtype)
    sample = step({'img': given.copy()})
    ((noted, value),) = sample['colour_space']
    assert noted == name
    expected = getattr(tone_curves, name)(given, *(() if value is None else (value,)))
    np.testing.assert_array_equal(sample['img'], expected)
    assert sample['img'].dtype == dtype and sample['img'].shape == shape


def test_factor_one_and_all_bits_leave_the_image_as_it_is():
    for keys in (
        {'brightness_prob': 1, 'brightness_range': (1, 1)},
        {'contrast_prob': 1, 'contrast_range': (1, 1)},
        {'sharpness_prob': 1, 'sharpness_range': (1, 1)},
        {'posterize_prob': 1, 'posterize_bits': (8, 8)},
    ):
        sample = build(aug_num=6, **{**OFF, **keys})({'img': image()})
        assert len(sample['colour_space']) == 1
        np.testing.assert_array_equal(sample['img'], image())


def test_several_at_once_are_all_different():
    step = build(aug_num=3, **{f'{name}_prob': 1 for name in SIX})
    for names in draws(step, 200):
        assert len({name for name, _ in names}) == 3


def test_draws_follow_the_global_seed():
    assert draws(build(), 50, seed=4) == draws(build(), 50, seed=4) != draws(build(), 50, seed=5)


def test_no_image_turns_black():
    """As with MMDetection's default of 0 to 4 bits."""
    np.random.seed(0)
    step = build(aug_num=1, **{**OFF, 'posterize_prob': 1})
    dark = np.full((4, 4, 3), 40, np.uint8)
    assert min(step({'img': dark})['img'].min() for _ in range(100)) >= 32


@pytest.mark.parametrize(
    ('picture', 'what'),
    [
        (image(dtype=np.uint16), 'uint16 of shape (12, 9, 3)'),
        (image(dtype=np.float64), 'float64 of shape (12, 9, 3)'),
        (image((12, 9, 4)), 'uint8 of shape (12, 9, 4)'),
    ],
)
def test_other_images_are_refused(picture, what):
    with pytest.raises(InputError, match=re.escape(f'got {what} for a.png; load deep images')):
        build()({'img': picture, 'img_path': 'a.png'})


@pytest.mark.parametrize(
    ('keys', 'message'),
    [
        ({'aug_nums': 1}, "unknown key 'aug_nums'; did you mean 'aug_num'?"),
        ({'posterise_prob': 1}, "unknown key 'posterise_prob'; did you mean 'posterize_prob'?"),
        ({'aug_num': 0}, 'aug_num must be a whole number, 1 to 6, got 0'),
        ({'aug_num': 7}, 'aug_num must be a whole number, 1 to 6, got 7'),
        ({'aug_num': 1.0}, 'aug_num must be a whole number, 1 to 6, got 1.0'),
        ({'equalize_prob': 1.1}, 'equalize_prob must be 0 to 1, got 1.1'),
        ({'brightness_range': (1.4, 0.7)}, 'brightness_range must be (lowest, highest) factor'),
        ({'sharpness_range': (-1, 1)}, 'sharpness_range must be (lowest, highest) factor'),
        ({'contrast_range': (1,)}, 'contrast_range must be (lowest, highest) factor'),
        ({'posterize_bits': (0, 4)}, 'posterize_bits must be (fewest, most) bits'),
        ({'posterize_bits': (4.0, 7.0)}, 'posterize_bits must be (fewest, most) bits'),
    ],
)
def test_bad_keys(keys, message):
    with pytest.raises(InputError, match=re.escape(message)):
        build(**keys)
