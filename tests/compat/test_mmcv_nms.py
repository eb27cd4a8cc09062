from __future__ import annotations

import importlib
from types import ModuleType, SimpleNamespace

import pytest
import torch

from mmdefect.compat.mmcv_nms import choose_per_call
from mmdefect.ops import backends


@pytest.fixture
def calls(monkeypatch):
    """A compiled back end that answers -1 and is there."""
    monkeypatch.delenv('MMDEFECT_OPS', raising=False)
    monkeypatch.setitem(backends._PROBES, 'mmcv', lambda: True)
    module = ModuleType('mmcv.ops.nms')
    module.ext_module = SimpleNamespace(
        nms=lambda *args, **kwargs: torch.tensor([-1]),
        softnms=lambda *args, **kwargs: torch.tensor([-1]),
        nms_match=lambda: 'untouched',
    )
    choose_per_call(module)
    return module.ext_module


def scattered(count):
    corners = torch.arange(count)[:, None] * torch.tensor([20.0, 0, 20, 0])
    return corners + torch.tensor([0.0, 0, 10, 10])


@pytest.mark.parametrize(
    ('count', 'choice', 'ours'),
    [(10, '', False), (2000, '', True), (2000, 'mmcv', False), (10, 'torch', True)],
)
def test_the_faster_one_serves_each_call(calls, monkeypatch, count, choice, ours):
    if choice:
        monkeypatch.setenv('MMDEFECT_OPS', choice)
    kept = calls.nms(scattered(count), torch.ones(count), iou_threshold=0.5, offset=0)
    assert kept.tolist() == (list(range(count)) if ours else [-1])


def test_soft_nms_fills_the_output_of_mmcv(calls, monkeypatch):
    arguments = dict(iou_threshold=0.5, sigma=0.5, min_score=0.1, method=1, offset=0)
    boxes, scores = scattered(3), torch.tensor([0.5, 0.9, 0.7])
    dets = torch.zeros(3, 5)
    assert calls.softnms(boxes, scores, dets, **arguments).tolist() == [-1]
    monkeypatch.setenv('MMDEFECT_OPS', 'torch')
    assert calls.softnms(boxes, scores, dets, **arguments).tolist() == [1, 2, 0]
    torch.testing.assert_close(dets[:, 4], torch.tensor([0.9, 0.7, 0.5]))


def test_other_operators_are_left_alone(calls):
    assert calls.nms_match() == 'untouched'
    with pytest.raises(AttributeError):
        _ = calls.no_such_operator


def test_ours_is_not_wrapped():
    module = ModuleType('mmcv.ops.nms')
    module.ext_module = SimpleNamespace(__mmdefect__=True)
    choose_per_call(module)
    assert isinstance(module.ext_module, SimpleNamespace)


@pytest.mark.skipif('mmcv' not in backends.available_backends(), reason='no compiled mmcv')
def test_mmcv_itself_gives_the_same_boxes(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    corners = torch.rand(3000, 2, generator=generator) * 300
    boxes = torch.cat([corners, corners + torch.rand(3000, 2, generator=generator) * 60 + 5], 1)
    scores = torch.rand(3000, generator=generator)
    labels = torch.randint(0, 3, (3000,), generator=generator)
    batched_nms = importlib.import_module('mmcv.ops').batched_nms
    results = []
    for choice in ('mmcv', ''):
        monkeypatch.setenv('MMDEFECT_OPS', choice)
        results.append(batched_nms(boxes, scores, labels, dict(type='nms', iou_threshold=0.5)))
    torch.testing.assert_close(results[1], results[0], rtol=0, atol=0)
