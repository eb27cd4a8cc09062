from __future__ import annotations

import numpy as np
import pytest

from mmdefect.report.evaluation import EvaluatedImage
from mmdefect.report.matching import match_image, threshold_table


def image(truth: list, found: list) -> EvaluatedImage:
    return EvaluatedImage(path='a.png', width=99, height=99, ground_truth=truth, detections=found)


BOX = (10, 10, 20, 20)


@pytest.mark.parametrize(
    ('truth', 'found', 'expected'),
    [
        ([], [], []),
        ([(*BOX, 0, 0)], [], []),
        ([], [(*BOX, 0, 0.9)], [-1]),
        ([(*BOX, 0, 0)], [(*BOX, 0, 0.9)], [0]),
        ([(*BOX, 1, 0)], [(*BOX, 0, 0.9)], [-1]),
        ([(*BOX, 0, 0)], [(*BOX, 0, 0.1), (*BOX, 0, 0.9)], [-1, 0]),
        ([(*BOX, 0, 0)], [(10, 10, 20, 15, 0, 0.9)], [0]),
        ([(*BOX, 0, 0)], [(10, 10, 20, 14.9, 0, 0.9)], [-1]),
        ([(*BOX, 0, 0), (10, 10, 20, 19, 0, 0)], [(*BOX, 0, 0.9), (*BOX, 0, 0.8)], [0, 1]),
        ([(0, 0, 90, 90, 0, 1)], [(*BOX, 0, 0.9), (*BOX, 0, 0.8)], [-2, -2]),
        ([(0, 0, 90, 90, 0, 1), (*BOX, 0, 0)], [(*BOX, 0, 0.9)], [1]),
        ([(10, 10, 11, 11, 0, 0)], [(10, 10, 11, 11, 0, 0.9)], [0]),
        ([(10, 10, 10, 10, 0, 0)], [(10, 10, 10, 10, 0, 0.9)], [-1]),
    ],
)
def test_match(truth: list, found: list, expected: list[int]) -> None:
    assert match_image(image(truth, found)).tolist() == expected


def table_of(*images: EvaluatedImage, classes: int = 2):
    return threshold_table(images, [match_image(item) for item in images], classes)


def test_counts_and_score_on_threshold() -> None:
    table = table_of(
        image([(*BOX, 0, 0), (40, 40, 60, 60, 1, 0)], [(*BOX, 0, 0.5), (70, 70, 80, 80, 1, 0.3)]),
        image([], [(*BOX, 1, 0.29)]),
        image([], []),
    )
    assert table.truth.tolist() == [1, 1]
    assert table.found[:, [0, 50, 51]].tolist() == [[1, 1, 0], [0, 0, 0]]
    assert table.false[:, [0, 29, 30, 31]].tolist() == [[0] * 4, [2, 2, 1, 0]]
    assert (table.images_defect, table.images_good) == (1, 2)
    assert table.flagged_defect[[50, 51]].tolist() == [1, 0]
    assert table.flagged_good[[29, 30]].tolist() == [1, 0]
    assert 0.31 <= table.start <= 0.5


def test_every_threshold_keeps_a_score_equal_to_it() -> None:
    for step in range(101):
        table = table_of(image([(*BOX, 0, 0)], [(*BOX, 0, step / 100)]))
        assert table.found[0].sum() == step + 1


def test_matches_hold_at_every_threshold() -> None:
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 60, (30, 2))
    sizes = rng.uniform(10, 40, (30, 2))
    rows = np.hstack([corners, corners + sizes]).tolist()
    truth = [(*row, index % 2, 0) for index, row in enumerate(rows[:10])]
    found = [(*row, index % 2, float(rng.random())) for index, row in enumerate(rows)]
    table = table_of(image(truth, found))
    for at in (20, 50, 80):
        kept = image(truth, [row for row in found if round(row[5], 4) >= at / 100])
        match = match_image(kept)
        assert table.found[:, at].sum() == (match >= 0).sum()
        assert table.false[:, at].sum() == (match == -1).sum()


def test_nothing_found_starts_in_the_middle() -> None:
    assert table_of().start == 0.5
    assert table_of(image([(*BOX, 0, 0)], [])).start == 0.5


@pytest.mark.parametrize(
    ('min_score', 'lowest'), [(0, 0.01), (0.01, 0.01), (0.015, 0.02), (0.07, 0.07), (1, 1.0)]
)
def test_nothing_starts_below_what_the_file_holds(min_score: float, lowest: float) -> None:
    # Without the limit the best F1 would lie at 0.01 to 0.05.
    item = image([(*BOX, 0, 0)], [(*BOX, 0, 0.05)])
    for images in ([], [item]):
        matches = [match_image(item) for item in images]
        table = threshold_table(images, matches, 1, min_score)
        assert table.lowest == lowest
        assert table.start >= lowest
    assert (table.start <= 0.05) == (lowest <= 0.05)
    assert threshold_table([], [], 1, 0.6).start == 0.6


def test_youden_interval() -> None:
    good, bad = image([], []), image([(*BOX, 0, 0)], [(*BOX, 0, 0.8)])
    assert table_of(good).youden_interval() is None
    assert table_of(bad).youden_interval() is None
    lower, upper = table_of(*[bad] * 56, *[good] * 48).youden_interval()
    assert lower[50] > 0.85 and upper[50] == pytest.approx(1)
    # Newcombe 1998, table II: 56/70 - 48/80, method 10: 0.0524 to 0.3339.
    flags = [bad] * 56 + [image([(*BOX, 0, 0)], [])] * 14
    alarms = [image([], [(*BOX, 0, 0.8)])] * 48 + [good] * 32
    lower, upper = table_of(*flags, *alarms).youden_interval()
    assert (lower[50], upper[50]) == (
        pytest.approx(0.0524, abs=1e-4),
        pytest.approx(0.3339, abs=1e-4),
    )
