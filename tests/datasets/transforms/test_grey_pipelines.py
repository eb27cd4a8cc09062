"""Grey and deep images through upstream transforms, which were written for colour."""

from __future__ import annotations

import numpy as np
import pytest
from mmengine.dataset import Compose
from mmengine.registry import TRANSFORMS, init_default_scope

import mmdefect.registry  # noqa: F401  registers the scope
from mmdefect.errors import InputError

# What works on (h, w, 1) as it stands; mmcv drops the channel axis on the way.
GREY = [
    dict(type='Resize', scale=(48, 48), keep_ratio=True),
    dict(type='RandomResize', scale=[(40, 40), (60, 60)], keep_ratio=True),
    dict(type='RandomFlip', prob=1.0),
    dict(type='RandomFlip', prob=1.0, direction='diagonal'),
    dict(type='Pad', size_divisor=32),
    dict(type='RandomCrop', crop_size=(20, 20), allow_negative_crop=True),
    dict(type='RandomAffine'),
    dict(type='Rotate', prob=1.0, level=5),
    dict(type='Brightness', prob=1.0, level=5),
    dict(type='Sharpness', prob=1.0, level=5),
    dict(type='Solarize', prob=1.0, level=5),
]
# What needs three channels: loaded with channels=3, made grey at the end.
COLOUR = [
    dict(type='PhotoMetricDistortion'),
    dict(type='YOLOXHSVRandomAug'),
    dict(type='Contrast', prob=1.0, level=5),
    dict(type='Color', prob=1.0, level=5),
    dict(type='RandomErasing', n_patches=2, ratio=0.2),
    dict(type='ShearX', prob=1.0, level=5),
    dict(type='TranslateX', prob=1.0, level=5),
    dict(type='CutOut', n_holes=2, cutout_shape=(4, 4)),
    dict(type='MinIoURandomCrop'),
]


def run(steps, channels, dtype):
    init_default_scope('mmdet')
    image = np.random.default_rng(0).integers(0, 256, (64, 48, 1)).astype(dtype)
    sample = {
        'img': np.repeat(image, channels, axis=2), 'img_path': 'a.png', 'img_id': 0,
        'img_shape': (64, 48), 'ori_shape': (64, 48), 'height': 64, 'width': 48,
        'scale_factor': (1.0, 1.0),
        'instances': [{'bbox': [5, 5, 30, 30], 'bbox_label': 0, 'ignore_flag': 0}],
    }  # fmt: skip
    load = dict(type='LoadAnnotations', with_bbox=True)
    np.random.seed(0)
    return Compose([load, *steps, dict(type='mmdefect.PackInputs')])(sample)


def name(case):
    return case['type']


@pytest.mark.parametrize('dtype', ['uint8', 'float32'])
@pytest.mark.parametrize('step', GREY, ids=name)
def test_one_channel_stays_one_channel(step, dtype):
    packed = run([step], 1, dtype)
    assert packed['inputs'].shape[0] == 1
    assert str(packed['inputs'].dtype) == f'torch.{dtype}'
    assert tuple(packed['inputs'].shape[1:]) == packed['data_samples'].img_shape


@pytest.mark.parametrize('dtype', ['uint8', 'float32'])
@pytest.mark.parametrize('step', COLOUR, ids=name)
def test_colour_steps_work_before_to_grey(step, dtype):
    # YOLOXHSVRandomAug fails on flipped views, so nothing is flipped before it.
    packed = run([step, dict(type='mmdefect.ToGrey')], 3, dtype)
    assert packed['inputs'].shape[0] == 1
    assert tuple(packed['inputs'].shape[1:]) == packed['data_samples'].img_shape


@pytest.mark.parametrize('shape', [(4, 6), (4, 6, 1), (4, 6, 3)])
def test_to_grey_keeps_equal_channels(shape):
    image = np.full(shape, 7, np.float32)
    grey = TRANSFORMS.build(dict(type='mmdefect.ToGrey'))({'img': image})['img']
    assert grey.shape == (4, 6, 1) and grey.dtype == np.float32
    np.testing.assert_allclose(grey, 7, rtol=1e-6)


def test_to_grey_takes_the_weights_of_the_loader():
    image = np.random.default_rng(0).integers(0, 256, (8, 9, 3), np.uint8)
    from mmdefect.datasets.model_range import to_model_range

    grey = TRANSFORMS.build(dict(type='mmdefect.ToGrey'))({'img': image.copy()})['img']
    np.testing.assert_array_equal(grey, to_model_range(image, channels=1))


def test_to_grey_refuses_what_it_does_not_know():
    with pytest.raises(InputError, match='unknown key'):
        TRANSFORMS.build(dict(type='mmdefect.ToGrey', channels=1))
    with pytest.raises(InputError, match=r'1 or 3 channels, got shape \(4, 6, 4\) for a\.png'):
        TRANSFORMS.build(dict(type='mmdefect.ToGrey'))(
            {'img': np.zeros((4, 6, 4), np.uint8), 'img_path': 'a.png'}
        )
