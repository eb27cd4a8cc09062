from pathlib import Path

import numpy as np
import pytest

from mmdefect.datasets.audit import AuditTable, FindingList
from mmdefect.evaluation.image_result import ImageResult
from mmdefect.evaluation.label_suspects import confident_scores, find_suspects

CLASSES = ['chip', 'rust']
BOX, FAR = (10, 10, 50, 50), (60, 10, 90, 40)


def ask(*images, known=(True, True), limit=100):
    """``images``: (labels, detections); a label is (class, box), a detection (class, box, score).

    Five sure detections of rust come with them, so that rust is confident from 0.8 on.
    """
    sure = ([(1, BOX)], [(1, BOX, 0.8)])
    images = [*images, *[sure] * 5]
    rows = [image[0] for image in images]
    labels = np.array([label for row in rows for label, _ in row], np.int32)
    boxes = np.array([box for row in rows for _, box in row], np.float32).reshape(-1, 4)
    table = AuditTable(
        ['train'], list(CLASSES), [Path(f'{number}.png') for number in range(len(images))],
        np.zeros(len(images), np.int32), np.array([[100, 60]] * len(images)),
        [None] * len(images), np.concatenate([[0], np.cumsum([len(row) for row in rows])]),
        boxes, labels, np.zeros(len(labels), bool),
        [tuple(range(len(row))) for row in rows], [None],
    )  # fmt: skip
    results = []
    for number, (_, found) in enumerate(images):
        mine = table.rows(number)
        results.append(
            ImageResult(
                f'{number}.png', 100, 60, boxes[mine], labels[mine],
                np.zeros(mine.stop - mine.start, bool),
                np.array([box for _, box, _ in found], np.float32).reshape(-1, 4),
                np.array([label for label, *_ in found], np.int64),
                np.array([score for *_, score in found], np.float32),
            )
        )  # fmt: skip
    suspects = FindingList(limit)
    find_suspects(table, range(len(images)), results, np.array(known), suspects)
    return suspects


@pytest.mark.parametrize(
    ('labels', 'detections', 'kinds'),
    [
        ([], [], {}),
        ([(1, BOX)], [(1, BOX, 0.9)], {}),
        ([(0, BOX)], [(1, BOX, 0.9)], {'class-confusion': 1}),
        ([(0, BOX)], [(1, BOX, 0.8)], {'class-confusion': 1}),  # exactly confident
        ([(0, BOX)], [(1, BOX, 0.79)], {}),
        ([(0, BOX)], [(1, BOX, 0.9), (0, BOX, 0.95)], {}),  # its own class is better
        ([(0, BOX)], [(1, (10, 10, 50, 31), 0.9)], {'class-confusion': 1}),  # IoU .525
        ([(0, BOX)], [(1, (10, 10, 50, 29), 0.9)], {}),  # IoU .475
        ([], [(1, BOX, 0.9)], {'unlabelled-defect': 1}),
        ([], [(1, BOX, 0.7)], {}),
        ([(0, FAR)], [(0, FAR, 0.9), (1, BOX, 0.9)], {'unlabelled-defect': 1}),
        ([(1, FAR)], [(1, FAR, 0.9), (0, BOX, 0.9), (1, BOX, 0.95)], {'unlabelled-defect': 1}),
        ([(1, BOX)], [(1, BOX, 0.8), (1, (12, 12, 20, 20), 0.9)], {}),  # lies inside a label
        ([(1, BOX)], [], {'unseen-box': 1}),
        ([(1, BOX)], [(0, BOX, 0.05)], {}),  # anything near it will do
        ([(1, BOX)], [(1, FAR, 0.1)], {'unseen-box': 1}),
    ],
)
def test_suspects(labels, detections, kinds):
    found = ask((labels, detections))
    assert {kind: found.totals[kind] for kind in found.kinds()} == kinds


def test_texts_and_boxes():
    found = ask(([(0, BOX)], [(1, BOX, 0.9), (0, BOX, 0.2)]), ([(1, FAR)], []))
    confusion, unseen = found.of('class-confusion')[0], found.of('unseen-box')[0]
    assert confusion.what == 'labelled chip, the model sees rust with score 0.90 and chip with 0.20'
    assert confusion.where == '0.png' and confusion.classes == ('chip', 'rust')
    assert confusion.marked[0].classes == ('chip', 'rust')
    assert confusion.marked[0].score == pytest.approx(0.9)
    assert unseen.what == 'rust of 30 x 30 pixels (w x h): the best IoU of any detection is 0.00'
    assert unseen.marked[0].score is None and unseen.marked[0].boxes.tolist() == [list(FAR)]


def test_ranked():
    found = ask(
        ([], [(1, BOX, 0.82)]), ([], [(1, BOX, 0.99)]), ([], [(1, BOX, 0.9), (1, FAR, 0.95)])
    )
    scores = [item.marked[0].score for item in found.of('unlabelled-defect')]
    assert scores == pytest.approx([0.99, 0.95, 0.9, 0.82])
    areas = ask(([(1, FAR)], []), ([(1, BOX)], []))
    assert [item.where for item in areas.of('unseen-box')] == ['1.png', '0.png']


def test_classes_that_the_model_does_not_know():
    found = ask(([(0, BOX)], [(1, BOX, 0.9)]), ([(0, FAR)], []), known=(False, True))
    assert found.kinds() == []


def test_confident_scores():
    labels = np.array([0] * 5 + [1] * 4)
    scores = np.array([0.5] * 5 + [0.9] * 4)
    overall = scores.mean()
    assert confident_scores(labels, scores, 3) == pytest.approx([0.5, overall, overall])
    assert confident_scores(np.zeros(0, int), np.zeros(0), 2).tolist() == [0.5, 0.5]
