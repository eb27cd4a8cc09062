from __future__ import annotations

import pytest
import torch
from mmengine.structures import InstanceData

from mmdefect.errors import InputError
from mmdefect.models import ClassThresholds, MixtureThresholds, PseudoLabelPolicy

CLASSES = ('dent', 'rust')


def test_keeps_and_marks_with_greater_or_equal():
    thresholds = ClassThresholds(
        CLASSES, True, initial=0.5, cls={'dent': 0.25, 'rust': 0.75}, rpn=0.5
    )
    policy = PseudoLabelPolicy(clean_images='background')
    boxes = InstanceData(
        scores=torch.tensor([0.25, 0.2499, 0.5, 0.5, 0.49, 0.75]),
        labels=torch.tensor([0, 0, 0, 1, 1, 1]),
    )
    kept = policy.keep(boxes, thresholds)
    assert kept.scores.tolist() == [0.25, 0.5, 0.5, 0.75]
    policy.mark(kept, thresholds)
    assert kept.for_cls.tolist() == [True, True, False, True]
    assert kept.for_initial.tolist() == kept.for_rpn.tolist() == [False, True, True, True]


@pytest.mark.parametrize(
    ('clean_images', 'expected'),
    [
        ('background', [True, True, True]),
        ('ignore', [True, False, False]),
        ('unless_doubtful', [True, True, False]),
    ],
)
def test_clean_images(clean_images, expected):
    policy = PseudoLabelPolicy(clean_images=clean_images, doubtful_score=0.2)
    learned = policy.learned(torch.tensor([1, 0, 0]), torch.tensor([0.9, 0.19, 0.2]))
    assert learned.tolist() == expected


def test_the_floor_lies_below_what_thresholds_can_reach():
    policy = PseudoLabelPolicy(clean_images='ignore', score_floor=0.12)
    policy.check(ClassThresholds(CLASSES, True))
    with pytest.raises(InputError, match="class 'rust' can have, 0.1; lower the floor"):
        policy.check(ClassThresholds(CLASSES, True, rpn={'rust': 0.1, 'default': 0.3}))
    with pytest.raises(InputError, match="class 'dent' can have"):
        policy.check(MixtureThresholds(CLASSES, True, lowest_cls=0.1))


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({}, 'clean_images must be one of background, ignore, unless_doubtful, got None'),
        (dict(clean_images='skip'), "got 'skip'"),
        (dict(clean_images='ignore', doubtful_score=1), 'doubtful_score must be in'),
        (dict(clean_images='ignore', score_floor=0.3), 'doubtful_score must be at least'),
        (dict(clean_images='ignore', min_size=0), 'min_size must be positive'),
        (dict(clean_images='ignore', min_siz=1), "did you mean 'min_size'"),
    ],
)
def test_mistakes(settings, message):
    with pytest.raises(InputError, match=message):
        PseudoLabelPolicy(**settings)
