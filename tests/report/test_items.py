from __future__ import annotations

import json

import numpy as np
import pytest

from mmdefect.report.evaluation import EvaluatedImage
from mmdefect.report.items import Item, choose_items, find_items
from mmdefect.report.results import image_result

# (x1, y1, x2, y2): the same box, one at IoU 1/3 with it, one beside it.
BOX = (10, 10, 30, 30)
LOOSE = (20, 10, 40, 30)
FAR = (60, 60, 80, 80)


def items_of(*images: tuple[list, list], threshold: float = 0.5) -> list[Item]:
    results = [
        image_result(
            EvaluatedImage(
                path=f'{index}.png', width=99, height=99, ground_truth=truth, detections=found
            )
        )
        for index, (truth, found) in enumerate(images)
    ]
    return find_items(results, threshold)


@pytest.mark.parametrize(
    ('truth', 'found', 'expected'),
    [
        # kind, class, score, best IoU, class of what is near
        ([], [], []),
        ([(*BOX, 0, 0)], [(*BOX, 0, 0.9)], []),
        ([(*BOX, 0, 1)], [], []),
        ([(*BOX, 0, 1)], [(*BOX, 0, 0.9)], []),
        ([(*BOX, 1, 0)], [], [('missed', 1, None, 0, None)]),
        ([(*BOX, 0, 0)], [(*BOX, 0, 0.5)], []),
        ([(*BOX, 0, 0)], [(*BOX, 0, 0.49)], [('missed', 0, 0.49, 0, None)]),
        ([], [(*BOX, 1, 0.9)], [('background', 1, 0.9, 0, None)]),
        (
            [(*BOX, 0, 0)],
            [(*FAR, 0, 0.9)],
            [('missed', 0, None, 0, None), ('background', 0, 0.9, 0, None)],
        ),
        (
            [(*BOX, 0, 0)],
            [(*BOX, 1, 0.9)],
            [('missed', 0, None, 1, 1), ('classification', 1, 0.9, 1, 0)],
        ),
        (
            [(*BOX, 0, 0)],
            [(*LOOSE, 0, 0.9)],
            [('missed', 0, None, 1 / 3, 0), ('localisation', 0, 0.9, 1 / 3, 0)],
        ),
        (
            [(*BOX, 0, 0)],
            [(*LOOSE, 1, 0.9)],
            [('missed', 0, None, 1 / 3, 1), ('both', 1, 0.9, 1 / 3, 0)],
        ),
        (
            [(*BOX, 0, 0)],
            [(*BOX, 0, 0.9), (*BOX, 0, 0.8)],
            [('duplicate', 0, 0.8, 1, 0)],
        ),
        # Only what counts at the threshold lies on a missed box.
        (
            [(*BOX, 0, 0)],
            [(*BOX, 0, 0.2), (*LOOSE, 0, 0.6)],
            [('missed', 0, 0.2, 1 / 3, 0), ('localisation', 0, 0.6, 1 / 3, 0)],
        ),
    ],
)
def test_kinds(truth: list, found: list, expected: list) -> None:
    items = items_of((truth, found))
    got = [(i.kind, i.label, i.score, pytest.approx(i.iou), i.near_label) for i in items]
    assert got == expected
    for item in items:
        assert (item.near is None) == (item.near_label is None)
        json.dumps(item.to_dict())


def test_one_item_per_missed_box_and_per_wrong_detection() -> None:
    rng = np.random.default_rng(0)
    images = []
    for _ in range(20):
        corners, sizes = rng.uniform(0, 60, (24, 2)), rng.uniform(5, 30, (24, 2))
        rows = np.hstack([corners, corners + sizes]).tolist()
        images.append((
            [(*row, int(rng.integers(3)), int(rng.random() < 0.2)) for row in rows[:6]],
            [(*row, int(rng.integers(3)), float(rng.random().__round__(4))) for row in rows],
        ))  # fmt: skip
    from mmdefect.evaluation.analysis import analyse_images

    results = [
        image_result(EvaluatedImage(path='', width=99, height=99, ground_truth=t, detections=f))
        for t, f in images
    ]
    table = analyse_images(results, 3, 100).table
    for at in (5, 50, 90):
        items = find_items(results, at / 100)
        missed = [item for item in items if item.kind == 'missed']
        assert len(missed) == table.truth.sum() - table.found[:, at].sum()
        assert len(items) - len(missed) == table.false[:, at].sum()


def test_a_threshold_for_each_class() -> None:
    images = ([(*BOX, 0, 0), (*FAR, 1, 0)], [(*BOX, 0, 0.4), (*FAR, 1, 0.4), (*LOOSE, 1, 0.35)])
    for limits, expected in (
        ((0.3, 0.3), [('localisation', 1)]),
        ((0.4, 0.4), []),
        ((0.5, 0.3), [('missed', 0), ('localisation', 1)]),
        ((0.3, 0.5), [('missed', 1)]),
    ):
        items = items_of(images, threshold=limits)
        kinds = [('localisation' if item.kind == 'both' else item.kind, item.label)
                 for item in items]  # fmt: skip
        assert kinds == expected, limits
        assert [item.threshold for item in items] == [limits[item.label] for item in items]


def test_worst_first() -> None:
    small, large = (0, 0, 5, 5), (50, 50, 99, 99)
    items = items_of(
        ([(*small, 0, 0)], []),
        ([(*BOX, 0, 0)], [(*BOX, 0, 0.3)]),
        ([(*BOX, 0, 0)], [(*BOX, 0, 0.1), (*FAR, 0, 0.6), (*small, 1, 0.8)]),
        ([(*large, 0, 0)], [(*BOX, 0, 0.7)]),
    )
    order = [(item.kind, item.image, item.score) for item in items]
    assert order == [
        ('missed', 3, None), ('missed', 0, None), ('missed', 2, 0.1), ('missed', 1, 0.3),
        ('background', 2, 0.8), ('background', 3, 0.7), ('background', 2, 0.6),
    ]  # fmt: skip


def numbered(missed: int, wrong: int) -> list[Item]:
    kinds = ['missed'] * missed + ['background'] * wrong
    return [Item(index, kind, 0, BOX, 0.5, 0.0) for index, kind in enumerate(kinds)]


@pytest.mark.parametrize(
    ('missed', 'wrong', 'limit', 'expected'),
    [
        (10, 10, 6, (3, 3)),
        (10, 10, 7, (4, 3)),
        (2, 10, 6, (2, 4)),
        (10, 1, 6, (5, 1)),
        (0, 10, 6, (0, 6)),
        (10, 0, 6, (6, 0)),
        (1, 1, 6, (1, 1)),
        (10, 10, 0, (0, 0)),
        (0, 0, 6, (0, 0)),
    ],
)
def test_half_of_each(missed: int, wrong: int, limit: int, expected: tuple[int, int]) -> None:
    items = numbered(missed, wrong)
    kept = choose_items(items, limit, lambda item: item.kind == 'missed')
    places = [item.image for item in kept]
    # The worst of each half: those that stand first.
    assert places == [*range(expected[0]), *range(missed, missed + expected[1])]


def test_no_negative_limit() -> None:
    with pytest.raises(ValueError, match='limit must be 0 or more, got -1'):
        choose_items([], -1, bool)
