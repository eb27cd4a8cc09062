from __future__ import annotations

import math
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdefect import ops
from mmdefect.ops import roi_kernels, roi_maxima
from mmdefect.ops.roi_function import Pooling, roi_align_backward, roi_align_forward


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


def ordered(rows):
    """RoIs of rows (level or image, x, y, x, y) in any order of corners."""
    rois = [(b, min(x, u), min(y, v), max(x, u), max(y, v)) for b, x, y, u, v in rows]
    return torch.tensor(rois, dtype=torch.float32).view(-1, 5)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 1), *[coordinate] * 4), max_size=5),
    st.sampled_from([*OPTIONS, (3, 'avg', True), (3, 'avg', False)]),
    st.sampled_from([1.0, 0.5, 0.125]),
    st.tuples(*[st.integers(1, 9)] * 2),
    st.tuples(*[st.integers(1, 4)] * 2),
    st.booleans(),
)
def test_random_rois_equal_reference(rows, option, scale, plane, size, last):
    rois, features = ordered(rows), make_features((2, 2, *plane))
    if last:
        features = features.contiguous(memory_format=torch.channels_last)
    output = ops.roi_align(features, rois, size, scale, *option)
    expected = reference_roi_align(features.numpy(), rois, size, scale, *option)
    np.testing.assert_allclose(output.numpy(), expected, atol=1e-4)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), *[coordinate] * 4), max_size=8),
    st.sampled_from(OPTIONS),
)
def test_levels_equal_calls_per_level(rows, option):
    rois, scales = ordered(rows), (0.5, 0.25, 0.125)
    levels, rois[:, 0] = rois[:, 0].long(), torch.arange(len(rois)) % 2
    shapes = [(2, 3, 12, 10), (2, 3, 6, 5), (2, 3, 3, 3)]
    ours = [make_features(shape).requires_grad_() for shape in shapes]
    each = [level.detach().clone().requires_grad_() for level in ours]
    output = ops.multilevel_roi_align(ours, rois, levels, (2, 3), scales, *option)
    expected = torch.zeros(len(rois), 3, 2, 3)
    for number, level in enumerate(each):
        place = levels == number
        part = ops.roi_align(level, rois[place], (2, 3), scales[number], *option)
        expected = expected.index_put((place,), part)
    assert torch.equal(output, expected) and output.is_contiguous()
    weights = make_features(tuple(output.shape), seed=1)
    output.backward(weights)
    expected.backward(weights)
    for level, alone in zip(ours, each, strict=True):
        assert torch.equal(level.grad, alone.grad)


@pytest.mark.parametrize('samples', [2, 3, 5])
def test_samples_one_pixel_apart_equal_reference(samples):
    # Bins as wide as samples: float32 rounds some steps to a little more than a pixel.
    generator = torch.Generator().manual_seed(samples)
    start = torch.rand(80, 2, generator=generator) * 20
    rois = torch.cat([torch.zeros(80, 1), start, start + 2 * samples], 1)
    features = make_features((1, 2, 30, 30))
    for ratio in (0, samples):
        output = ops.roi_align(features, rois, 2, 1.0, ratio, aligned=False)
        expected = reference_roi_align(features.numpy(), rois, (2, 2), 1.0, ratio, 'avg', False)
        # Between ceil(2) and ceil(2.0000002) samples the compiled versions jump too.
        close = np.isclose(output.numpy(), expected, atol=1e-4).all((1, 2, 3))
        assert close.all() if ratio else close.mean() > 0.5


def test_levels_without_rois_get_zeros_and_frozen_ones_nothing():
    features = [make_features((2, 3, 8, 8)).requires_grad_(number != 1) for number in range(3)]
    levels = torch.tensor([0] * len(ROIS))
    output = ops.multilevel_roi_align(features, ROIS, levels, 2, [0.25] * 3)
    output.sum().backward()
    assert features[0].grad.abs().sum() > 0
    assert features[1].grad is None
    assert torch.equal(features[2].grad, torch.zeros(2, 3, 8, 8))


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
    for name in ('_TERMS', '_GRADIENTS', '_CPU_BLOCK'):
        monkeypatch.setattr(roi_kernels, name, 50)
    monkeypatch.setattr(roi_maxima, '_VALUES', 50)
    for ours, theirs in zip(run(), whole, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_channels_last_features_are_not_copied():
    features = make_features((2, 8, 6, 9)).contiguous(memory_format=torch.channels_last)
    table = roi_kernels.rows_by_pixel(features)
    assert table.data_ptr() == features.data_ptr() and table.is_contiguous()


@pytest.mark.parametrize('ratio', [0, 2])
def test_output_and_gradient_have_the_format_of_the_features(ratio):
    results = []
    for wanted in (torch.contiguous_format, torch.channels_last):
        features = make_features((2, 8, 6, 9)).contiguous(memory_format=wanted).requires_grad_()
        output = ops.roi_align(features, ROIS, 2, 0.25, ratio)
        output.square().sum().backward()
        for values in (output, features.grad):
            assert values.is_contiguous(memory_format=wanted)
        results.append((output.detach(), features.grad))
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)


