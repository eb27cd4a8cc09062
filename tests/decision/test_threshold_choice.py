from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from mmdefect.decision import (
    NotCertifiedError,
    TrainingManifest,
    allowed_misses,
    certified_recall,
    choose_threshold,
    reaches,
)
from mmdefect.errors import InputError

SHA = [f'{index:064x}' for index in range(500)]
# Coarse scores, so that ties are common.
TIED = st.integers(0, 20).map(lambda value: value / 20)


def parts(defective, good, seed=0, gap=0.5):
    rng = np.random.default_rng(seed)
    labels = np.arange(defective + good) < defective
    scores = np.clip(rng.normal(np.where(labels, 0.3 + gap, 0.3), 0.12), 0, 1)
    return scores, labels


@pytest.mark.parametrize(('recall', 'needed'), [(0.95, 59), (0.98, 149), (0.99, 299)])
def test_fewest_defective_parts(recall, needed):
    scores, labels = parts(needed, 50)
    choice = choose_threshold(scores, labels, recall, 0.95)
    assert choice.threshold == scores[labels].min()
    assert choice.certified.n_missed == choice.point.fn == 0
    with pytest.raises(NotCertifiedError, match=f'at least {needed} defective') as refused:
        choose_threshold(scores[1:], labels[1:], recall, 0.95)
    assert refused.value.largest_recall == pytest.approx(0.05 ** (1 / (needed - 1)))
    assert refused.value.largest_recall < recall


@pytest.mark.parametrize('labels', [[], [0, 0, 0]])
def test_without_defective_parts_nothing_is_certified(labels):
    with pytest.raises(NotCertifiedError, match='nothing is certified') as refused:
        choose_threshold(np.zeros(len(labels)), labels)
    assert refused.value.largest_recall == 0


@settings(max_examples=40, deadline=None)
@given(st.lists(TIED, min_size=59, max_size=200), st.lists(TIED, max_size=40))
def test_certified_rule(defective, good):
    scores, labels = np.array(defective + good), np.repeat([1, 0], [len(defective), len(good)])
    choice = choose_threshold(scores, labels)
    threshold, most = choice.threshold, allowed_misses(len(defective), 0.95)
    # The largest score of a defective part with no more misses than the bound allows.
    fits = [score for score in defective if sum(x < score for x in defective) <= most]
    assert threshold == max(fits)
    assert choice.point.fn == sum(score < threshold for score in defective) <= most
    assert choice.point.fp == sum(score >= threshold for score in good)
    assert choice.certified == certified_recall(len(defective), most)
    assert choice.certified.lower >= 0.95
    # Good parts do not move it, nor does the order.
    assert choose_threshold(scores[::-1], labels[::-1]).threshold == threshold
    assert choose_threshold(defective, np.ones(len(defective))).threshold == threshold
    # A higher promise never raises it.
    assert choose_threshold(scores, labels, 0.9).threshold >= threshold
    if allowed_misses(len(defective), 0.95, 0.99) is not None:
        assert choose_threshold(scores, labels, 0.95, 0.99).threshold <= threshold


def test_scores_exactly_on_the_threshold_count():
    scores = np.repeat([0.25, 0.5, 0.75], [1, 60, 39])
    choice = choose_threshold(scores, np.ones(100))
    assert choice.threshold == 0.5 and choice.point.fn == 1
    assert reaches(scores, choice.threshold).sum() == choice.point.tp == 99


def test_float32_scores_meet_their_own_threshold():
    scores = np.random.default_rng(0).random(200).astype(np.float32)
    choice = choose_threshold(scores, np.ones(200))
    assert reaches(scores, choice.threshold).sum() == choice.point.tp
    assert (scores >= choice.threshold).sum() == choice.point.tp


