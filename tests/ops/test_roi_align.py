from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdefect import ops
from mmdefect.ops import roi_kernels
from mmdefect.ops.roi_align import roi_align_backward, roi_align_forward


@pytest.fixture(autouse=True)
def _ours(monkeypatch):
    monkeypatch.setenv('MMDEFECT_OPS', 'torch')


def reference_roi_align(features, rois, size, scale, ratio, mode, aligned):
    """One sample at a time, positions in float32 as compiled versions have them."""
    f = np.float32
    _, channels, height, width = features.shape
    output = np.zeros((len(rois), channels, *size))
    for k, (image, *box) in enumerate(np.asarray(rois, f)):
        x1, y1, x2, y2 = (f(v * f(scale)) - f(0.5 if aligned else 0) for v in box)
        roi_h, roi_w = y2 - y1, x2 - x1
        if not aligned:
            roi_h, roi_w = max(roi_h, f(1)), max(roi_w, f(1))
        bin_h, bin_w = roi_h / f(size[0]), roi_w / f(size[1])
        grid_h = ratio or math.ceil(bin_h)
        grid_w = ratio or math.ceil(bin_w)
        for i in range(size[0]):
            for j in range(size[1]):
                values = []
                for a in range(grid_h):
                    for b in range(grid_w):
                        y = y1 + f(i) * bin_h + f(a + 0.5) * bin_h / f(grid_h)
                        x = x1 + f(j) * bin_w + f(b + 0.5) * bin_w / f(grid_w)
                        values.append(interpolate(features[int(image)], float(y), float(x)))
                if values:
                    output[k, :, i, j] = np.mean(values, 0) if mode == 'avg' else np.max(values, 0)
    return output


def interpolate(plane, y, x):
    _, height, width = plane.shape
    if y < -1 or y > height or x < -1 or x > width:
        return np.zeros(len(plane))
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    v, u = y - top, x - left
    return (
        (1 - v) * (1 - u) * plane[:, top, left]
        + (1 - v) * u * plane[:, top, right]
        + v * (1 - u) * plane[:, bottom, left]
        + v * u * plane[:, bottom, right]
    )


def make_features(shape=(2, 3, 6, 9), seed=0, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


# Inside, across every border, outside, empty, one pixel, larger than the map.
ROIS = torch.tensor(
    [
        [0, 3.2, 1.1, 20.7, 15.3],
        [1, -9, -7, 5, 4],
        [1, 30, 20, 50, 40],
        [0, 100, 100, 140, 120],
        [0, 8, 8, 8, 8],
        [1, 8, 8, 9, 9],
        [0, -60, -40, 90, 100],
        [1, 0, 0, 36, 24],
    ]
)
OPTIONS = [
    (ratio, mode, aligned)
    for ratio in (0, 1, 2)
    for mode in ('avg', 'max')
    for aligned in (True, False)
]


@pytest.mark.parametrize(('ratio', 'mode', 'aligned'), OPTIONS)
@pytest.mark.parametrize('size', [(2, 3), (1, 1)])
def test_equals_reference(ratio, mode, aligned, size):
    features = make_features()
    output = ops.roi_align(features, ROIS, size, 0.25, ratio, mode, aligned)
    expected = reference_roi_align(features.numpy(), ROIS, size, 0.25, ratio, mode, aligned)
    assert output.shape == (len(ROIS), 3, *size) and output.dtype == torch.float32
    np.testing.assert_allclose(output.numpy(), expected, atol=1e-5)


coordinate = st.floats(-20, 60, width=32)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 1), *[coordinate] * 4), min_size=1, max_size=4),
    st.sampled_from(OPTIONS),
    st.sampled_from([1.0, 0.5, 0.125]),
)
def test_random_rois_equal_reference(rows, option, scale):
    ordered = [
        (b, min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)) for b, x1, y1, x2, y2 in rows
    ]
    rois = torch.tensor(ordered, dtype=torch.float32)
    features = make_features((2, 2, 5, 4))
    output = ops.roi_align(features, rois, (2, 2), scale, *option)
    expected = reference_roi_align(features.numpy(), rois, (2, 2), scale, *option)
    np.testing.assert_allclose(output.numpy(), expected, atol=1e-4)


@pytest.mark.parametrize(('ratio', 'mode', 'aligned'), OPTIONS)
def test_gradient(ratio, mode, aligned):
    features = make_features((2, 2, 4, 5), dtype=torch.float64).requires_grad_()
    rois = ROIS * torch.tensor([1, 0.5, 0.5, 0.5, 0.5])
    assert torch.autograd.gradcheck(
        lambda x: ops.roi_align(x, rois, (2, 2), 0.25, ratio, mode, aligned), features
    )


