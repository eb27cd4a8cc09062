"""Training and testing with --amp, as a user starts them, of every family of detectors."""

from __future__ import annotations

import json

import pytest
import torch

from mmdefect import ops
from mmdefect.engine.launch import test as evaluate
from mmdefect.engine.launch import train

_OURS = """
model['roi_head']['bbox_roi_extractor']['type'] = 'mmdefect.MultiLevelRoIExtractor'
"""
# MMDetection's schedule of its Soft Teacher counts iterations.
_SHORT = """
train_cfg = dict(max_iters=2, val_interval=2)
param_scheduler = dict(_delete_=True, type='ConstantLR', factor=1.0)
default_hooks = dict(
    logger=dict(interval=1), checkpoint=dict(_delete_=True, type='CheckpointHook', interval=2))
"""
CASES = {
    'retinanet': ('retinanet', ''),
    'rtmdet': ('rtmdet', ''),
    'faster_rcnn, stock extractor': ('faster_rcnn', ''),
    'faster_rcnn': ('faster_rcnn', _OURS),
    'semi': ('semi', _SHORT),
}


@pytest.fixture
def suppressed(monkeypatch):
    """Boxes and scores of every call of NMS."""
    monkeypatch.setenv('MMDEFECT_OPS', 'torch')
    calls, nms = [], ops.nms

    def watched(boxes, scores, *args, **kwargs):
        calls.append((boxes, scores))
        return nms(boxes, scores, *args, **kwargs)

    monkeypatch.setattr(ops, 'nms', watched)
    return calls


@pytest.mark.parametrize('case', CASES)
def test_trains_and_tests_in_bfloat16(case, make_detector, tmp_path, suppressed):
    kind, extra = CASES[case]
    config = make_detector(kind, extra)
    train([str(config), '--amp', '--work-dir', str(tmp_path)])
    log = next(tmp_path.glob('*/vis_data/scalars.json')).read_text().splitlines()
    losses = [entry['loss'] for entry in map(json.loads, log) if 'loss' in entry]
    assert losses and torch.tensor(losses).isfinite().all()
    checkpoint = next(tmp_path.glob('*_[0-9].pth'))
    weights = torch.load(checkpoint, weights_only=False)['state_dict'].values()
    assert {weight.dtype for weight in weights} <= {torch.float32, torch.int64}

    boxes = []
    for options in ([], ['--amp']):
        suppressed.clear()
        folder = tmp_path / f'test{len(options)}'
        evaluate([str(config), str(checkpoint), '--work-dir', str(folder), *options])
        assert {value.dtype for call in suppressed for value in call} == {torch.float32}
        boxes.append(torch.cat([call[0] for call in suppressed]))
    plain, mixed = boxes
    # The same place and number of boxes but for rounding; not the same numbers.
    assert abs(len(plain) - len(mixed)) <= 0.1 * len(plain) + 2
    assert (plain.mean(0) - mixed.mean(0)).abs().max() < 2
    assert plain.shape != mixed.shape or not torch.equal(plain, mixed)
