from __future__ import annotations

import copy

import pytest
import torch
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
from mmdet.registry import MODELS as MMDET
from mmdet.utils import register_all_modules

from mmdefect.errors import InputError
from mmdefect.models import MultiLevelRoIExtractor

STRIDES = [4, 8, 16, 32]


def make_pair(**layer):
    arguments = dict(
        roi_layer=dict(type='RoIAlign', output_size=7, sampling_ratio=0, **layer),
        out_channels=5,
        featmap_strides=STRIDES,
    )
    return MultiLevelRoIExtractor(**copy.deepcopy(arguments)), SingleRoIExtractor(**arguments)


def make_input(number=40, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    features = [
        torch.randn(2, 5, 256 // stride, 384 // stride, generator=generator).to(dtype)
        for stride in STRIDES
    ]
    centre = torch.rand(number, 2, generator=generator) * torch.tensor([384.0, 256.0])
    # From 8 to 724 pixels, over all levels; some reach over the border.
    size = 2 ** (3 + 6.5 * torch.rand(number, 1, generator=generator))
    size = size * 2 ** (torch.rand(number, 2, generator=generator) - 0.5)
    image = torch.arange(number)[:, None] % 2
    return features, torch.cat([image, centre - size / 2, centre + size / 2], 1)


@pytest.mark.parametrize('factor', [None, 1.3])
@pytest.mark.parametrize('layer', [{}, {'aligned': False}, {'pool_mode': 'max'}])
def test_numbers_and_gradients_of_the_stock_extractor(layer, factor):
    ours, stock = make_pair(**layer)
    features, rois = make_input()
    assert set(ours.map_roi_levels(rois, 4).tolist()) == {0, 1, 2, 3}
    results = []
    for extractor in (ours, stock):
        inputs = [level.clone().requires_grad_() for level in features]
        output = extractor(inputs, rois, roi_scale_factor=factor)
        output.square().sum().backward()
        results.append([output.detach(), *(level.grad for level in inputs)])
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)


def test_finest_scale_moves_the_levels():
    features, rois = make_input()
    layer = dict(type='RoIAlign', output_size=3, sampling_ratio=2)
    ours = MultiLevelRoIExtractor(layer, 5, STRIDES, finest_scale=20)
    stock = SingleRoIExtractor(layer, 5, STRIDES, finest_scale=20)
    torch.testing.assert_close(ours(features, rois), stock(features, rois), rtol=1e-4, atol=1e-4)


def test_bfloat16_features_keep_float32_rois():
    ours, _ = make_pair()
    features, _ = make_input(dtype=torch.bfloat16)
    rois = torch.tensor([[0.0, 333.0, 101.3, 361.2, 130.9]])
    output = ours(features, rois)
    expected = ours([level.float() for level in features], rois)
    assert output.dtype == torch.bfloat16
    assert (output.float() - expected).abs().max() < 2e-2 * expected.abs().max()
    rounded = ours(features, rois.bfloat16())
    assert (rounded.float() - expected).abs().max() > 5e-2 * expected.abs().max()


@pytest.mark.parametrize('last', [False, True])
def test_a_fully_connected_layer_reads_the_output_without_a_copy(last):
    ours, _ = make_pair()
    features, rois = make_input()
    if last:
        features = [level.contiguous(memory_format=torch.channels_last) for level in features]
    output = ours(features, rois)
    assert output.flatten(1).data_ptr() == output.data_ptr()


def test_no_rois_and_unused_levels_give_zero_gradients():
    ours, _ = make_pair()
    features, rois = make_input(1)
    for chosen in (rois, rois[:0]):
        inputs = [level.clone().requires_grad_() for level in features]
        output = ours(inputs, chosen)
        assert output.shape == (len(chosen), 5, 7, 7)
        output.sum().backward()
        assert all(level.grad is not None for level in inputs)
        assert sum(bool(level.grad.any()) for level in inputs) == len(chosen)


def test_single_level_scales_rois_too():
    layer = dict(type='RoIAlign', output_size=2, sampling_ratio=1)
    ours = MultiLevelRoIExtractor(layer, 1, [1])
    features = [torch.arange(16.0).view(1, 1, 4, 4)]
    rois = torch.tensor([[0.0, 1, 1, 3, 3]])
    scaled = ours(features, rois, roi_scale_factor=2.0)
    assert torch.equal(scaled, ours(features, torch.tensor([[0.0, 0, 0, 4, 4]])))


def test_a_stock_config_needs_only_the_type():
    register_all_modules()
    stock = dict(
        type='SingleRoIExtractor',
        roi_layer=dict(type='RoIAlign', output_size=14, sampling_ratio=0),
        out_channels=256,
        featmap_strides=STRIDES,
    )
    extractor = MMDET.build({**stock, 'type': 'mmdefect.MultiLevelRoIExtractor'})
    assert isinstance(extractor, MultiLevelRoIExtractor)
    assert extractor.num_inputs == 4 and not list(extractor.parameters())


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'finest_scal': 7}, "unknown key 'finest_scal'; did you mean 'finest_scale'?"),
        ({'roi_layer': dict(type='RoIAlign', output_siz=7)}, "'output_siz'; did you mean 'output"),
        ({'roi_layer': dict(type='RoIPool', output_size=7)}, "type 'RoIAlign', got 'RoIPool'"),
    ],
)
def test_bad_config(change, message):
    arguments = dict(
        roi_layer=dict(type='RoIAlign', output_size=7), out_channels=5, featmap_strides=STRIDES
    )
    with pytest.raises(InputError, match=message):
        MultiLevelRoIExtractor(**{**arguments, **change})


def test_bad_rois_are_named():
    ours, _ = make_pair()
    features, rois = make_input()
    rois[3, 1] = float('nan')
    with pytest.raises(ValueError, match=r'rois must be finite, got \[1.0, nan, .* at index 3'):
        ours(features, rois)
    with pytest.raises(ValueError, match='features must be as many as spatial_scales .* 3 and 4'):
        ours(features[:3], rois[:3])
