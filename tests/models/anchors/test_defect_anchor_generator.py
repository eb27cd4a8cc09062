from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.models.task_modules.prior_generators import AnchorGenerator
from mmdet.registry import MODELS, TASK_UTILS
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.utils import register_all_modules
from mmengine.config import ConfigDict

from mmdefect.errors import InputError
from mmdefect.models import DefectAnchorGenerator

SEVEN = [0.2, 0.35, 0.45, 0.55, 0.65, 1, 2]
SIZES = [(12, 16), (6, 8), (3, 4)]
RIGHT = dict(strides=[8, 16, 32], ratios=SEVEN, ratio_order='w/h', scales=[4])


def numbers(low, high):
    return st.floats(low, high, allow_nan=False)


@settings(max_examples=40, deadline=None)
@given(
    ratios=st.lists(numbers(0.05, 20), min_size=1, max_size=7),
    scales=st.lists(numbers(0.25, 16), min_size=1, max_size=3),
    base_sizes=st.none() | st.lists(numbers(2, 512), min_size=3, max_size=3),
    scale_major=st.booleans(),
    center_offset=st.sampled_from([0.0, 0.5, 1.0]),
    order=st.sampled_from(['w/h', 'h/w']),
    strides=st.sampled_from([[8, 16, 32], [(8, 4), (16, 8), (32, 16)]]),
)
def test_same_numbers_as_the_stock_generator(ratios, order, **options):
    stock = [1 / ratio for ratio in ratios] if order == 'w/h' else ratios
    ours = DefectAnchorGenerator(ratios=ratios, ratio_order=order, **options)
    theirs = AnchorGenerator(ratios=stock, **options)
    for mine, other in zip(
        ours.grid_priors(SIZES, device='cpu'), theirs.grid_priors(SIZES, device='cpu'), strict=True
    ):
        assert mine.dtype == torch.float32 and torch.equal(mine, other)


@settings(max_examples=40, deadline=None)
@given(
    ratios=st.lists(numbers(0.05, 20), min_size=1, max_size=7),
    scales=st.lists(numbers(0.25, 16), min_size=1, max_size=3),
)
def test_the_two_orders_are_transposes_of_each_other(ratios, scales):
    wide, tall = (
        DefectAnchorGenerator([16], ratios, order, scales=scales).base_anchors[0]
        for order in ('w/h', 'h/w')
    )
    torch.testing.assert_close(wide, tall[:, [1, 0, 3, 2]], rtol=1e-5, atol=1e-5)


def test_shapes_areas_and_places_against_the_definition():
    sizes, scales = [30.0, 70.0, 110.0], [0.5, 1.25]
    generator = DefectAnchorGenerator([8, 16, 32], SEVEN, 'w/h', scales, sizes, center_offset=0.5)
    for level, (rows, columns) in enumerate(SIZES):
        found = generator.grid_priors(SIZES, device='cpu')[level].double().numpy()
        expected = []
        for y in range(rows):
            for x in range(columns):
                for ratio in SEVEN:
                    for scale in scales:
                        w = sizes[level] * scale * ratio**0.5
                        h = sizes[level] * scale / ratio**0.5
                        left, top = np.array([x, y]) * (8 << level) + sizes[level] / 2
                        expected.append([left - w / 2, top - h / 2, left + w / 2, top + h / 2])
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)


def test_a_narrow_defect_is_covered_in_the_right_order_only():
    # 20 x 44 pixels is w/h .45.
    def best(order):
        anchors = DefectAnchorGenerator([4], SEVEN, order, scales=[8]).base_anchors[0]
        w, h = anchors[:, 2] - anchors[:, 0], anchors[:, 3] - anchors[:, 1]
        scale = (20 * 44) ** 0.5 / (w * h).sqrt()
        overlap = (w * scale).clamp(max=20) * (h * scale).clamp(max=44)
        return (overlap / (2 * 20 * 44 - overlap)).max().item()

    assert best('w/h') > 0.98 and best('h/w') < 0.92


def test_octaves_of_a_stock_retinanet_config():
    octaves = dict(octave_base_scale=4, scales_per_octave=3)
    ours = DefectAnchorGenerator([8], [0.5, 1, 2], 'h/w', **octaves)
    theirs = AnchorGenerator([8], [0.5, 1, 2], **octaves)
    assert torch.equal(ours.base_anchors[0], theirs.base_anchors[0])
    assert ours.num_base_priors == [9]


def test_sparse_priors_flags_and_box_types():
    ours = DefectAnchorGenerator(**RIGHT, use_box_type=True)
    level = ours.grid_priors(SIZES, device='cpu')[1]
    assert isinstance(level, HorizontalBoxes)
    indices = torch.tensor([0, 5, 111, 335])
    assert torch.equal(
        ours.sparse_priors(indices, SIZES[1], 1, device='cpu'), level.tensor[indices]
    )
    flags = ours.valid_flags(SIZES, (96, 64), 'cpu')
    assert [len(flag) for flag in flags] == [12 * 16 * 7, 6 * 8 * 7, 3 * 4 * 7]
    assert [int(flag.sum()) for flag in flags] == [12 * 8 * 7, 6 * 4 * 7, 3 * 2 * 7]


