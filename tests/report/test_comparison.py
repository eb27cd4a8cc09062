from __future__ import annotations

import json

import pytest

from mmdefect.errors import InputError
from mmdefect.evaluation.evidence import make_evidence
from mmdefect.evaluation.image_errors import describe_errors
from mmdefect.report.comparison import common_part, found_by_one
from mmdefect.report.evaluation import EvaluatedImage, Evaluation
from mmdefect.report.results import image_result

BOX = (10.0, 10.0, 30.0, 30.0)
FAR = (60.0, 60.0, 80.0, 80.0)


def image(path: str, truth: list, found: list) -> EvaluatedImage:
    return EvaluatedImage(path=path, width=99, height=99, ground_truth=truth, detections=found)


def run(classes: list[str], *images: EvaluatedImage, **changes) -> Evaluation:
    evidence = make_evidence([image_result(item) for item in images], classes, 100)
    return Evaluation.model_validate({'checkpoint': 'a.pth', **evidence, **changes})


def test_same_classes_and_images_stay_as_they_are() -> None:
    first = run(['a'], image('x/1.png', [(*BOX, 0, 0)], [(*BOX, 0, 0.9)]), image('x/2.png', [], []))
    second = run(['a'], image('x/2.png', [], []), image('x/1.png', [(*BOX, 0, 0)], []))
    one, two, notes = common_part(first, second, ('one', 'two'))
    assert notes == []
    assert one == first
    assert [item.path for item in two.images] == ['x/1.png', 'x/2.png']
    assert two.model_copy(update={'images': second.images}) == second


def test_only_the_common_images_count() -> None:
    hit, miss = [(*BOX, 0, 0.9)], []
    truth = [(*BOX, 0, 0)]
    first = run(['a'], image('1.png', truth, hit), image('2.png', truth, miss))
    second = run(['a'], image('3.png', truth, miss), image('1.png', truth, hit))
    one, two, notes = common_part(first, second, ('one', 'two'))
    assert first.metrics['AP50'] == second.metrics['AP50'] == pytest.approx(0.5, abs=0.01)
    for part in (one, two):
        assert part.metrics['AP50'] == 1
        assert part.score_table.truth == [1]
        assert [item.path for item in part.images] == ['1.png']
        assert part.checkpoint == 'a.pth'
    assert 'A was evaluated on 2 images, B on 2: compared are the 1' in notes[0]
    assert 'computed anew' in notes[1]


def test_the_lower_limit_of_detections_counts_for_both() -> None:
    truth = [(*BOX, 0, 0), (*FAR, 0, 0)]
    both = image('1.png', truth, [(*BOX, 0, 0.9), (*FAR, 0, 0.8)])
    first, second = run(['a'], both), run(['a'], both, max_dets=1)
    one, two, notes = common_part(first, second, ('one', 'two'))
    assert 'A counts 100 detections per image and class, B 1: compared with 1' in notes[0]
    assert one.max_dets == two.max_dets == 1
    assert one.metrics['AR'] == two.metrics['AR'] == 0.5
    assert [len(item.images[0].detections) for item in (one, two)] == [1, 1]


def test_images_moved_to_another_folder_are_known_by_name() -> None:
    one, two, notes = common_part(
        run(['a'], image('/here/1.png', [], []), image('/here/2.png', [], [])),
        run(['a'], image('C:\\there\\1.png', [], []), image('C:\\there\\2.png', [], [])),
        ('one', 'two'),
    )
    assert notes == [] and len(one.images) == len(two.images) == 2


def test_a_name_that_stands_twice_tells_nothing() -> None:
    with pytest.raises(InputError, match='no image in common'):
        common_part(
            run(['a'], image('x/1.png', [], []), image('y/1.png', [], [])),
            run(['a'], image('z/1.png', [], [])),
            ('one', 'two'),
        )


def test_classes_are_matched_by_name() -> None:
    truth_one, truth_two = [(*BOX, 0, 0), (*FAR, 1, 0)], [(*BOX, 1, 0), (*FAR, 2, 0)]
    first = run(['a', 'b'], image('1.png', truth_one, [(*FAR, 1, 0.9)]))
    second = run(['c', 'a', 'b'], image('1.png', truth_two, [(*BOX, 1, 0.9), (*BOX, 0, 0.8)]))
    one, two, notes = common_part(first, second, ('one', 'two'))
    assert 'Only B has the class c: left out' in notes[0]
    assert one.classes == two.classes == ['a', 'b']
    assert [row.AP50 for row in one.per_class] == [0, 1]
    assert [row.AP50 for row in two.per_class] == [1, 0]
    # The box of class c is no false alarm of the rest.
    assert two.score_table.false[0][50] == two.score_table.false[1][50] == 0


