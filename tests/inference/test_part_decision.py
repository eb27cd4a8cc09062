from __future__ import annotations

import json

import pytest

from mmdefect.decision import ImageScores
from mmdefect.inference.part_decision import decide_part

SHA = '0' * 64


def image(number, scores):
    path = f'{number}.png'
    if scores is None:
        return path, None, f'{path}: image cannot be decoded'
    return path, ImageScores(image=path, sha256=SHA, scores=scores), None


@pytest.fixture
def decide(make_policy):
    def call(*scores, n=1, views=None):
        return decide_part(make_policy(n), 'p', [image(*item) for item in enumerate(scores)], views)

    return call


@pytest.mark.parametrize(
    ('scores', 'options', 'outcome', 'reason', 'images'),
    [
        ([{}], {}, 'PASS', 'no score', ['PASS']),
        ([{'rust': 0.3}], {}, 'HOLD', 'rust 0.3 reaches 0.3', ['HOLD']),
        ([{'pit': 0.1}, {'rust': 0.6}], {}, 'FAIL', 'rust 0.6 reaches 0.6', ['PASS', 'FAIL']),
        # What was not looked at does not pass.
        ([None], {}, 'HOLD', '0.png: image cannot', ['HOLD']),
        ([{}, None], {}, 'HOLD', '1.png: image cannot', ['PASS', 'HOLD']),
        ([{}, None, None], {}, 'HOLD', '(and 1 more image)', ['PASS', 'HOLD', 'HOLD']),
        ([{'rust': 0.9}, None], {}, 'FAIL', 'rust', ['FAIL', 'HOLD']),
        ([{'pit': 0.9}, None], {}, 'HOLD', 'pit 0.9 reaches 0.5; 1.png', ['HOLD', 'HOLD']),
        ([{}], {'views': 2}, 'HOLD', 'only 1 of 2 images', ['PASS']),
        ([{'rust': 0.9}], {'views': 2}, 'FAIL', 'rust', ['FAIL']),
        ([{}, {}], {'views': 2}, 'PASS', 'no score', ['PASS', 'PASS']),
        # Two images must show it: one alone can never be stopped.
        ([{'rust': 0.9}], {'n': 2}, 'HOLD', 'only 1 of the 2 images', ['FAIL']),
        ([{'rust': 0.9}, {}], {'n': 2}, 'PASS', 'no score', ['FAIL', 'PASS']),
        ([{'rust': 0.9}, {'rust': 0.4}], {'n': 2}, 'HOLD', 'rust 0.4', ['FAIL', 'HOLD']),
        ([{'rust': 0.9}, None], {'n': 2}, 'HOLD', '1.png', ['FAIL', 'HOLD']),
    ],
)  # fmt: skip
def test_decisions(decide, scores, options, outcome, reason, images):
    decision = decide(*scores, **options)
    assert decision.outcome == outcome and reason in decision.reason
    assert [image.outcome for image in decision.images] == images
    line = json.loads(decision.line())
    assert (line['part'], line['outcome'], len(line['images'])) == ('p', outcome, len(scores))
    first = decision.reason.split()[0]
    assert line['class'] == (first if first in ('rust', 'pit') else None)


def test_classes_are_told_by_name(make_policy):
    other = make_policy(pit=(0.5, None), rust=(0.3, 0.6))
    assert decide_part(other, 'p', [image(0, {'rust': 0.6})]).class_name == 'rust'
