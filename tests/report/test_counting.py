from __future__ import annotations

import hashlib

import pytest

from mmdefect.decision import Bands, Counts, Evidence, Pooling, ThresholdPolicy
from mmdefect.decision.evidence import Certificate
from mmdefect.errors import InputError
from mmdefect.evaluation.evidence import make_evidence
from mmdefect.report.counting import counting_from
from mmdefect.report.evaluation import Evaluation

NONE = Counts(tp=0, fn=0, fp=0, tn=0)


@pytest.fixture
def write_policy(tmp_path):
    """``write_policy(rust=.4, ...)``: a policy file with these thresholds."""

    def write(model=b'weights', **holds):
        certificate = Certificate(
            class_name=None, target_recall=0.9, confidence=0.95, method='', n_defective=0,
            n_good=0, allowed_misses=0, recall_lower=0.0, false_alarms_upper=None,
        )  # fmt: skip
        path = tmp_path / 'policy.json'
        ThresholdPolicy(
            model_sha256=hashlib.sha256(model).hexdigest(),
            calibration_sha256='0' * 64,
            classes=tuple(holds),
            thresholds={name: Bands(hold=hold, fail=None) for name, hold in holds.items()},
            pooling=Pooling(),
            evidence=Evidence(
                date='', created_by='', parts=0, images=0, overlap_with_training='unknown',
                certificates=(certificate,), joint_confidence=0.9, part=NONE, failed=NONE,
                by_class={}, no_better_than_flagging_all=None,
            ),
        ).save(path)  # fmt: skip
        return path

    return write


@pytest.fixture
def evaluation():
    return Evaluation(checkpoint='best.pth', **make_evidence([], ['rust', 'pit'], 100))


def test_who_says_so(evaluation, tmp_path, write_policy):
    found = counting_from(evaluation, tmp_path)
    assert found.thresholds == (0.5, 0.5) and found.same and found.source == 'the highest F1'
    assert counting_from(evaluation, tmp_path, threshold=0.25).thresholds == (0.25, 0.25)
    # Any order of classes, others too; as many digits as scores have in evaluation.json.
    path = write_policy(pit=0.2, dent=0.1, rust=0.31234567)
    found = counting_from(evaluation, tmp_path, policy=path)
    assert found.thresholds == (0.3123, 0.2) and not found.same and found.lowest == 0.2
    assert found.source == 'the policy policy.json'


def test_a_checkpoint_beside_the_evaluation_must_be_the_right_one(
    evaluation, tmp_path, write_policy
):
    path = write_policy(rust=0.3, pit=0.3)
    (tmp_path / 'best.pth').write_bytes(b'weights')
    assert counting_from(evaluation, tmp_path, policy=path).same
    (tmp_path / 'best.pth').write_bytes(b'others')
    with pytest.raises(InputError, match=r'policy\.json: the policy belongs to model'):
        counting_from(evaluation, tmp_path, policy=path)


def test_bad_input(evaluation, tmp_path, write_policy):
    path = write_policy(rust=0.3)
    with pytest.raises(InputError, match="no threshold for class 'pit', known: rust"):
        counting_from(evaluation, tmp_path, policy=path)
    with pytest.raises(InputError, match='give one of them'):
        counting_from(evaluation, tmp_path, path, 0.5)
    for bad in (0, 1.1, float('nan')):
        with pytest.raises(InputError, match='--threshold must be from 0.01'):
            counting_from(evaluation, tmp_path, threshold=bad)
    (tmp_path / 'a.csv').write_text('a,b\n')
    with pytest.raises(InputError, match='looks like a CSV table'):
        counting_from(evaluation, tmp_path, policy=tmp_path / 'a.csv')
