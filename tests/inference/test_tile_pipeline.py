from __future__ import annotations

import numpy as np
import pytest

from mmdefect.inference.tile_pipeline import TilePipeline

PIPELINE = [
    dict(type='mmdefect.LoadImage'),
    dict(type='mmdet.Resize', scale=(12, 12), keep_ratio=True),
    dict(type='mmdet.Pad', size=(12, 12), pad_val=dict(img=114)),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='mmdefect.PackInputs'),
]


def test_steps_between_loading_and_packing():
    inputs, sample = TilePipeline(PIPELINE)(np.full((3, 6, 3), 7, np.uint8))
    assert tuple(inputs.shape) == (3, 12, 12)
    assert inputs[:, :6].unique().tolist() == [7] and inputs[:, 6:].unique().tolist() == [114]
    assert sample.ori_shape == (3, 6) and tuple(sample.scale_factor) == (2, 2)


def test_without_steps_the_tile_is_copied():
    pixels = np.zeros((4, 4, 1), np.float32)
    inputs, sample = TilePipeline([])(pixels)
    pixels[:] = 1
    assert not inputs.any() and inputs.is_contiguous()
    assert sample.scale_factor == (1.0, 1.0) and sample.img_shape == (4, 4)


def test_a_whole_image_is_scaled_to_fit():
    inputs, sample = TilePipeline(PIPELINE, fit_into=(24, 24))(np.zeros((10, 40, 3), np.uint8))
    assert sample.img_shape == inputs.shape[1:]
    assert tuple(sample.scale_factor) == pytest.approx((0.6, 0.6))


def test_unknown_step():
    with pytest.raises(ValueError, match='pipeline of tiles'):
        TilePipeline([dict(type='Resise')])
