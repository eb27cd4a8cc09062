from __future__ import annotations

import pytest
import torch
from mmdet.structures.bbox import bbox_overlaps

from mmdefect.models.assigners import near_overlaps
from mmdefect.models.assigners.near_overlaps import BLOCK, block_rows, near_boxes, overlaps


def random_boxes(count, size, seed):
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * 300
    return torch.cat([corner, corner + torch.rand(count, 2, generator=generator) * size], 1)


@pytest.mark.parametrize('over', ['union', 'first', 'second'])
def test_overlaps_are_mmdetections(over):
    boxes, priors = random_boxes(50, 90, 0), random_boxes(333, 90, 1)
    boxes[3, 2:] = boxes[3, :2]
    found = overlaps(boxes[None], priors[None], over)[0]
    if over == 'second':
        expected = bbox_overlaps(priors, boxes, mode='iof').t()
    else:
        expected = bbox_overlaps(boxes, priors, mode='iou' if over == 'union' else 'iof')
    assert torch.equal(found, expected)


@pytest.mark.parametrize('elements', [BLOCK, 4096, 1 << 20])
@pytest.mark.parametrize('number', [1, BLOCK, 5 * BLOCK + 1, 3000])
def test_every_overlap_is_met_once(monkeypatch, elements, number):
    monkeypatch.setitem(near_overlaps._ELEMENTS, 'cpu', elements)
    monkeypatch.setattr(near_overlaps, '_PAIRS', elements)
    priors, boxes = random_boxes(number, 20, 2), random_boxes(60, 40, 3)
    priors = priors[priors[:, 1].argsort()]
    expected = bbox_overlaps(boxes, priors)
    found, met = torch.zeros_like(expected), torch.zeros(60, -(-number // BLOCK))
    for blocks, near in near_boxes(priors, boxes):
        assert near.numel() * BLOCK <= max(elements, near.shape[1] * BLOCK)
        assert (near[:, 1:] >= near[:, :-1]).all()
        rows = block_rows(blocks, number)
        found[near[:, :, None], rows[:, None]] = overlaps(boxes[near], priors[rows])
        for block, own in zip(blocks.tolist(), near.tolist(), strict=True):
            met[sorted(set(own)), block] += 1
    assert torch.equal(found, expected)
    assert met.max() <= 1
    if number == 3000:
        assert met.mean() < 0.5