def test_thread_count_and_order_of_images_do_not_matter():
    features = make_features((2, 3, 30, 30)).requires_grad_()
    rois = torch.cat([ROIS] * 40) + torch.rand(320, 5).mul_(3) * torch.tensor([0, 1, 1, 1, 1])
    rois[:, 3:] += 3
    results = []
    before = torch.get_num_threads()
    for threads in (1, 2):
        torch.set_num_threads(threads)
        output = ops.roi_align(features, rois, 3, 0.5)
        (grad,) = torch.autograd.grad(output.square().sum(), features)
        results.append((output, grad))
    torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))
    order = rois[:, 0].argsort()
    assert torch.equal(ops.roi_align(features, rois[order], 3, 0.5), results[0][0][order])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != 'linux', reason='reads the peak memory of /proc')
@pytest.mark.parametrize('ratio', [0, 2])
def test_memory_is_bounded_for_100_000_rois(run_python, ratio):
    done = run_python('-c', _PEAK.format(ratio=ratio), MMDEFECT_OPS='torch')
    forward, backward = map(float, done.stdout.split())
    assert forward < 320 and backward < 600, done.stderr


_PEAK = """
import torch
from mmdefect import ops

def peak(reset=False):
    if reset:
        open('/proc/self/clear_refs', 'w').write('5')
    line = next(line for line in open('/proc/self/status') if line.startswith('VmHWM'))
    return int(line.split()[1]) / 1024

generator = torch.Generator().manual_seed(0)
features = torch.randn(2, 8, 64, 64, generator=generator, requires_grad=True)
centre = torch.rand(100_000, 2, generator=generator) * 256
size = torch.rand(100_000, 2, generator=generator) * 100
rois = torch.cat([torch.arange(100_000)[:, None] % 2, centre - size / 2, centre + size / 2], 1)
ops.roi_align(features, rois[:10], 7, 0.25, {ratio}).sum().backward()
before = peak(reset=True)
output = ops.roi_align(features, rois, 7, 0.25, {ratio})
print(peak() - before - output.numel() * 4 / 2**20)
grad = torch.ones_like(output)
before = peak(reset=True)
output.backward(grad)
print(peak() - before)
"""


def close(ours, expected, tolerance):
    """Largest difference, relative to the largest absolute value."""
    return (ours.float() - expected.float()).abs().max() <= tolerance * expected.abs().max()


@pytest.mark.parametrize('mode', ['avg', 'max'])
@pytest.mark.parametrize(('dtype', 'tolerance'), [(torch.bfloat16, 2e-2), (torch.float16, 2e-3)])
def test_half_features_keep_exact_geometry(mode, dtype, tolerance):
    # 333 is no bfloat16 number: rounding the RoI to 332 would move every sample.
    ramp = torch.arange(90.0).expand(1, 3, 20, 90)
    features = (make_features((1, 3, 20, 90)) + ramp / 8).to(dtype).requires_grad_()
    rois = torch.tensor([[0.0, 290.3, 11.7, 333.0, 60.9], [0, 0, 0, 360, 80]])
    wide = features.detach().float().requires_grad_()
    output = ops.roi_align(features, rois, 3, 0.25, 0, mode)
    expected = ops.roi_align(wide, rois, 3, 0.25, 0, mode)
    assert output.dtype == dtype
    assert close(output.detach(), expected.detach(), tolerance)
    weights = make_features(tuple(output.shape), seed=1)
    output.backward(weights.to(dtype))
    expected.backward(weights)
    assert features.grad.dtype == dtype
    if mode == 'avg':  # maxima of half features may lie elsewhere
        assert close(features.grad, wide.grad, tolerance)


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
    assert 168.999 <= share <= 14**2 if mode == 'avg' else share == 0


