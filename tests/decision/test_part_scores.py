from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from mmdefect.decision import (
    ImageScores,
    Pooling,
    ResultsFile,
    ResultsHeader,
    collect_parts,
    write_results,
)
from mmdefect.errors import InputError


def collect(path, images, pooling=None, classes=('rust', 'pit')):
    write_results(path, ResultsHeader(model='0' * 64, classes=classes), images)
    return collect_parts(ResultsFile(path), pooling)


def image(name, part=None, truth=(), **scores):
    return ImageScores(
        image=name, sha256=f'{hash(name) % 2**64:064x}', part=part, truth=truth, scores=scores
    )


def test_parts_and_images(tmp_path):
    parts = collect(
        tmp_path / 'r.jsonl',
        [
            image('a', 'p1', rust=0.2, pit=0.9),
            image('b'),
            image('c', 'p2', truth=None, rust=0.5),
            image('d', 'p1', truth=('rust',), rust=0.6),
            image('e', 'p2', truth=('pit',)),
            image('f', truth=('pit', 'rust'), pit=0.1),
        ],
    )
    assert parts.names == ('p1', 'b', 'f')
    assert parts.part_ids == ('p1', None, None)
    assert parts.scores.tolist() == [[0.6, 0.9], [0, 0], [0, 0.1]]
    assert parts.truth.tolist() == [[True, False], [False, False], [True, True]]
    assert parts.part_scores.tolist() == [0.9, 0, 0.1]
    assert parts.defective.tolist() == [True, False, True]
    assert (parts.images, parts.left_out) == (4, 1)


def test_an_image_path_is_no_part_id(tmp_path):
    parts = collect(tmp_path / 'r.jsonl', [image('a'), image('b', part='a')])
    assert parts.names == ('a', 'a') and parts.part_ids == (None, 'a')


def test_empty(tmp_path):
    parts = collect(tmp_path / 'r.jsonl', [])
    assert parts.scores.shape == parts.truth.shape == (0, 2)
    assert parts.defective.shape == (0,) and parts.images == 0
    assert collect(tmp_path / 'r.jsonl', [image('a', truth=None)]).left_out == 1


def test_hash_of_the_list(tmp_path):
    rows = [image('a', 'p'), image('b', 'p', rust=0.5), image('c', truth=('rust',))]
    hashes = [
        collect(tmp_path / 'r.jsonl', images).sha256()
        for images in (
            rows,
            rows[::-1],
            rows[:2],
            [*rows[:2], image('c', truth=('pit',))],
            [*rows[:2], image('c', 'q', truth=('rust',))],
        )
    ]
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 4


def test_what_stands_twice(tmp_path):
    with pytest.raises(InputError, match="image 'a' stands twice"):
        collect(tmp_path / 'r.jsonl', [image('a', 'p'), image('a', 'p')])
    copy = image('a').model_copy(update={'image': 'b'})
    with pytest.raises(InputError, match="'a' and 'b' have the same content"):
        collect(tmp_path / 'r.jsonl', [image('a'), copy])
    # Views of one part may look the same.
    same = image('a', 'p').model_copy(update={'image': 'b'})
    assert collect(tmp_path / 'r.jsonl', [image('a', 'p'), same]).images == 2


def test_pooling_needs_as_many_images(tmp_path):
    rows = [image('a', 'p', rust=0.9), image('b', 'p', rust=0.4, pit=0.3), image('c', rust=0.8)]
    parts = collect(tmp_path / 'r.jsonl', rows, Pooling(n=2))
    assert parts.scores.tolist() == [[0.4, 0], [0, 0]]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), max_size=8), st.integers(1, 4))
def test_nth_highest(rows, n):
    scores = np.array(rows, float).reshape(-1, 3)
    expected = np.sort(scores, axis=0)[::-1][n - 1] if len(scores) >= n else np.zeros(3)
    assert Pooling(n=n).pool(scores).tolist() == expected.tolist()


@pytest.mark.parametrize('keys', [{'n': 0}, {'n': 1.5}, {'rule': 'mean'}, {'k': 1}])
def test_bad_pooling(keys):
    with pytest.raises(ValidationError):
        Pooling(**keys)
