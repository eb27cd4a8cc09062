from __future__ import annotations

import pytest
import torch
from mmengine.structures import InstanceData

from mmdefect.errors import InputError
from mmdefect.models import CandidateSpread


def instances(boxes, scores, labels=None):
    return InstanceData(
        bboxes=torch.tensor(boxes, dtype=torch.float32).view(-1, 4),
        scores=torch.tensor(scores, dtype=torch.float32),
        labels=torch.tensor(labels or [0] * len(scores), dtype=torch.int64),
    )


def test_spread_is_the_score_weighted_deviation_relative_to_the_size():
    # x2 is 10 with weight .9 and 8 with weight .3: mean 9.5, deviation .866.
    candidates = instances([[0, 0, 10, 20], [0, 0, 8, 20]], [0.9, 0.3])
    spread = CandidateSpread(least=2).measure(candidates[:1], candidates)
    assert spread.item() == pytest.approx(0.75**0.5 / 9.5 / 4, rel=1e-4)


def test_other_classes_and_distant_boxes_do_not_count():
    box = [0, 0, 10, 10]
    candidates = instances(
        [box, box, box, [0, 0, 10, 6], [6, 6, 20, 20]], [0.9, 0.8, 0.7, 0.9, 0.9],
        labels=[0, 0, 0, 1, 0],
    )  # fmt: skip
    measure = CandidateSpread().measure
    assert measure(candidates[:1], candidates).item() == 0
    # Alone with its class: nothing to judge it by.
    assert measure(candidates[3:4], candidates).item() == float('inf')


def test_weights():
    spread = CandidateSpread(limit=0.1)
    found = spread.weigh(torch.tensor([0.0, 0.025, 0.1, 0.2, float('inf')]))
    assert found.tolist() == pytest.approx([1, 0.75, 0, 0, 0])


def test_nothing_there():
    none = instances([], [])
    assert CandidateSpread().measure(none, none).shape == (0,)
    assert CandidateSpread().measure(instances([[0, 0, 1, 1]], [0.5]), none).item() == float('inf')


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(iou=0), 'iou must be in'),
        (dict(limit=0), 'limit must be positive'),
        (dict(least=1), 'least must be an integer >= 2'),
        (dict(lim=1), "did you mean 'limit'"),
    ],
)
def test_mistakes(settings, message):
    with pytest.raises(InputError, match=message):
        CandidateSpread(**settings)
