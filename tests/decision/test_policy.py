from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from mmdefect.decision import (
    Bands,
    ResultsFile,
    ThresholdGoal,
    ThresholdPolicy,
    choose_part_thresholds,
    collect_parts,
)
from mmdefect.errors import InputError

SCORES = st.floats(0, 1)


@pytest.mark.parametrize(
    ('scores', 'outcome', 'class_name'),
    [
        ([[0.0, 0.0]], 'PASS', None),
        ([[0.2999, 0.4999]], 'PASS', None),
        ([[0.3, 0.0]], 'HOLD', 'rust'),  # exactly on the threshold
        ([[0.0, 0.5]], 'HOLD', 'pit'),
        ([[0.6, 0.0]], 'FAIL', 'rust'),
        ([[0.6, 1.0]], 'FAIL', 'rust'),
        ([[0.0, 1.0]], 'HOLD', 'pit'),  # this class never fails
        ([[0.31, 0.9]], 'HOLD', 'pit'),  # further above its threshold
        ([[0.1, 0.0], [0.7, 0.0], [0.2, 0.0]], 'FAIL', 'rust'),
        (np.float32([[0.3, 0.0]]), 'HOLD', 'rust'),
    ],
)
def test_decide(scores, outcome, class_name, make_policy):
    verdict = make_policy().decide(scores)
    assert (verdict.outcome, verdict.class_name) == (outcome, class_name)
    assert verdict.reason


def test_two_images_must_show_it(make_policy):
    assert make_policy(n=2).decide([[0.9, 0.0], [0.1, 0.0]]).outcome == 'PASS'
    assert make_policy(n=2).decide([[0.9, 0.0], [0.4, 0.0]]).outcome == 'HOLD'
    assert make_policy(n=2).decide([[0.9, 0.0]]).outcome == 'PASS'


@settings(max_examples=40, deadline=None)
@given(st.tuples(SCORES, SCORES), SCORES, SCORES)
def test_higher_scores_never_help(make_policy, limits, first, second):
    hold, fail = sorted(limits)
    rank = ['PASS', 'HOLD', 'FAIL'].index
    low, high = sorted((first, second))
    chosen = make_policy(rust=(hold, fail))
    verdicts = [chosen.decide([[score]]).outcome for score in (low, high)]
    assert rank(verdicts[0]) <= rank(verdicts[1])
    assert chosen.decide([[hold]]).outcome != 'PASS' and chosen.decide([[fail]]).outcome == 'FAIL'


@pytest.mark.parametrize('score', [math.nan, math.inf, -0.1, 1.1])
def test_no_score(score, make_policy):
    with pytest.raises(InputError, match="image 1 of the part .* class 'pit'"):
        make_policy().decide([[0.1, 0.1], [0.1, score]])


@pytest.mark.parametrize(
    'scores', [np.zeros((0, 2)), [0, 0], [[0, 0, 0]], [[0, 0], [0]], [['high', 0]], None, []]
)
def test_wrong_shapes(scores, make_policy):
    with pytest.raises(ValueError, match='^scores must have shape .* for each of rust, pit'):
        make_policy().decide(scores)


@pytest.mark.parametrize(('hold', 'fail'), [(0.5, 0.4), (-0.1, None), (0.1, 1.1), (math.nan, None)])
def test_bad_bands(hold, fail):
    with pytest.raises(ValidationError):
        Bands(hold=hold, fail=fail)


def test_a_threshold_for_every_class(make_policy):
    with pytest.raises(ValidationError, match='thresholds must be given for rust, dent'):
        ThresholdPolicy.model_validate({**make_policy().model_dump(), 'classes': ('rust', 'dent')})


def test_round_trip(tmp_path, results):
    parts = collect_parts(ResultsFile(results()))
    goal = ThresholdGoal(0.9, cost_miss=50, cost_alarm=1)
    chosen = choose_part_thresholds(parts, goal, per_class=True, fail_precision=0.98)
    written = ThresholdPolicy.from_thresholds(parts, chosen)
    path = tmp_path / 'deep' / 'policy.json'
    written.save(path)
    assert ThresholdPolicy.load(path) == written
    assert ThresholdPolicy.load(path, parts.header.model) == written
    assert written.costs.miss == 50 and written.evidence.overlap_with_training == 'unknown'
    assert written.evidence.joint_confidence == pytest.approx(0.9)
    # The file decides as the thresholds were fitted.
    verdicts = [written.decide(row[None]).outcome for row in parts.scores]
    assert sum(x != 'PASS' for x in verdicts) == chosen.part.tp + chosen.part.fp
    assert sum(x == 'FAIL' for x in verdicts) == chosen.failed.tp + chosen.failed.fp
    # Layout is no content.
    path.write_text(json.dumps(json.loads(path.read_text()), indent=None))
    assert ThresholdPolicy.load(path) == written


def edited(change):
    def edit(content):
        change(content)
        return json.dumps(content)

    return edit


@pytest.mark.parametrize(
    ('edit', 'reason'),
    [
        (lambda content: '', 'no policy, it looks like an empty file'),
        (lambda content: '\xff', 'no JSON'),
        (lambda content: '[]', 'no policy, it looks like a JSON list'),
        (lambda content: '{}', 'no policy: its key "format"'),
        (lambda content: 'ImageId,ClassId', 'no policy, it looks like a CSV table'),
        (edited(lambda c: c.update(format='mmdefect-policy/2')), 'newer mmdefect (policy format 2'),
        (edited(lambda c: c.update(format='mmdefect-results/1')), 'of format mmdefect-results/1'),
        (edited(lambda c: c['thresholds']['rust'].update(hold=0.31)), 'edited since'),
        (edited(lambda c: c['thresholds']['rust'].update(hold=math.nan)), 'edited since'),
        (edited(lambda c: c.update(note='mine')), 'edited since'),
        (edited(lambda c: c.pop('evidence')), 'edited since'),
        (edited(lambda c: c.pop('content_sha256')), 'edited since'),
    ],
)
def test_bad_files(tmp_path, edit, reason, make_policy):
    path = tmp_path / 'policy.json'
    make_policy().save(path)
    path.write_text(edit(json.loads(path.read_text())), encoding='latin-1')
    with pytest.raises(InputError) as error:
        ThresholdPolicy.load(path)
    assert reason in str(error.value) and str(path) in str(error.value)
    assert '\n' not in str(error.value)


def test_a_right_hash_over_wrong_content(tmp_path, make_policy):
    path = tmp_path / 'policy.json'
    make_policy().model_copy(update={'model_sha256': 'x'}).save(path)
    with pytest.raises(InputError, match='no policy: key "model_sha256"'):
        ThresholdPolicy.load(path)


def test_another_model(tmp_path, make_policy):
    make_policy().save(tmp_path / 'policy.json')
    with pytest.raises(InputError, match=r'policy\.json: the policy belongs to model 000000000000'):
        ThresholdPolicy.load(tmp_path / 'policy.json', '1' * 64)


def test_unreadable(tmp_path, make_policy):
    with pytest.raises(InputError, match='cannot be read'):
        ThresholdPolicy.load(tmp_path)
    (tmp_path / 'file').touch()
    with pytest.raises(InputError, match='cannot be written'):
        make_policy().save(tmp_path / 'file' / 'policy.json')
