from __future__ import annotations

import copy
import pickle
import random

import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset

from mmdefect.datasets.seeded_draw import DrawnIndex, seeded


def draw():
    return random.random(), float(np.random.rand()), float(torch.rand(1))


@pytest.mark.parametrize('change', [copy.deepcopy, lambda index: pickle.loads(pickle.dumps(index))])
def test_an_index_keeps_its_draw(change):
    index = change(DrawnIndex(5, (0, 1, 2**40)))
    assert (index, index.entropy, ['a'] * 5 + ['b']) == (5, (0, 1, 2**40), ['a'] * 5 + ['b'])
    assert ('a', 'b', 'c', 'd', 'e', 'f')[index] == 'f'


def test_concat_dataset_hands_the_draw_to_its_parts():
    class Source(list):
        def __getitem__(self, index):
            return super().__getitem__(index), index.entropy

    sources = ConcatDataset([Source('ab'), Source('cde')])
    assert sources[DrawnIndex(1, (7,))] == ('b', (7,))
    assert sources[DrawnIndex(4, (8,))] == ('e', (8,))


def test_generators_go_on_as_if_nothing_had_been_drawn():
    with seeded(0):
        before = draw()
        after = draw()
    with seeded(0):
        assert draw() == before
        with pytest.raises(RuntimeError), seeded(0, 1):
            inside = draw()
            raise RuntimeError
        assert draw() == after
    with seeded(0, 1):
        assert draw() == inside
    assert len({before, after, inside}) == 3