def test_another_order_of_classes() -> None:
    first = run(['a', 'b'], image('1.png', [(*BOX, 0, 0)], [(*BOX, 0, 0.9)]))
    second = run(['b', 'a'], image('1.png', [(*BOX, 1, 0)], []))
    one, two, notes = common_part(first, second, ('one', 'two'))
    assert 'another order' in notes[0]
    assert one.score_table.truth == two.score_table.truth == [1, 0]


@pytest.mark.parametrize(
    ('second', 'message'),
    [
        (run(['b'], image('1.png', [], [])), r'one and two have no class in common \(a; b\)'),
        (run(['a'], image('2.png', [], [])), 'one and two have no image in common'),
        (run(['a']), 'one and two have no image in common'),
    ],
    ids=['classes', 'images', 'no image'],
)
def test_nothing_in_common(second: Evaluation, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        common_part(run(['a'], image('1.png', [], [])), second, ('one', 'two'))
    assert '\n' not in str(caught.value)


def one_sided(first: list, second: list, thresholds=(0.5, 0.5)):
    pairs = [image('1.png', *rows) for rows in (first, second)]
    errors = tuple(describe_errors([image_result(item)], 0.5) for item in pairs)
    return found_by_one(tuple([item] for item in pairs), errors, thresholds)


@pytest.mark.parametrize(
    ('first', 'second', 'expected'),
    [
        # finder, score, score of the other
        ([], [], []),
        ([(*BOX, 0, 0.9)], [(*BOX, 0, 0.8)], []),
        ([(*BOX, 0, 0.9)], [], [(0, 0.9, None)]),
        ([], [(*BOX, 0, 0.9)], [(1, 0.9, None)]),
        ([(*BOX, 0, 0.9)], [(*BOX, 0, 0.2)], [(0, 0.9, 0.2)]),
        ([(*BOX, 0, 0.4)], [(*BOX, 0, 0.2)], []),
        ([(*BOX, 0, 0.5)], [(*BOX, 0, 0.49)], [(0, 0.5, 0.49)]),
        ([(*BOX, 1, 0.9)], [], []),
    ],
)
def test_found_by_one(first: list, second: list, expected: list) -> None:
    truth = [(*BOX, 0, 0)]
    items, unequal = one_sided((truth, first), (truth, second))
    assert [(item.finder, item.score, item.loser_score) for item in items] == expected
    assert unequal == 0
    assert all(item.box == BOX and item.label == 0 for item in items)


def test_each_run_counts_from_its_own_threshold() -> None:
    truth = [(*BOX, 0, 0)]
    found = [(*BOX, 0, 0.4)]
    items, _ = one_sided((truth, found), (truth, found), thresholds=(0.5, 0.3))
    assert [(item.finder, item.loser_score) for item in items] == [(1, 0.4)]


def test_boxes_that_one_evaluation_lacks_are_counted_not_compared() -> None:
    first = ([(*BOX, 0, 0), (*FAR, 0, 0)], [(*BOX, 0, 0.9), (*FAR, 0, 0.9)])
    second = ([(*BOX, 0, 0), (*FAR, 1, 0)], [])
    items, unequal = one_sided(first, second)
    assert [item.box for item in items] == [BOX]
    assert unequal == 2


def test_the_same_box_twice_and_ignored_boxes() -> None:
    twice = [(*BOX, 0, 0), (*BOX, 0, 0), (*FAR, 0, 1)]
    items, unequal = one_sided(
        (twice, [(*BOX, 0, 0.9), (*BOX, 0, 0.8), (*FAR, 0, 0.9)]), (twice, [(*BOX, 0, 0.9)])
    )
    assert len(items) == 1 and unequal == 0


def test_best_found_first() -> None:
    truth = [(*BOX, 0, 0), (*FAR, 0, 0)]
    items, _ = one_sided((truth, [(*BOX, 0, 0.6)]), (truth, [(*FAR, 0, 0.7)]))
    assert [item.score for item in items] == [0.7, 0.6]
    json.dumps([item.box for item in items])
