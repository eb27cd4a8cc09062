from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from mmdefect import ops
from mmdefect.ops import backends


@pytest.fixture
def working(monkeypatch):
    """Declare which compiled back ends work."""

    def declare(*names):
        for name in ('mmcv', 'torchvision'):
            monkeypatch.setitem(backends._PROBES, name, lambda name=name: name in names)

    monkeypatch.delenv('MMDEFECT_OPS', raising=False)
    return declare


@pytest.mark.parametrize(
    ('names', 'op', 'device', 'expected'),
    [
        ((), 'nms', 'cpu', 'mmdefect'),
        (('torchvision',), 'nms', 'cpu', 'torchvision'),
        (('mmcv', 'torchvision'), 'batched_nms', 'cuda', 'mmcv'),
        (('torchvision',), 'soft_nms', 'cpu', 'mmdefect'),
        (('mmcv',), 'soft_nms', 'cpu', 'mmcv'),
        (('mmcv',), 'sigmoid_focal_loss', 'cpu', 'mmdefect'),
        (('mmcv',), 'sigmoid_focal_loss', 'cuda', 'mmcv'),
        (('mmcv', 'torchvision'), 'roi_align', 'cpu', 'mmdefect'),
        (('torchvision',), 'roi_align', 'cuda', 'torchvision'),
    ],
)
def test_default_choice(working, names, op, device, expected):
    working(*names)
    assert ops.implementation(op, device) == expected
    assert ops.available_backends() == (*names, 'mmdefect')


@pytest.mark.parametrize(
    ('op', 'boxes', 'expected'),
    [
        ('nms', 1999, 'mmcv'), ('nms', 2000, 'mmdefect'), ('batched_nms', 5000, 'mmdefect'),
        ('soft_nms', 2000, 'mmcv'), ('soft_nms', 50_000, 'mmdefect'),
    ],
)  # fmt: skip
def test_ours_serves_many_boxes_on_a_cpu(working, op, boxes, expected):
    working('mmcv', 'torchvision')
    assert ops.implementation(op, 'cpu', boxes) == expected
    assert ops.implementation(op, 'cuda', boxes) == 'mmcv'


def test_description(working):
    working('mmcv')
    assert backends.description('nms') == 'mmcv; mmdefect from 2,000 boxes'
    assert backends.description('nms', 'cuda') == 'mmcv'
    assert backends.description('roi_align') == 'mmdefect'
    working()
    assert backends.description('nms') == 'mmdefect'


def test_equal_scores_have_one_order_in_soft_nms(working, monkeypatch):
    working('mmcv')
    calls = []

    def compiled(boxes, scores, *options):
        calls.append(scores.tolist())
        return torch.cat([boxes, scores[:, None]], 1), torch.arange(len(boxes))

    monkeypatch.setitem(sys.modules, 'mmcv.ops', SimpleNamespace(soft_nms=compiled))
    boxes = torch.tensor([[0.0, 0, 4, 4], [9, 9, 12, 12], [20, 20, 24, 24]])
    assert ops.soft_nms(boxes, torch.tensor([0.5, 0.5, 0.9]))[1].tolist() == [2, 0, 1]
    assert not calls
    assert ops.soft_nms(boxes, torch.tensor([0.9, 0.5, 0.4]))[1].tolist() == [0, 1, 2]
    assert len(calls) == 1


def test_environment_chooses(working, monkeypatch):
    working('mmcv', 'torchvision')
    for choice, expected in (('torch', 'mmdefect'), ('mmcv', 'mmcv'), ('torchvision',) * 2):
        monkeypatch.setenv('MMDEFECT_OPS', choice)
        assert ops.implementation('nms') == ops.implementation('roi_align') == expected
    assert ops.implementation('soft_nms') == 'mmdefect'


@pytest.mark.parametrize('choice', ['mmcv', 'torchvision'])
def test_unavailable_choice_names_the_cure(working, monkeypatch, choice):
    working()
    monkeypatch.setenv('MMDEFECT_OPS', choice)
    with pytest.raises(ValueError, match=f"got '{choice}', which does not; unset it, or "):
        ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)


def test_unknown_choice_and_op(working, monkeypatch):
    working()
    with pytest.raises(ValueError, match="op must be one of nms, .*, got 'deform_conv'"):
        ops.implementation('deform_conv')
    monkeypatch.setenv('MMDEFECT_OPS', 'cuda')
    with pytest.raises(ValueError, match="MMDEFECT_OPS must be one of torch, .*, got 'cuda'"):
        ops.implementation('nms')


def test_compiled_versions_get_ranks_for_scores(working, monkeypatch):
    """A compiled NMS may order equal scores as it likes; ours fixes the order beforehand."""
    working('torchvision')
    seen = []

    def compiled(boxes, scores, threshold):
        seen.append((scores.tolist(), threshold))
        return torch.tensor([0, 1, 2])

    fake = SimpleNamespace(nms=compiled)
    monkeypatch.setitem(sys.modules, 'torchvision.ops', fake)
    keep = ops.nms(torch.zeros(3, 4), torch.tensor([0.5, 0.9, 0.5]), 0.3)
    assert keep.tolist() == [1, 0, 2]
    assert seen == [([3.0, 2.0, 1.0], torch.tensor(0.3).item())]


def test_import_loads_no_back_end():
    code = (
        'import sys, mmdefect.ops; '
        "bad = {'mmcv', 'torchvision', 'mmdet', 'mmengine'} & set(sys.modules); "
        'sys.exit(str(bad) if bad else 0)'
    )
    result = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
