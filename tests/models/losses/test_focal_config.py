from __future__ import annotations

import pytest
from mmdet.models.losses import FocalLoss

from mmdefect.errors import InputError
from mmdefect.models.losses import focal_config

EARLIER = dict(type='FocalLoss', gamma=2.5, alpha=0.75, loss_weight=3.0)


@pytest.mark.parametrize('kind', ['FocalLoss', 'mmdet.FocalLoss', FocalLoss])
def test_options_of_the_loss(kind):
    given = {**EARLIER, 'type': kind}
    options = dict(gamma=2.5, alpha=0.75, loss_weight=3.0, use_sigmoid=True)
    assert focal_config('Head', given) == options
    assert given['type'] is kind
    assert FocalLoss(**options).gamma == 2.5


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'type': 'CrossEntropyLoss'}, "must be of type FocalLoss, got 'CrossEntropyLoss'; set"),
        ({'type': 'FocalCustomLoss'}, "must be of type FocalLoss, got 'FocalCustomLoss'"),
        ({'use_sigmoid': False}, 'use_sigmoid must be True, got False; remove it'),
        ({'activated': True}, 'activated must be False, got True'),
        ({'reduction': 'sum'}, "reduction must be 'mean', got 'sum'"),
        ({'gama': 2}, ": unknown key 'gama'; did you mean 'gamma'?"),
    ],
)
def test_bad_losses(change, message):
    with pytest.raises(InputError, match=f'^Head: loss_cls.*{message}'):
        focal_config('Head', {**EARLIER, **change})