def test_halves_for_the_compiled_interface():
    features = make_features().requires_grad_()
    for mode in ('avg', 'max'):
        expected = ops.roi_align(features, ROIS, 2, 0.25, 2, mode)
        pooling = Pooling((2, 2), (0.25,), 2, mode, True)
        output, y, x = (torch.zeros(expected.shape) for _ in range(3))
        roi_align_forward(features.detach(), ROIS, pooling, output, y, x)
        assert torch.equal(output, expected)
        weights = make_features(tuple(expected.shape), seed=1)
        (grad,) = torch.autograd.grad(expected, features, weights)
        ours = torch.zeros(features.shape)
        roi_align_backward(weights, ROIS, pooling, y, x, ours)
        torch.testing.assert_close(ours, grad)


def with_row(*values):
    return torch.cat([ROIS, torch.tensor([values])])


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'features': torch.zeros(3, 4, 4)}, 'features must be floating point of shape'),
        ({'features': torch.zeros(2, 3, 0, 4)}, 'features must be .* with H, W > 0'),
        ({'rois': torch.zeros(2, 4)}, r'rois must be .* of shape \(K, 5\), got .*\(2, 4\)'),
        ({'rois': torch.zeros(2, 5).long()}, 'rois must be floating point .*, got torch.int64'),
        ({'rois': with_row(0, 1, float('nan'), 2, 2)}, 'rois must be finite, got .*nan.* index 8'),
        ({'rois': with_row(2, 1.0, 1, 2, 2)}, 'rois must be with a batch index in 0..1'),
        ({'rois': with_row(-1, 1.0, 1, 2, 2)}, 'rois must be with a batch index in 0..1'),
        ({'rois': with_row(0, 5.0, 1, 2, 2)}, 'rois must be of non-negative size when aligned'),
        ({'rois': ROIS.to('meta')}, 'rois must be on cpu as features are, got meta'),
        ({'rois': with_row(0.5, 1, 1, 2, 2)}, 'rois must be with a batch index in 0..1'),
        ({'rois': with_row(0, -3e38, 1, 3e38, 2)}, 'rois must be finite'),
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


LEVELS = torch.zeros(len(ROIS)).long()


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'features': []}, 'features must be as many as spatial_scales and not none, got 0 and 2'),
        ({'features': [make_features()] * 3}, 'features must be as many as spatial_scales'),
        (
            {'features': [make_features(), make_features((2, 4, 3, 3))]},
            r'features must agree in .*, got \(2, 4, torch.float32, .* at level 1 and \(2, 3, ',
        ),
        (
            {'features': [make_features(), make_features().double()]},
            'features must agree in .*, got .*torch.float64.* at level 1',
        ),
        ({'levels': LEVELS[1:]}, r'levels must be integers of shape \(8,\), got torch.int64 .*7'),
        ({'levels': LEVELS.float()}, 'levels must be integers .* got torch.float32'),
        ({'levels': LEVELS.to('meta')}, 'levels must be on cpu as rois are, got meta'),
        ({'levels': LEVELS - 1}, 'levels must be in 0..1, got -1 at index 0'),
        ({'levels': LEVELS + 2}, 'levels must be in 0..1, got 2 at index 0'),
        ({'rois': ROIS * float('nan')}, 'rois must be finite'),
        ({'spatial_scales': [0.5, -1.0]}, 'spatial_scale must be positive, got -1.0'),
    ],
)
def test_bad_levels(change, message):
    arguments = {
        'features': [make_features()] * 2, 'rois': ROIS, 'levels': LEVELS, 'output_size': 2,
        'spatial_scales': [0.5, 0.25],
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        ops.multilevel_roi_align(**{**arguments, **change})


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')
@pytest.mark.parametrize('mode', ['avg', 'max'])
def test_cuda_equals_cpu(mode):
    features = make_features()
    output = ops.roi_align(features.cuda(), ROIS.cuda(), 2, 0.25, 0, mode)
    torch.testing.assert_close(output.cpu(), ops.roi_align(features, ROIS, 2, 0.25, 0, mode))
