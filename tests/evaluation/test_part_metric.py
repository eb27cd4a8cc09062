from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmdefect.evaluation import PartMetric

SCORES = st.integers(0, 8).map(lambda value: value / 8)


def sample(score, *labels, path='a.png', part=None, ignored=()):
    instances = [dict(bbox_label=label, ignore_flag=0) for label in labels]
    instances += [dict(bbox_label=label, ignore_flag=1) for label in ignored]
    found = dict(img_path=path, instances=instances, pred_score=torch.tensor(score))
    return {**found, **({} if part is None else {'part_id': part})}


def measure(samples, classes=('defect',), **options):
    metric = PartMetric(**options)
    metric.dataset_meta = {'classes': classes}
    for one in samples:
        metric.process(None, [one])
    return metric.evaluate(len(samples))


def strips(good, bad):
    """Images of their own with one score each."""
    return [
        sample([score], *labels, path=f'{number}.png')
        for number, (score, labels) in enumerate(
            [*((score, ()) for score in good), *((score, (0,)) for score in bad)]
        )
    ]


def test_recall_where_false_alarms_are_limited():
    good = [0.1] * 8 + [0.5, 0.9]
    found = measure(strips(good, [0.05, 0.5, 0.6, 0.7, 0.95]), max_false_alarms=100)
    assert found['mmdefect/part_threshold'] == pytest.approx(0.6)
    assert found['mmdefect/part_recall'] == pytest.approx(0.6)
    assert found['mmdefect/part_specificity'] == pytest.approx(0.9)
    assert found['mmdefect/part_precision'] == pytest.approx(0.75)
    assert found['mmdefect/part_prevalence'] == pytest.approx(1 / 3)
    assert found['mmdefect/part_F2'] == pytest.approx(5 * 3 / (5 * 3 + 4 * 2 + 1))
    assert found['mmdefect/part_no_better_than_flagging_all'] == 0
    # At 0.05 everything is flagged, the only threshold that reaches .95.
    assert found['mmdefect/part_specificity_at_recall'] == 0
    assert measure(strips(good, [0.05, 0.5, 0.6, 0.7, 0.95]), target_recall=0.8)[
        'mmdefect/part_specificity_at_recall'
    ] == pytest.approx(0.8)


def test_flagging_everything_earns_nothing():
    found = measure(strips([0.5] * 50, [0.5] * 50))
    assert found['mmdefect/part_recall'] == 0
    assert found['mmdefect/part_no_better_than_flagging_all'] == 1
    assert found['mmdefect/part_AP'] == 0.5
    fixed = measure(strips([0.5] * 50, [0.5] * 50), threshold=0.5)
    assert fixed['mmdefect/part_recall'] == 1 and fixed['mmdefect/part_specificity'] == 0


@given(st.lists(st.tuples(SCORES, st.booleans()), min_size=1, max_size=12), st.integers(0, 1000))
def test_equals_a_search_over_all_thresholds(parts, limit):
    scores = np.array([score for score, _ in parts])
    bad = np.array([defective for _, defective in parts])
    found = measure(strips(scores[~bad], scores[bad]), max_false_alarms=limit)
    best = math.nan
    if bad.any() and not bad.all():
        best = max(
            (scores[bad] >= threshold).mean()
            for threshold in [*scores, 2]
            if 1000 * (scores[~bad] >= threshold).mean() <= limit + 1e-9
        )
    assert found['mmdefect/part_recall'] == pytest.approx(best, nan_ok=True)
    if bad.any():
        points = [
            ((scores[bad] >= threshold).sum(), (scores >= threshold).sum())
            for threshold in sorted({*scores}, reverse=True)
        ]
        steps = np.diff([0, *(hits for hits, _ in points)])
        area = sum(step * hits / all for step, (hits, all) in zip(steps, points, strict=True))
        assert found['mmdefect/part_AP'] == pytest.approx(area / bad.sum())


def test_images_pool_to_parts_and_classes_are_told_apart():
    samples = [
        sample([0.9, 0.0], 0, part='p', path='1'), sample([0.2, 0.1], part='p', path='2'),
        sample([0.1, 0.8], part='q', path='3'), sample([0.3, 0.3], 1, part='q', path='4'),
        sample([0.4, 0.2], part='r', path='5'), sample([0.0, 0.0], path='6'),
        # Nobody says whether it is good.
        sample([0.9, 0.9], path='7', ignored=(1,)),
    ]  # fmt: skip
    found = measure(samples, ('chip', 'rust'), max_false_alarms=0)
    assert (found['mmdefect/part_recall'], found['mmdefect/part_prevalence']) == (1, 0.5)
    assert found['mmdefect/part_threshold'] == pytest.approx(0.8)
    assert found['mmdefect/part_recall/rust'] == found['mmdefect/part_AP/rust'] == 1
    # Both images must show it: nothing of p is above .2, nothing of single images above 0.
    twice = measure(samples, ('chip', 'rust'), max_false_alarms=0, pool=2)
    assert twice['mmdefect/part_threshold'] == pytest.approx(0.2)
    assert measure(samples, ('chip', 'rust'), threshold=0.85)['mmdefect/part_recall/rust'] == 0


def test_detections_count_by_their_best():
    found = SimpleNamespace(
        **{'labels': torch.tensor([1, 0, 1]), 'scores': torch.tensor([0.25, 0.5, 0.75])}
    )
    with_boxes = dict(sample([0.0], path='1'), pred_instances=vars(found))
    none = {'labels': torch.zeros(0).long(), 'scores': torch.zeros(0)}
    without = dict(sample([0.0], 1, path='2'), pred_instances=none)
    for one in (with_boxes, without):
        del one['pred_score']
    metrics = measure([with_boxes, without], ('chip', 'rust'), threshold=0.75)
    assert metrics['mmdefect/part_specificity'] == metrics['mmdefect/part_recall'] == 0


@pytest.mark.parametrize(
    ('good', 'bad', 'recall'), [([0.1], [], math.nan), ([], [0.1], math.nan), ([0.2], [0.1], 0)]
)
def test_one_kind_of_parts_or_one_part_of_each(good, bad, recall):
    found = measure(strips(good, bad), max_false_alarms=0)
    assert found['mmdefect/part_recall'] == pytest.approx(recall, nan_ok=True)
    assert math.isnan(found['mmdefect/part_threshold']) == (not good)
    assert math.isnan(found['mmdefect/part_AP']) == (not bad)


@pytest.mark.parametrize(
    ('one', 'classes', 'words'),
    [
        (sample([math.nan]), ('a',), 'a.png: a score is not finite'),
        (sample([0.1, 0.2]), ('a',), 'a.png: the model gives 2 scores, .* has 1 class;'),
        (sample([0.1]), (), 'no class names'),
        ({'img_path': 'a.png'}, ('a',), "meta key 'instances'"),
        ({'instances': []}, ('a',), "meta key 'img_path'"),
    ],
)
def test_unusable_samples(one, classes, words):
    with pytest.raises(ValueError, match=words):
        measure([one], classes)


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (dict(max_false_alarms=-1), 'max_false_alarms must be'), (dict(pool=0), 'pool must be'),
        (dict(max_false_alarms=1001), 'in 0..1000'), (dict(threshold=2), 'threshold must be'),
        (dict(target_recall=0), 'target_recall must be'), (dict(beta=0), 'beta must be'),
        (dict(beta=math.inf), 'beta must be'), (dict(max_alarms=3), "unknown key 'max_alarms'"),
    ],
)  # fmt: skip
def test_values_out_of_range(options, words):
    with pytest.raises(ValueError, match=words):
        PartMetric(**options)
