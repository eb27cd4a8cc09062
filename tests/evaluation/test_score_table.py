from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdefect.evaluation import match_image
from mmdefect.evaluation.flat_boxes import flatten_images
from mmdefect.evaluation.matching import find_overlaps, match_detections
from mmdefect.evaluation.score_table import count_scores, reaches

BOX = (10, 10, 20, 20)
FAR = (40, 40, 50, 50)


@pytest.fixture(scope='module')
def table_of():
    def make(*images, classes=2, **options):
        boxes = flatten_images(images)
        return count_scores(
            boxes, match_detections(boxes, find_overlaps(boxes)), classes, **options
        )

    return make


def test_counts_and_score_on_threshold(image_result, table_of):
    table = table_of(
        image_result([BOX, FAR], [0, 1], [BOX, (0, 0, 5, 5)], [0, 1], [0.5, 0.3]),
        image_result(found=[BOX, BOX], found_labels=[1, 1], scores=[0.29, 0.1]),
        image_result(),
    )
    assert table.truth.tolist() == [1, 1]
    assert table.found[:, [0, 50, 51]].tolist() == [[1, 1, 0], [0, 0, 0]]
    assert table.false[:, [0, 29, 30, 31]].tolist() == [[0] * 4, [3, 2, 1, 0]]
    assert (table.images_defect, table.images_good) == (1, 2)
    assert table.flagged_defect[[50, 51]].tolist() == [1, 0]
    assert table.flagged_good[[10, 29, 30]].tolist() == [1, 1, 0]
    assert table.false_on_good[[10, 11, 29, 30]].tolist() == [2, 1, 1, 0]
    assert 0.31 <= table.best_threshold() <= 0.5
    # At 0.40 one of two boxes is found and nothing else detected.
    assert table.precision()[:, 40].tolist() == pytest.approx([1, np.nan, 1], nan_ok=True)
    assert table.recall()[:, 40].tolist() == [1, 0, 0.5]
    assert table.f1()[:, 40].tolist() == pytest.approx([1, 0, 2 / 3])
    assert table.f1()[:, 29].tolist() == pytest.approx([1, 0, 2 / 5])
    assert table.specificity()[[29, 30]].tolist() == [0.5, 1]
    assert table.image_recall()[[50, 51]].tolist() == [1, 0]
    assert table.false_alarms_per_good_image()[[10, 29]].tolist() == [1, 0.5]
    assert table.prevalence() == pytest.approx(1 / 3)


def test_every_threshold_keeps_a_score_equal_to_it(image_result, table_of):
    for step in range(101):
        table = table_of(image_result([BOX], [0], [BOX], [0], [step / 100]), classes=1)
        assert table.found[0].sum() == step + 1
        assert reaches(np.float32(step / 100), step / 100)
        assert step == 100 or not reaches(np.float32(step / 100), (step + 1) / 100)


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_equals_counting_one_threshold_at_a_time(small_images, table_of, data):
    images = data.draw(small_images())
    table = table_of(*images, classes=3)
    for step in range(0, 101, 10):
        found, false = np.zeros(3, int), np.zeros(3, int)
        flagged, on_good = {True: 0, False: 0}, 0
        for image in images:
            kept = image.scores.round(4) >= np.float32(step / 100)
            match, labels = match_image(image)[kept], image.labels[kept]
            np.add.at(found, labels[match >= 0], 1)
            np.add.at(false, labels[match == -1], 1)
            if not len(image.gt_labels):
                on_good += int(kept.sum())
                flagged[False] += bool((match > -2).any())
            elif not image.gt_ignored.all():
                flagged[True] += bool((match > -2).any())
        assert table.found[:, step].tolist() == found.tolist()
        assert table.false[:, step].tolist() == false.tolist()
        assert table.flagged_good[step] == flagged[False]
        assert table.flagged_defect[step] == flagged[True]
        assert table.false_on_good[step] == on_good


def test_ignored_boxes_count_neither_way(image_result, table_of):
    crowd = image_result([BOX], [0], [BOX, FAR], [0, 0], [0.9, 0.3], ignored=[True])
    table = table_of(crowd, classes=1)
    assert (table.images_defect, table.images_good) == (0, 0)
    assert table.truth.tolist() == [0]
    assert table.false[0, [20, 30, 31]].tolist() == [1, 1, 0]
    assert np.isnan(table.recall()).all() and np.isnan(table.f1()).all()
    assert np.isnan(table.specificity()).all() and np.isnan(table.prevalence())
    # Beside a box that counts, a detection of the ignored one does not flag the image.
    both = image_result([BOX, FAR], [0, 0], [BOX], [0], [0.9], ignored=[True, False])
    assert table_of(both, classes=1).flagged_defect.sum() == 0


def test_all_clean(image_result, table_of):
    table = table_of(*[image_result()] * 3, classes=1)
    assert table.images_good == 3
    assert table.specificity()[50] == 1 and table.prevalence() == 0
    assert table.false_alarms_per_good_image()[1] == 0
    assert np.isnan(table.precision()).all() and np.isnan(table.image_recall()).all()
    assert table.best_threshold() == 0.5


def test_nothing_found_starts_in_the_middle(image_result, table_of):
    assert table_of().best_threshold() == 0.5
    assert table_of(image_result([BOX], [0])).best_threshold() == 0.5


@pytest.mark.parametrize(
    ('min_score', 'lowest'), [(0, 0.01), (0.01, 0.01), (0.015, 0.02), (0.07, 0.07), (1, 1.0)]
)
def test_nothing_starts_below_what_is_kept(image_result, table_of, min_score, lowest):
    # Without the limit the best F1 would lie at 0.01 to 0.05.
    item = image_result([BOX], [0], [BOX], [0], [0.05])
    for images in ([], [item]):
        table = table_of(*images, classes=1, min_score=min_score)
        assert table.lowest == lowest
        assert table.best_threshold() >= lowest
    assert (table.best_threshold() <= 0.05) == (lowest <= 0.05)
    assert table_of(min_score=0.6).best_threshold() == 0.6


def test_youden_interval(image_result, table_of):
    good = image_result()
    bad = image_result([BOX], [0], [BOX], [0], [0.8])
    assert table_of(good).youden_interval() is None
    assert table_of(bad).youden_interval() is None
    lower, upper = table_of(*[bad] * 56, *[good] * 48).youden_interval()
    assert lower[50] > 0.85 and upper[50] == pytest.approx(1)
    # Newcombe 1998, table II: 56/70 - 48/80, method 10: 0.0524 to 0.3339.
    flags = [bad] * 56 + [image_result([BOX], [0])] * 14
    alarm = image_result(found=[BOX], found_labels=[0], scores=[0.8])
    lower, upper = table_of(*flags, *[alarm] * 48, *[good] * 32).youden_interval()
    assert (lower[50], upper[50]) == (
        pytest.approx(0.0524, abs=1e-4),
        pytest.approx(0.3339, abs=1e-4),
    )
