"""Sizes that are followed against what the transforms do to real images."""

from __future__ import annotations

import numpy as np
import pytest
from mmdet.registry import TRANSFORMS

import mmdefect  # noqa: F401
from mmdefect.datasets.seeded_draw import seeded
from mmdefect.engine.anchors.resizing import pipeline_steps, resize_images
from mmdefect.errors import InputError

STEPS = [
    dict(type='Resize', scale=(64, 48), keep_ratio=True),
    dict(type='mmdet.Resize', scale=(64, 48), keep_ratio=False),
    dict(type='Resize', scale_factor=1.5, keep_ratio=True),
    dict(type='Resize', scale_factor=(0.5, 2.0)),
    dict(type='FixScaleResize', scale=(70, 40), keep_ratio=True),
    dict(type='RandomResize', scale=(64, 48), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomResize', scale=[(64, 30), (64, 60)], keep_ratio=True),
    dict(type='RandomChoiceResize', scales=[(64, 30), (90, 60)], keep_ratio=True),
    dict(type='RandomChoiceResize', scales=[30, 60], keep_ratio=True),
    dict(type='RandomCrop', crop_size=(40, 30), allow_negative_crop=True),
    dict(
        type='RandomCrop', crop_size=(0.3, 0.6), crop_type='relative', allow_negative_crop=True
    ),
]  # fmt: skip


@pytest.mark.parametrize('step', STEPS, ids=lambda step: step['type'])
@pytest.mark.parametrize('size', [(100, 37), (33, 80)])
def test_one_step(step, size):
    width, height = size
    transform = TRANSFORMS.build(dict(step))
    boxes = np.array([[2, 3, 20, 30]], np.float32)
    sample = dict(
        img=np.zeros((height, width, 3), np.uint8), img_shape=(height, width),
        gt_bboxes=boxes.copy(), gt_bboxes_labels=np.zeros(1, np.int64),
    )  # fmt: skip
    with seeded(5):
        done = transform(sample)
    found = resize_images([step], np.array([size]), seed=5)
    assert found.sizes.tolist() == [list(done['img'].shape[1::-1])]
    if found.cuts:
        assert found.cuts == ['RandomCrop'] and (found.factors == 1).all()
    else:
        resized = getattr(done['gt_bboxes'], 'tensor', done['gt_bboxes'])
        np.testing.assert_allclose(
            boxes * np.tile(found.factors, 2), np.asarray(resized), rtol=1e-5
        )


def test_a_crop_before_a_resize_keeps_the_scale_of_the_crop():
    steps = [
        dict(type='mmdefect.RegisteredCrop', crop_size=(320, 320)),
        dict(
            type='mmdefect.PerView',
            transforms=[dict(type='Resize', scale=(640, 640), keep_ratio=True)],
        ),
        dict(type='Mosaic'),
    ]
    found = resize_images(steps, np.array([[1000, 700], [100, 320]]))
    assert found.factors.tolist() == [[2.0, 2.0], [2.0, 2.0]]
    assert found.sizes.tolist() == [[640, 640], [200, 640]]
    assert (found.cuts, found.not_followed) == (['RegisteredCrop'], ['Mosaic'])


def test_each_image_has_its_own_draw():
    step = dict(type='RandomResize', scale=(64, 64), ratio_range=(0.5, 2), keep_ratio=True)
    sizes = np.tile([[100, 100]], (50, 1))
    found = resize_images([step], sizes, seed=1).sizes
    assert len(np.unique(found, axis=0)) > 20
    assert (found == resize_images([step], sizes, seed=1).sizes).all()


def test_branches():
    resize = dict(type='Resize', scale=(8, 8))
    branches = dict(type='MultiBranch', sup=[resize], unsup_teacher=[dict(type='Mosaic')])
    assert [name for name, _ in pipeline_steps([branches])] == ['MultiBranch', 'Resize']
    assert list(pipeline_steps(None)) == []


@pytest.mark.parametrize(
    ('step', 'message'),
    [
        (dict(type='Resize', scael=(4, 4)), "TypeError: .*unexpected keyword argument 'scael'"),
        (dict(type='Resize'), 'AssertionError: `scale` and`scale_factor`'),
        (dict(type='Resize', scale='abc'), "ValueError: .*'abc'"),
        (dict(type='Resize', scale=(4, 4, 4)), 'ValueError: '),
        (dict(type='RandomCrop', crop_size=(-1, 3)), 'AssertionError'),
        (dict(type='RandomChoiceResize', scales=[]), 'ValueError: '),
    ],
)
def test_bad_steps(step, message):
    where = rf'^c.py: {step["type"]}: cannot be used \({message}'
    with pytest.raises(InputError, match=where):
        resize_images([step], np.array([[100, 80]]), name='c.py')
