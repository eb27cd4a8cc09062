"""Our operators against mmcv's compiled ones, on a CPU."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdefect import ops
from mmdefect.ops import backends

pytestmark = pytest.mark.skipif(
    'mmcv' not in ops.available_backends(),
    reason='mmcv has no compiled ops here (make benchmark-env builds an environment with them)',
)


@pytest.fixture(autouse=True)
def _ours(monkeypatch):
    monkeypatch.setenv('MMDEFECT_OPS', 'torch')


def make_rois(number, seed=0):
    """Inside, across and beyond the border of 96 by 64 pixels, some empty, some large."""
    generator = torch.Generator().manual_seed(seed)
    centre = torch.rand(number, 2, generator=generator) * torch.tensor([120.0, 90.0]) - 12
    size = 2 ** (8 * torch.rand(number, 2, generator=generator) - 1)
    size[::7] = 0
    image = torch.arange(number)[:, None] % 2
    return torch.cat([image, centre - size / 2, centre + size / 2], 1)


OPTIONS = [
    (ratio, mode, aligned)
    for ratio in (0, 1, 2, 3)
    for mode in ('avg', 'max')
    for aligned in (True, False)
]


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize(('ratio', 'mode', 'aligned'), OPTIONS)
def test_roi_align_forward_and_backward(ratio, mode, aligned, dtype):
    from mmcv.ops import roi_align

    generator = torch.Generator().manual_seed(1)
    features = torch.randn(2, 5, 16, 24, generator=generator, dtype=dtype)
    rois = make_rois(60).to(dtype)
    if mode == 'max':
        # mmcv gives the lowest number there is for a maximum over no sample.
        rois = rois[(rois[:, 3:] - rois[:, 1:3] > 0).all(1)]
    arguments = (rois, (7, 5), 0.25, ratio, mode, aligned)
    weights = torch.randn(len(rois), 5, 7, 5, generator=generator, dtype=dtype)
    results = []
    for function in (ops.roi_align, roi_align):
        inputs = features.clone().requires_grad_()
        output = function(inputs, *arguments)
        output.backward(weights)
        results.append((output.detach(), inputs.grad))
    (ours, our_grad), (theirs, their_grad) = results
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)
    torch.testing.assert_close(our_grad, their_grad, rtol=0, atol=1e-4)


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_levels_through_mmcv(monkeypatch, dtype):
    generator = torch.Generator().manual_seed(2)
    shapes = [(2, 3, 16, 24), (2, 3, 8, 12), (2, 3, 4, 6)]
    features = [torch.randn(shape, generator=generator).to(dtype) for shape in shapes]
    rois, levels = make_rois(30), torch.arange(30) % 2  # nothing at level 2
    results = []
    for choice in ('torch', 'mmcv'):
        monkeypatch.setenv('MMDEFECT_OPS', choice)
        inputs = [level.clone().requires_grad_() for level in features]
        output = ops.multilevel_roi_align(inputs, rois, levels, 3, [0.25, 0.125, 0.0625])
        assert output.dtype == dtype
        output.float().square().sum().backward()
        assert not inputs[2].grad.any()
        results.append([output.detach(), *(level.grad for level in inputs)])
    for ours, theirs in zip(*results, strict=True):
        tolerance = 1e-4 if dtype == torch.float32 else 2e-2 * theirs.abs().max().item()
        torch.testing.assert_close(ours, theirs, rtol=0, atol=max(tolerance, 1e-6))


box = st.tuples(*[st.integers(0, 9)] * 4).map(
    lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3]))
)
cases = st.lists(
    st.tuples(box, st.integers(0, 40)), min_size=1, max_size=40, unique_by=lambda r: r[1]
)


@settings(max_examples=60, deadline=None)
@given(cases, st.sampled_from([0.0, 0.3, 0.5, 1.0]), st.integers(0, 1))
def test_nms(rows, threshold, offset):
    from mmcv.ops import nms

    boxes = torch.tensor([row[0] for row in rows], dtype=torch.float32)
    scores = torch.tensor([row[1] / 40 for row in rows])
    theirs = nms(boxes, scores, threshold, offset)[1]
    assert ops.nms(boxes, scores, threshold, offset).tolist() == theirs.tolist()


@settings(max_examples=60, deadline=None)
@given(
    cases, st.sampled_from([0.3, 0.5]), st.sampled_from(['naive', 'linear', 'gaussian']),
    st.integers(0, 1),
)  # fmt: skip
def test_soft_nms(rows, threshold, method, offset):
    from mmcv.ops import soft_nms

    # With an area: two boxes without give NaN in mmcv.
    boxes = torch.tensor([row[0] for row in rows], dtype=torch.float32)
    boxes[:, 2:] += 1
    scores = torch.tensor([row[1] / 40 for row in rows])
    dets, inds = ops.soft_nms(boxes, scores, threshold, method=method, offset=offset)
    their_dets, their_inds = soft_nms(boxes, scores, threshold, 0.5, 1e-3, method, offset)
    # Lowered scores may become equal, and then mmcv's order is that of its list.
    assert sorted(inds.tolist()) == sorted(their_inds.tolist())
    torch.testing.assert_close(dets[inds.argsort()], their_dets[their_inds.argsort()])
    assert inds[0] == their_inds[0]


@pytest.mark.parametrize('number', [10, 3000])
@pytest.mark.parametrize('empty', [0, 4])
@pytest.mark.parametrize('op', ['nms', 'soft_nms', 'batched_nms'])
def test_every_back_end_gives_the_same(monkeypatch, op, empty, number):
    generator = torch.Generator().manual_seed(0)
    corner = torch.rand(number, 2, generator=generator) * 300
    boxes = torch.cat([corner, corner + 5 + 30 * torch.rand(number, 2, generator=generator)], 1)
    boxes[:empty, 2:] = boxes[:empty, :2]
    # Coarse scores: many are equal.
    scores = torch.randint(0, 50, (number,), generator=generator) / 50
    arguments = (torch.arange(number) % 3,) if op == 'batched_nms' else ()
    results = []
    for choice in ('torch', 'mmcv', ''):
        monkeypatch.setenv('MMDEFECT_OPS', choice)
        result = getattr(ops, op)(boxes, scores, *arguments, iou_threshold=0.4)
        results.append(result[1] if op == 'soft_nms' else result)
    assert results[0].tolist() == results[1].tolist() == results[2].tolist()


def test_few_boxes_are_served_by_mmcv(monkeypatch):
    monkeypatch.delenv('MMDEFECT_OPS')
    assert ops.implementation('nms') == 'mmcv'
    assert backends.description('nms') == 'mmcv; mmdefect from 2,000 boxes'
