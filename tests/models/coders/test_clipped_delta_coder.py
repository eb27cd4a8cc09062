from __future__ import annotations

import pytest
import torch
from mmdet.models.task_modules.coders import DeltaXYWHBBoxCoder
from mmengine.registry import TASK_UTILS

from mmdefect.errors import InputError
from mmdefect.models import ClippedDeltaCoder

STDS = (0.1, 0.1, 0.2, 0.2)
PRIORS = torch.tensor([[0.0, 0, 20, 20], [0, 0, 20, 20], [50, 50, 90, 90]])
BOXES = torch.tensor([[1.0, 2, 21, 25], [300, 0, 301, 400], [50, 50, 90, 90]])


def test_within_the_bound_it_is_mmdetections():
    coder = ClippedDeltaCoder(max_delta=1e6, target_stds=STDS)
    stock = DeltaXYWHBBoxCoder(target_stds=STDS)
    deltas = stock.encode(PRIORS, BOXES)
    assert torch.equal(coder.encode(PRIORS, BOXES), deltas)
    assert torch.equal(coder.decode(PRIORS, deltas), stock.decode(PRIORS, deltas))


def test_both_ways_are_clipped_alike():
    coder = ClippedDeltaCoder(max_delta=8, target_stds=STDS)
    deltas = coder.encode(PRIORS, BOXES)
    assert deltas[1].tolist() == [8, 8, -8, 8]
    assert torch.allclose(coder.decode(PRIORS, deltas)[[0, 2]], BOXES[[0, 2]], atol=1e-4)
    far = coder.decode(PRIORS, deltas * torch.tensor([[1.0], [50], [1]]))
    assert torch.equal(far, coder.decode(PRIORS, deltas))
    side = coder.decode(PRIORS[:1], torch.tensor([[0.0, 0, 99, 0]]))[0]
    assert (side[2] - side[0]).item() == pytest.approx(20 * 2.718281828**1.6, rel=1e-5)
    assert coder.encode(PRIORS[:0], BOXES[:0]).shape == (0, 4)


def test_keys():
    built = TASK_UTILS.build(dict(type='mmdefect.ClippedDeltaCoder', max_delta=2))
    assert built.max_delta == 2
    for value in (0, -1, float('nan')):
        with pytest.raises(InputError, match='max_delta must be above 0'):
            ClippedDeltaCoder(max_delta=value)
    with pytest.raises(InputError, match="unknown key 'max_deltas'; did you mean 'max_delta'"):
        ClippedDeltaCoder(max_deltas=3)