@pytest.mark.parametrize('mode', ['avg', 'max'])
@pytest.mark.parametrize('ratio', [0, 2])
def test_pieces_do_not_change_the_result(monkeypatch, mode, ratio):
    def run():
        features = make_features().requires_grad_()
        output = ops.roi_align(features, ROIS, 2, 0.25, ratio, mode)
        (output * torch.arange(2.0)).sum().backward()
        return output.detach(), features.grad

    whole = run()
    monkeypatch.setattr(roi_kernels, '_TERMS', 50)
    monkeypatch.setattr(roi_kernels, '_VALUES', 50)
    for ours, theirs in zip(run(), whole, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_channels_last_features_are_not_copied():
    features = make_features((2, 8, 6, 9)).contiguous(memory_format=torch.channels_last)
    table = roi_kernels.rows_by_pixel(features)
    assert table.data_ptr() == features.data_ptr() and table.is_contiguous()
    output = ops.roi_align(features, ROIS, 2, 0.25, 2)
    torch.testing.assert_close(output, ops.roi_align(features.contiguous(), ROIS, 2, 0.25, 2))
    assert output.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize('mode', ['avg', 'max'])
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_features_keep_exact_geometry(mode, dtype):
    # 333 is no bfloat16 number: rounding the RoI to 332 would move every sample.
    features = make_features((1, 3, 20, 90)).to(dtype).requires_grad_()
    rois = torch.tensor([[0.0, 290.3, 11.7, 333.0, 60.9]])
    wide = features.detach().float().requires_grad_()
    output = ops.roi_align(features, rois, 3, 0.25, 0, mode)
    expected = ops.roi_align(wide, rois, 3, 0.25, 0, mode)
    assert output.dtype == dtype
    torch.testing.assert_close(output, expected.to(dtype))
    output.float().sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(features.grad, wide.grad.to(dtype))


@pytest.mark.parametrize('mode', ['avg', 'max'])
def test_no_rois_keep_the_graph(mode):
    features = make_features().requires_grad_()
    output = ops.roi_align(features, torch.zeros(0, 5), (2, 3), 0.25, 0, mode)
    assert output.shape == (0, 3, 2, 3)
    output.sum().backward()
    assert features.grad.abs().sum() == 0


@pytest.mark.parametrize('mode', ['avg', 'max'])
def test_giant_roi_is_as_cheap_as_the_map(mode):
    # 2.5e9 samples, all but a few hundred of them beside the map.
    features = -torch.ones(1, 1, 12, 12)
    rois = torch.tensor([[0.0, -1e5, -1e5, 1e5, 1e5]])
    output = ops.roi_align(features, rois, 3, 0.25, 0, mode)
    assert not output[0, 0, [0, 0, 0, 1, 1, 2, 2, 2], [0, 1, 2, 0, 2, 0, 1, 2]].any()
    # The middle bin: about 14 by 14 of its samples, half a pixel more on each side, hit the map.
    share = -output[0, 0, 1, 1] * 16667**2
    assert 13**2 <= share <= 14**2 if mode == 'avg' else share == 0


def test_halves_for_the_compiled_interface():
    features = make_features().requires_grad_()
    for mode in ('avg', 'max'):
        options = (0.25, 2, mode, True)
        output, y, x = roi_align_forward(features.detach(), ROIS, (2, 2), *options)
        expected = ops.roi_align(features, ROIS, 2, *options)
        assert torch.equal(output, expected)
        weights = make_features(tuple(expected.shape), seed=1)
        (grad,) = torch.autograd.grad(expected, features, weights)
        ours = roi_align_backward(weights, ROIS, y, x, tuple(features.shape), *options)
        torch.testing.assert_close(ours, grad)
    with pytest.raises(ValueError, match='argmax_y and argmax_x must be given'):
        roi_align_backward(weights, ROIS, None, None, tuple(features.shape), *options)


def with_row(*values):
    return torch.cat([ROIS, torch.tensor([values])])


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'features': torch.zeros(3, 4, 4)}, 'features must be floating point of shape'),
        ({'features': torch.zeros(2, 3, 0, 4)}, 'features must be .* with H, W > 0'),
        ({'rois': torch.zeros(2, 4)}, r'rois must be of shape \(K, 5\), got \(2, 4\)'),
        ({'rois': with_row(0, 1, float('nan'), 2, 2)}, 'rois must be finite, got .*nan.* index 8'),
        ({'rois': with_row(2, 1.0, 1, 2, 2)}, 'rois must be with a batch index in 0..1'),
        ({'rois': with_row(-1, 1.0, 1, 2, 2)}, 'rois must be with a batch index in 0..1'),
        ({'rois': with_row(0, 5.0, 1, 2, 2)}, 'rois must be of non-negative size when aligned'),
        ({'output_size': 0}, r'output_size must be positive \(h, w\), got \(0, 0\)'),
        ({'output_size': (1, 2, 3)}, r'output_size must be positive \(h, w\), got \(1, 2, 3\)'),
        ({'spatial_scale': 0.0}, 'spatial_scale must be positive, got 0.0'),
        ({'spatial_scale': float('nan')}, 'spatial_scale must be positive, got nan'),
        ({'sampling_ratio': -1}, 'sampling_ratio must be >= 0, got -1'),
        ({'pool_mode': 'mean'}, "pool_mode must be one of avg, max, got 'mean'"),
    ],
)
def test_bad_input(change, message):
    with pytest.raises(ValueError, match=message):
        ops.roi_align(**{'features': make_features(), 'rois': ROIS, 'output_size': 2, **change})


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')
@pytest.mark.parametrize('mode', ['avg', 'max'])
def test_cuda_equals_cpu(mode):
    features = make_features()
    output = ops.roi_align(features.cuda(), ROIS.cuda(), 2, 0.25, 0, mode)
    torch.testing.assert_close(output.cpu(), ops.roi_align(features, ROIS, 2, 0.25, 0, mode))