@settings(max_examples=40, deadline=None)
@given(
    st.lists(TIED, min_size=59, max_size=120),
    st.lists(TIED, min_size=1, max_size=60),
    st.sampled_from([{'beta': 2}, {'beta': 0.5}, {'cost_miss': 50, 'cost_alarm': 1}]),
    st.sampled_from([None, 0.01, 0.5]),
)
def test_best_point_among_the_certified_ones(defective, good, wanted, prevalence):
    scores, labels = np.array(defective + good), np.repeat([1, 0], [len(defective), len(good)])
    certified = choose_threshold(scores, labels).threshold
    choice = choose_threshold(scores, labels, prevalence=prevalence, **wanted)
    assert choice.threshold <= certified
    assert choice.false_alarms_upper is None
    share = prevalence or len(defective) / len(scores)

    def value(threshold):
        recall = np.mean(np.array(defective) >= threshold)
        alarms = np.mean(np.array(good) >= threshold)
        if 'beta' in wanted:
            square, found = wanted['beta'] ** 2, share * recall
            return (1 + square) * found / (square * share + found + (1 - share) * alarms)
        return -(share * (1 - recall) * 50 + (1 - share) * alarms)

    best = max(value(threshold) for threshold in scores if threshold <= certified)
    assert value(choice.threshold) == pytest.approx(best)


@settings(max_examples=40, deadline=None)
@given(st.lists(TIED, min_size=59, max_size=150), st.floats(0.5, 0.95))
def test_learn_then_test_ends_at_the_order_statistic(defective, recall):
    """Fixed sequence testing over a fixed grid accepts what lies up to the chosen threshold."""
    grid, scores = np.arange(0, 101) / 100, np.array(defective)
    accepted = []
    for threshold in grid:
        missed = int((scores < threshold - 1e-9).sum())
        if binom.cdf(missed, len(scores), 1 - recall) > 0.05 * (1 + 1e-9):
            break
        accepted.append(threshold)
    threshold = choose_threshold(scores, np.ones(len(scores)), recall).threshold
    assert accepted == grid[grid <= threshold + 1e-9].tolist()


@pytest.mark.parametrize(('count', 'promise'), [(60, 0.95), (150, 0.95), (300, 0.98)])
def test_promise_is_kept(count, promise):
    """Of many fits at least the stated share keeps the promise on the population."""
    rng = np.random.default_rng(7)
    # Rounded, so that ties occur; a part in fifty is not detected at all.
    population = np.round(rng.beta(4, 2, 20_000), 3) * (rng.random(20_000) > 0.02)
    drawn = population[rng.integers(0, len(population), (1000, count))]
    kept = [
        np.mean(population >= choose_threshold(row, np.ones(count), promise).threshold) >= promise
        for row in drawn
    ]
    assert np.mean(kept) >= 0.95 - 2 * math.sqrt(0.95 * 0.05 / len(kept))


def test_both_promises_together():
    """At the worst place, where recall and false alarms hang on the same threshold."""
    rng = np.random.default_rng(3)
    defective, good = rng.random(20_000), rng.random(20_000) * 0.1 / 0.95
    limit = 1000 * np.mean(good >= np.quantile(defective, 0.1))
    broken = 0
    for _ in range(400):
        scores = np.r_[rng.choice(defective, 200), rng.choice(good, 200)]
        try:
            threshold = choose_threshold(
                scores, np.arange(400) < 200, 0.9, 0.9, max_false_alarms=limit
            ).threshold
        except NotCertifiedError:
            continue
        kept = np.mean(defective >= threshold) >= 0.9
        kept &= 1000 * np.mean(good >= threshold) <= limit
        broken += not kept
    assert broken / 400 <= 0.1 + 2 * math.sqrt(0.1 * 0.9 / 400)


def test_no_detection_on_too_many_parts_flags_all():
    scores = np.r_[np.zeros(10), np.full(90, 0.9), np.zeros(40)]
    labels = np.arange(140) < 100
    choice = choose_threshold(scores, labels)
    assert choice.threshold == 0 and choice.flags_all
    assert choice.point.specificity == 0 and choice.no_better_than_flagging_all is True
    # Without good parts too: a part without any detection would be flagged.
    assert choose_threshold(scores[:100], labels[:100]).no_better_than_flagging_all is True


def test_no_better_than_flagging_all():
    rng = np.random.default_rng(0)
    blind = choose_threshold(rng.random(400), np.arange(400) < 200)
    assert blind.no_better_than_flagging_all is True and not blind.flags_all
    assert choose_threshold(*parts(200, 200)).no_better_than_flagging_all is False


