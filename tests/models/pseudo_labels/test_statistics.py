from __future__ import annotations

import logging
import re

import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.structures import InstanceData

from mmdefect.errors import InputError
from mmdefect.models import ClassThresholds, PseudoLabelStatistics

CLASSES = ('dent', 'rust')
FIXED = ClassThresholds(CLASSES, False, initial=0.5, cls=0.5)
BOTH = torch.tensor([True, True])


def boxes(*rows):
    """Rows of (image, label, score) or (image, label, score, box)."""
    places = [row[3] if len(row) > 3 else (0, 0, 10, 10) for row in rows]
    return InstanceData(
        images=torch.tensor([row[0] for row in rows], dtype=torch.int64),
        labels=torch.tensor([row[1] for row in rows], dtype=torch.int64),
        scores=torch.tensor([row[2] for row in rows], dtype=torch.float32),
        bboxes=torch.tensor(places, dtype=torch.float32).view(-1, 4),
        for_cls=torch.tensor([row[2] >= 0.5 for row in rows], dtype=torch.bool),
    )


def summarise(statistics, *rows, learned=BOTH):
    found = boxes(*rows)
    logged = statistics.summarise(found, found[found.scores >= 0.5], FIXED, learned)
    return {name.removeprefix('pseudo/'): float(value) for name, value in logged.items()}


def test_counts_ratios_and_scores():
    logged = summarise(PseudoLabelStatistics(CLASSES), (0, 0, 0.9), (0, 0, 0.3), (0, 0, 0.1))
    assert logged == pytest.approx(
        {
            'kept_ratio/dent': 1 / 3, 'count/dent': 1, 'count/rust': 0, 'threshold/dent': 0.5,
            'threshold/rust': 0.5, 'score_mean': 1.3 / 3, 'score_median': 0.3,
            'score_mean/dent': 1.3 / 3, 'score_median/dent': 0.3,
            'score_best': 0.9, 'stage/floor': 3, 'stage/cls': 1, 'clean_images': 0.5,
            'ignored_images': 0,
        }
    )  # fmt: skip


def test_ratios_are_of_the_window():
    statistics = PseudoLabelStatistics(CLASSES, window=2)
    summarise(statistics, (0, 0, 0.1), (0, 0, 0.1))
    summarise(statistics, (0, 0, 0.9))
    logged = summarise(statistics, (0, 0, 0.9), (1, 0, 0.1), learned=torch.tensor([True, False]))
    assert logged['kept_ratio/dent'] == pytest.approx(2 / 3)
    assert logged['score_median'] == pytest.approx(0.9)
    assert logged['ignored_images'] == pytest.approx(1 / 4)


def test_votes_are_of_the_window():
    statistics = PseudoLabelStatistics(CLASSES, window=2)

    def votes(judged, confirmed, added=0):
        logged = statistics.votes(np.array(judged), np.array(confirmed), added)
        return {name.removeprefix('pseudo/consensus_'): float(v) for name, v in logged.items()}

    # Nothing to judge is no rate of 0.
    assert votes([0, 0], [0, 0]) == {'judged': 0, 'added': 0}
    assert votes([4, 0], [1, 0], 3) == {'rate': 0.25, 'rate/dent': 0.25, 'judged': 2, 'added': 1.5}
    found = votes([2, 2], [2, 0])
    assert found == pytest.approx(
        {'rate': 3 / 8, 'rate/dent': 3 / 6, 'rate/rust': 0, 'judged': 4, 'added': 1.5}
    )


def test_scores_of_classes_are_told_apart():
    statistics = PseudoLabelStatistics(CLASSES, window=2)
    summarise(statistics, (0, 0, 0.9), (0, 1, 0.1))
    summarise(statistics, (0, 0, 0.7), (0, 0, 0.2), (0, 1, 0.3))
    logged = summarise(statistics)
    assert logged['score_mean'] == pytest.approx(0.4)
    assert logged['score_mean/dent'] == logged['score_median/dent'] == pytest.approx(0.45)
    assert logged['score_mean/rust'] == logged['score_median/rust'] == pytest.approx(0.3)
    logged = summarise(statistics, (0, 0, 0.6))
    assert logged['score_median'] == pytest.approx(0.6) and 'score_mean/rust' not in logged


