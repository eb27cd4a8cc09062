from __future__ import annotations

from collections import Counter

import pytest

from mmdefect.report.evaluation import EvaluatedImage
from mmdefect.report.gallery import Choice, choose_images, picture_entry, short_name
from mmdefect.report.pictures import Picture
from mmdefect.report.results import match_images

BOX = (10, 10, 20, 20)


def image(truth: int, hits: int, false: int, path: str = 'x/a.png') -> EvaluatedImage:
    places = [(30 * i, 0, 30 * i + 20, 20) for i in range(max(truth, hits))]
    return EvaluatedImage(
        path=path,
        width=900,
        height=90,
        ground_truth=[(*places[i], 0, 0) for i in range(truth)],
        detections=[(*places[i], 0, 0.9) for i in range(hits)]
        + [(30 * i, 50, 30 * i + 20, 70, 0, 0.9) for i in range(false)],
    )


def choose(images: list[EvaluatedImage], **options) -> list[Choice]:
    return choose_images(images, match_images(images), 0.5, **options)


def test_mix_and_order() -> None:
    images = [image(1, 1, 0), image(3, 1, 0), image(0, 0, 2), image(0, 0, 0), image(2, 1, 4)] * 40
    choices = choose(images)
    kinds = Counter(choice.kind for choice in choices)
    assert kinds == {'errors': 30, 'found': 18, 'good': 12}
    assert choices[0].missed + choices[0].false == 5
    assert sum(1 for choice in choices if choice.kind == 'good' and choice.false) == 6
    assert len({choice.index for choice in choices}) == 60


@pytest.mark.parametrize(
    ('images', 'expected'),
    [
        ([], {}),
        ([image(1, 1, 0)], {'found': 1}),
        ([image(1, 0, 0)] * 80, {'errors': 60}),
        ([image(0, 0, 0)] * 80, {'good': 60}),
        ([image(1, 1, 0)] * 80 + [image(0, 0, 0)] * 2, {'found': 58, 'good': 2}),
    ],
)
def test_places_left_over_go_to_others(images: list[EvaluatedImage], expected: dict) -> None:
    assert Counter(choice.kind for choice in choose(images)) == expected


def test_score_on_the_threshold_counts() -> None:
    item = EvaluatedImage(
        path='a', width=9, height=9, ground_truth=[], detections=[(*BOX, 0, 0.5), (*BOX, 0, 0.49)]
    )
    assert choose([item])[0].false == 1


def test_limit_of_one() -> None:
    assert len(choose([image(1, 0, 0), image(0, 0, 0)], limit=1)) == 1
    with pytest.raises(ValueError, match='limit must be 1 or more, got 0'):
        choose([], limit=0)


@pytest.mark.parametrize(('lowest', 'kept'), [(0.01, 1), (0.5, 1), (0.8765, 1), (0.9, 0), (0, 2)])
def test_entry_keeps_what_the_page_needs(lowest: float, kept: int) -> None:
    item = EvaluatedImage(
        path='data/x/a.png', width=500, height=1000,
        ground_truth=[(*BOX, 0, 0)], detections=[(*BOX, 0, 0.87654), (*BOX, 0, 0.001)],
    )  # fmt: skip
    entry = picture_entry(item, match_images([item])[0], Picture('data:', None), lowest)
    assert entry['found'][-1:] == [[10, 10, 20, 20, 0, 0.8765, 0]][:kept]
    assert len(entry['found']) == kept
    assert (entry['name'], entry['picture'], entry['problem']) == ('x/a.png', 'data:', None)


@pytest.mark.parametrize(
    ('path', 'name'),
    [('a.png', 'a.png'), ('/x/y/a.png', 'y/a.png'), ('C:\\x\\y\\ä.png', 'y/ä.png'), ('x/', 'x/')],
)
def test_short_name(path: str, name: str) -> None:
    assert short_name(path) == name