def test_recall_needs_no_good_parts_but_false_alarms_do():
    scores = parts(100, 0)[0]
    choice = choose_threshold(scores, np.ones(100))
    assert choice.false_alarms_upper is None and choice.no_better_than_flagging_all is None
    assert math.isnan(choice.point.specificity)
    for wanted in ({'max_false_alarms': 50}, {'beta': 2}, {'cost_miss': 50, 'cost_alarm': 1}):
        with pytest.raises(NotCertifiedError, match='no good part'):
            choose_threshold(scores, np.ones(100), **wanted)


def test_false_alarms_share_the_risk():
    scores, labels = parts(100, 400)
    choice = choose_threshold(scores, labels, max_false_alarms=60)
    assert choice.certified.confidence == pytest.approx(0.975)
    assert choice.point.false_alarms_per_1000_good <= choice.false_alarms_upper <= 60
    alone = choose_threshold(scores, labels)
    assert choice.threshold <= alone.threshold
    bound = alone.false_alarms_upper
    assert bound == pytest.approx(1000 * (1 - certified_recall(400, alone.point.fp).lower))
    with pytest.raises(NotCertifiedError, match=r'\(\d+ on 400 good parts\)'):
        choose_threshold(scores, labels, max_false_alarms=1)
    with pytest.raises(NotCertifiedError, match='at least 72 defective parts'):
        choose_threshold(*parts(71, 400), max_false_alarms=60)


def test_overlap_with_training_is_refused():
    scores, labels = parts(80, 20)
    names, hashes = [f'p{index}' for index in range(100)], [[sha] for sha in SHA[:100]]
    clean = TrainingManifest(images=SHA[200:], parts=['q1'])
    known = dict(part_ids=names, image_hashes=hashes)
    assert choose_threshold(scores, labels, **known, training=clean).overlap == 'none'
    assert choose_threshold(scores, labels, **known).overlap == 'unknown'
    assert choose_threshold(scores, labels, training=clean).overlap == 'unknown'
    by_part = TrainingManifest(images=[], parts=['p7', 'p8', 'p99'])
    by_image = TrainingManifest(images=[SHA[7], SHA[8], SHA[99]])
    for training in (by_part, by_image):
        with pytest.raises(NotCertifiedError, match="3 of 100 .* 'p7'") as refused:
            choose_threshold(scores, labels, **known, training=training)
        assert refused.value.largest_recall == pytest.approx(0.05 ** (1 / 78))
    with pytest.raises(NotCertifiedError, match="'number 7'"):
        choose_threshold(scores, labels, image_hashes=hashes, training=by_image)


@pytest.mark.parametrize('bad', [math.nan, math.inf, -math.inf])
def test_scores_that_are_none(bad):
    scores, labels = parts(60, 5)
    scores[3] = bad
    with pytest.raises(InputError, match='at part 3 is no score'):
        choose_threshold(scores, labels)


def test_a_part_that_stands_twice():
    with pytest.raises(InputError, match="part 'a' stands twice"):
        choose_threshold([0.1, 0.2, 0.3], [1, 1, 1], part_ids=['a', 'b', 'a'])


@pytest.mark.parametrize(
    ('arguments', 'name'),
    [
        ({'target_recall': 1}, 'target_recall'),
        ({'target_recall': 95}, 'target_recall'),
        ({'confidence': 0}, 'confidence'),
        ({'beta': 0}, 'beta'),
        ({'cost_miss': 5}, 'cost_alarm'),
        ({'cost_miss': -1, 'cost_alarm': 1}, 'cost_miss'),
        ({'max_false_alarms': 1000}, 'max_false_alarms'),
        ({'prevalence': 1}, 'prevalence'),
        ({'beta': 2, 'max_false_alarms': 5}, 'only one of'),
        ({'part_ids': ['a']}, 'part_ids'),
        ({'labels': [1, 0]}, 'labels'),
        ({'labels': [1, 2, 0]}, 'labels'),
        ({'scores': [[1, 2, 0]]}, 'scores'),
    ],
)
def test_bad_arguments(arguments, name):
    with pytest.raises(ValueError, match=f'^{name}'):
        choose_threshold(**{'scores': [0.1, 0.2, 0.3], 'labels': [1, 1, 0], **arguments})