def test_no_box_at_all():
    logged = summarise(PseudoLabelStatistics(CLASSES))
    assert logged['clean_images'] == 1 and logged['count/dent'] == 0
    assert 'score_mean' not in logged and 'kept_ratio/dent' not in logged


def truth(*rows):
    return InstanceData(
        labels=torch.tensor([row[0] for row in rows], dtype=torch.int64),
        bboxes=torch.tensor([row[1] for row in rows], dtype=torch.float32).view(-1, 4),
    )


def test_precision_and_recall_match_one_to_one():
    statistics = PseudoLabelStatistics(CLASSES, hidden_truth=True)
    place, near, far = (0, 0, 10, 10), (0, 0, 10, 8), (30, 30, 40, 40)
    found = boxes(
        (0, 0, 0.9, place), (0, 0, 0.8, near), (0, 1, 0.9, place), (1, 0, 0.9, place),
        (1, 1, 0.2, far),
    )  # fmt: skip
    logged = statistics.judge(found, [truth((0, place), (0, far)), truth((1, far))])
    assert {name: float(value) for name, value in logged.items()} == {
        'pseudo/precision/dent': pytest.approx(1 / 3),
        'pseudo/recall/dent': 0.5,
        'pseudo/precision/rust': 0,
        'pseudo/recall/rust': 0,
    }


def test_as_many_pairs_as_there_can_be():
    # Greedy by overlap would pair the wide box with the first and leave the second alone.
    statistics = PseudoLabelStatistics(CLASSES)
    found = boxes((0, 0, 0.9, (0, 0, 10, 10)), (0, 0, 0.8, (0, 0, 10, 6)))
    logged = statistics.judge(found, [truth((0, (0, 0, 10, 9.8)), (0, (0, 0, 10, 16)))])
    assert logged['pseudo/recall/dent'] == 1


def test_unlabelled_images_are_not_taken_for_good_ones():
    statistics = PseudoLabelStatistics(CLASSES, hidden_truth=True)
    place = (0, 0, 10, 10)
    assert statistics.judge(boxes((0, 0, 0.9, place)), [truth()]) == {}
    known = statistics.judge(boxes((0, 0, 0.9, place)), [truth(), truth((0, place))])
    assert known['pseudo/precision/dent'] == 0
    assert statistics.judge(boxes((0, 0, 0.9, place)), [truth()])['pseudo/recall/dent'] == 0


def test_truth_that_was_never_loaded():
    with pytest.raises(InputError, match='hidden_truth=True, but'):
        PseudoLabelStatistics(CLASSES).judge(boxes(), [InstanceData()])


@pytest.mark.parametrize(
    ('rows', 'reason'),
    [((), 'finds nothing at all'), (((0, 1, 0.3),), r'best score was 0.300 \(rust\), the thresh')],
)
def test_warns_once_when_there_is_no_pseudo_label_for_long(caplog, rows, reason):
    MMLogger.get_instance('quiet', logger_name='quiet').addHandler(caplog.handler)
    statistics = PseudoLabelStatistics(CLASSES, quiet=5)
    for _ in range(4):
        summarise(statistics, *rows)
    summarise(statistics, (0, 0, 0.9))
    for _ in range(4):
        summarise(statistics, *rows)
    assert not caplog.records
    for _ in range(20):
        summarise(statistics, *rows)
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert 'no pseudo label for 5 iterations' in record.getMessage()
    assert re.search(reason, record.getMessage())


def test_positives():
    statistics = PseudoLabelStatistics(CLASSES)
    statistics.positives(torch.tensor([4, 0]), torch.tensor([1, 3]))
    logged = statistics.positives(torch.tensor([2, 0]), torch.tensor([0, 2]))
    assert {name: float(value) for name, value in logged.items()} == {
        'pseudo/positives/dent': 3, 'pseudo/positives/rust': 0,
        'pseudo/positives/level_0': 0.5, 'pseudo/positives/level_1': 2.5,
    }  # fmt: skip


@pytest.mark.parametrize('settings', [dict(window=0), dict(quiet=True), dict(windw=3)])
def test_mistakes(settings):
    with pytest.raises(InputError, match='window|quiet'):
        PseudoLabelStatistics(CLASSES, **settings)
