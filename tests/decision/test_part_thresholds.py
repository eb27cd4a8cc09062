from __future__ import annotations

import json

import numpy as np
import pytest

from mmdefect.decision import (
    NotCertifiedError,
    ResultsFile,
    ThresholdGoal,
    TrainingManifest,
    choose_part_thresholds,
    choose_threshold,
    collect_parts,
    operating_curve,
    reaches,
    report_thresholds,
    threshold_stability,
)


def test_one_threshold_for_all_classes(results):
    parts = collect_parts(ResultsFile(results()))
    chosen = choose_part_thresholds(parts, ThresholdGoal())
    alone = choose_threshold(parts.part_scores, parts.defective)
    assert chosen.choices == (alone,) and not chosen.per_class
    assert chosen.hold == chosen.fail == (alone.threshold, alone.threshold)
    assert chosen.part == chosen.failed == alone.point
    assert chosen.joint_confidence == pytest.approx(0.95)
    assert sum(point.tp + point.fn for point in chosen.by_class) == 120


def test_per_class(results):
    parts = collect_parts(ResultsFile(results()))
    chosen = choose_part_thresholds(parts, ThresholdGoal(), per_class=True)
    assert chosen.per_class and chosen.joint_confidence == pytest.approx(0.9)
    for index, choice in enumerate(chosen.choices):
        alone = choose_threshold(parts.scores[:, index], parts.truth[:, index])
        assert choice == alone and chosen.by_class[index] == alone.point
    reason = "^class 'scratch' against all other parts: .* 59 defective parts"
    with pytest.raises(NotCertifiedError, match=reason) as error:
        choose_part_thresholds(
            collect_parts(ResultsFile(results(100, 0))), ThresholdGoal(), per_class=True
        )
    assert error.value.largest_recall == pytest.approx(0.05 ** (1 / 50))


def test_one_class_and_no_good_parts(results):
    parts = collect_parts(ResultsFile(results(60, 0, ('scratch',))))
    chosen = choose_part_thresholds(parts, ThresholdGoal(), per_class=True)
    assert not chosen.per_class and chosen.no_better_than_flagging_all is None
    with pytest.raises(NotCertifiedError, match='no good part'):
        choose_part_thresholds(parts, ThresholdGoal(), fail_precision=0.9)


def test_all_good(results):
    with pytest.raises(NotCertifiedError, match='found; with 0 nothing is certified'):
        choose_part_thresholds(collect_parts(ResultsFile(results(0, 60))), ThresholdGoal())


@pytest.mark.parametrize('precision', [0.6, 0.9, 1.0])
def test_sure_enough_to_fail(results, precision):
    parts = collect_parts(ResultsFile(results(gap=0.2)))
    chosen = choose_part_thresholds(parts, ThresholdGoal(), fail_precision=precision)
    (hold, fail), _ = zip(chosen.hold, chosen.fail, strict=True)
    scores, truth = parts.part_scores, parts.defective
    assert fail >= hold and truth[reaches(scores, fail)].mean() >= precision
    assert chosen.failed.precision >= precision
    lower = [x for x in scores if hold <= x < fail]
    assert all(truth[scores >= x].mean() < precision for x in lower)


def test_nothing_is_sure_enough(results):
    parts = collect_parts(ResultsFile(results(gap=0.0)))
    goal = ThresholdGoal(prevalence=0.001)
    chosen = choose_part_thresholds(parts, goal, fail_precision=1)
    never = choose_part_thresholds(parts, goal, fail_precision=0.999)
    # The highest score may be of a defective part: then that one fails, and no other.
    if never.fail[0] is None:
        assert never.failed.tp == never.failed.fp == 0
    else:
        assert never.failed.fp == chosen.failed.fp == 0
    assert chosen.no_better_than_flagging_all is True


def test_overlap(results):
    by_part = TrainingManifest(images=[], parts=['p3', 'p200', 'other'])
    with pytest.raises(NotCertifiedError, match="2 of 240 .* 'p3'"):
        choose_part_thresholds(
            collect_parts(ResultsFile(results(training=by_part))), ThresholdGoal()
        )
    other = TrainingManifest(images=['f' * 64])
    parts = collect_parts(ResultsFile(results(training=other)))
    report = report_thresholds(parts, ThresholdGoal(), rounds=5)
    assert report.policy.evidence.overlap_with_training == 'none'


@pytest.mark.parametrize('per_class', [False, True])
@pytest.mark.parametrize('good', [0, 120])
def test_report_is_json(results, per_class, good):
    parts = collect_parts(ResultsFile(results(good=good)))
    report = report_thresholds(parts, ThresholdGoal(), per_class=per_class, rounds=5)
    content = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert len(content['certificates']) == (2 if per_class else 1)
    assert content['part']['specificity'] is None or good
    assert content['policy']['model_sha256'] == parts.header.model


@pytest.mark.parametrize('bad', [0, 1.1])
def test_bad_precision(results, bad):
    with pytest.raises(ValueError, match='^fail_precision must be'):
        choose_part_thresholds(
            collect_parts(ResultsFile(results())), ThresholdGoal(), fail_precision=bad
        )


def test_stability():
    rng = np.random.default_rng(0)
    labels = np.arange(300) < 150
    scores = np.clip(rng.normal(np.where(labels, 0.7, 0.3), 0.15), 0, 1)
    for wanted in ({}, {'beta': 2}, {'cost_miss': 50, 'cost_alarm': 1}, {'max_false_alarms': 5}):
        goal = ThresholdGoal(0.9, **wanted)
        spread = threshold_stability(scores, labels, goal, rounds=50, seed=3)
        assert spread == threshold_stability(scores, labels, goal, rounds=50, seed=3)
        assert spread.low <= spread.median <= spread.high
        assert {spread.low, spread.median, spread.high} <= set(scores.tolist())
    same = threshold_stability(np.full(60, 0.5), np.ones(60), ThresholdGoal())
    assert same.low == same.high == 0.5
    with pytest.raises(NotCertifiedError):
        threshold_stability([0.5], [1], ThresholdGoal())
    with pytest.raises(ValueError, match='^rounds must be'):
        threshold_stability(scores, labels, ThresholdGoal(), rounds=0)


def test_curve():
    rng = np.random.default_rng(0)
    scores, labels = rng.random(500), rng.random(500) < 0.4
    curve = operating_curve(scores, labels, points=20)
    assert len(curve.threshold) == 20 and (np.diff(curve.threshold) > 0).all()
    assert (np.diff(curve.recall) <= 0).all() and (np.diff(curve.specificity) >= 0).all()
    for index in (0, 7, 19):
        flagged = scores >= curve.threshold[index]
        assert curve.recall[index] == flagged[labels].mean()
        assert curve.precision[index] == labels[flagged].mean()
    assert len(operating_curve([], []).threshold) == 0
    assert np.isnan(operating_curve([0.5], [1]).specificity).all()
    with pytest.raises(ValueError, match='^points must be'):
        operating_curve(scores, labels, points=1)