def test_says_in_which_order_its_ratios_are():
    generator = DefectAnchorGenerator([8], [0.5], 'w/h', scales=[1])
    assert generator.ratio_order == 'w/h'
    assert generator.ratios.tolist() == [2.0]  # height / width, as whoever reads a stock one takes
    assert 'ratios (h/w)=tensor([2.])' in repr(generator)


HEADS = {
    'anchor': dict(type='AnchorHead', num_classes=3, in_channels=4),
    'rpn': dict(type='RPNHead', in_channels=4, feat_channels=4),
    'retina': dict(
        type='RetinaHead', num_classes=3, in_channels=4, feat_channels=4, stacked_convs=1
    ),
}


@pytest.mark.parametrize('kind', HEADS)
def test_heads_find_it_by_its_prefix(kind):
    register_all_modules()
    generator = dict(type='mmdefect.DefectAnchorGenerator', **RIGHT)
    heads = [
        MODELS.build({**copy.deepcopy(HEADS[kind]), 'anchor_generator': entry})
        for entry in (
            ConfigDict(generator),
            dict(type='AnchorGenerator', strides=[8, 16, 32], scales=[4],
                 ratios=[1 / ratio for ratio in SEVEN]),
        )
    ]  # fmt: skip
    assert isinstance(heads[0].prior_generator, DefectAnchorGenerator)
    heads[1].load_state_dict(heads[0].state_dict())
    features = [torch.rand(1, 4, *size) for size in SIZES]
    meta = [dict(img_shape=(96, 128), pad_shape=(96, 128), batch_input_shape=(96, 128))]
    test_cfg = ConfigDict(
        nms_pre=20, min_bbox_size=0, score_thr=0.0, max_per_img=9,
        nms=dict(type='nms', iou_threshold=0.7),
    )  # fmt: skip
    found = [
        head.predict_by_feat(*head(features), batch_img_metas=meta, cfg=test_cfg)[0]
        for head in heads
    ]
    assert len(found[0]) == 9
    assert torch.equal(found[0].bboxes, found[1].bboxes)
    assert torch.equal(found[0].scores, found[1].scores)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'ratio_order': None}, "ratio_order is missing; say 'w/h' .* or 'h/w'"),
        ({'ratio_order': 'wh'}, "ratio_order cannot be 'wh'; say 'w/h'"),
        ({'ratios': []}, r'ratios must be a list of one number or more, got \[\]'),
        ({'ratios': [1, 0.0]}, 'ratios must be finite and above 0, got 0.0'),
        ({'ratios': [float('nan')]}, 'ratios must be finite and above 0, got nan'),
        ({'ratios': ['1']}, 'ratios must be a list of one number or more'),
        ({'ratios': 0.5}, 'ratios must be a list of one number or more, got 0.5'),
        ({'strides': 8}, 'strides must be a list of one number or more, got 8'),
        ({'scales': '4'}, "scales must be a list of one number or more, got '4'"),
        ({'strides': [8, 16, -32]}, 'strides must be finite and above 0, got -32'),
        ({'scales': [float('inf')]}, 'scales must be finite and above 0, got inf'),
        ({'scales': None}, 'either scales, or octave_base_scale and scales_per_octave'),
        ({'octave_base_scale': 4}, 'either scales, or octave_base_scale and scales_per_octave'),
        ({'scales': None, 'octave_base_scale': 4}, 'either scales, or octave_base_scale and'),
        ({'scales': None, 'octave_base_scale': 4, 'scales_per_octave': 0}, 'above 0, got 0'),
        ({'scales': None, 'octave_base_scale': 4, 'scales_per_octave': 1.5}, 'be whole, got 1.5'),
        ({'base_sizes': [8, 16]}, 'base_sizes must have one entry per stride, got 2 for 3'),
        ({'base_sizes': [8, 16, 0]}, 'base_sizes must be finite and above 0, got 0'),
        ({'centers': [(0, 0)]}, 'centers must have one entry per stride, got 1 for 3'),
        ({'centers': [(0, 0)] * 3, 'center_offset': 0.5}, 'either centers or center_offset'),
        ({'center_offset': 1.5}, r'center_offset must be in 0..1, got 1.5'),
        ({'center_offset': 'half'}, r"center_offset must be in 0..1, got 'half'"),
        ({'centers': [(0, 0), (float('nan'), 0), (0, 0)]}, r'pairs of finite numbers, got \(nan'),
        ({'centers': [3, 3, 3]}, 'centers must be pairs of finite numbers, got 3'),
        ({'centers': [('a', 0)] * 3}, 'centers must be pairs of finite numbers'),
        ({'strides': [(8, 8, 8)] * 3}, r'strides must be a list of one number or more'),
        ({'rations': [1]}, "unknown key 'rations'; did you mean 'ratios'?"),
    ],
)
def test_bad_config(change, message):
    with pytest.raises(InputError, match=message):
        TASK_UTILS.build(dict(type='mmdefect.DefectAnchorGenerator', **{**RIGHT, **change}))


@pytest.mark.parametrize('key', ['strides', 'ratios', 'ratio_order'])
def test_missing_keys_are_named(key):
    with pytest.raises(InputError, match=f'{key}.* is missing'):
        DefectAnchorGenerator(**{name: RIGHT[name] for name in RIGHT if name != key})
