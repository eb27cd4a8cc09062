from __future__ import annotations

import copy
import pickle
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.dataset import ConcatDataset
from mmengine.registry import DATA_SAMPLERS
from torch.utils.data import DataLoader

from mmdefect.datasets.samplers import DensityCurriculumSampler
from mmdefect.errors import InputError


class Shelves(list):
    """One image per number, with so many boxes; an ignored one does not count."""

    reads_draws = True

    def get_data_info(self, index):
        ignored = {'bbox_label': 0, 'ignore_flag': 1}
        sizes = dict(width=4, height=3 + 3 * (index % 2))
        return {'instances': [{'bbox_label': 0}] * self[index] + [ignored] * 3, **sizes}


def sampler_of(counts, rank=0, world_size=1, **options):
    options = {'epochs': 4, 'seed': 0, **options}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('mmengine.dataset.sampler.get_dist_info', lambda: (rank, world_size))
        return DensityCurriculumSampler(Shelves(counts), **options)


def draw(sampler, epoch):
    sampler.set_epoch(epoch)
    return [(int(index), index.entropy) for index in sampler]


@settings(deadline=None)
@given(
    counts=st.lists(st.integers(0, 5), min_size=1, max_size=40).filter(any),
    epochs=st.integers(1, 6),
    share=st.floats(0.01, 1),
    world=st.integers(1, 3),
    seed=st.integers(0, 2**32 - 1),
)
def test_passes(counts, epochs, share, world, seed):
    boxed, earlier = sum(map(bool, counts)), 0
    ranks = [
        sampler_of(counts, rank, world, epochs=epochs, start_share=share, seed=seed)
        for rank in range(world)
    ]
    for epoch in range(epochs + 2):
        drawn = [draw(rank, epoch) for rank in ranks]
        assert {len(part) for part in drawn} == {-(-len(counts) // world)} == {len(ranks[0])}
        # In the order of the pass, without what fills it up.
        found = [draw for turn in zip(*drawn, strict=True) for draw in turn][: len(counts)]
        assert len({entropy for _, entropy in found}) == len(found)
        times = Counter(index for index, _ in found)
        assert all(times[index] == 1 for index, count in enumerate(counts) if not count)
        pool = {index for index in times if counts[index]}
        assert max(times[index] for index in pool) - min(times[index] for index in pool) <= 1
        # The sparsest ones, more of them in each pass, all of them in the end.
        left = [counts[index] for index in range(len(counts)) if counts[index] and not times[index]]
        assert max(counts[index] for index in pool) <= min(left, default=9)
        assert max(earlier, np.floor(share * boxed)) <= len(pool) <= boxed
        earlier = len(pool)
        assert epoch < epochs or not left
        if epoch == 0:
            assert len(pool) <= np.ceil(share * boxed)
        assert draw(copy.deepcopy(ranks[0]), epoch) == drawn[0]
    whole = draw(sampler_of(counts, epochs=epochs, start_share=share, seed=seed), 1)
    ranks = [draw(rank, 1) for rank in ranks]
    assert [draw for turn in zip(*ranks, strict=True) for draw in turn][: len(counts)] == whole


def test_passes_differ_and_seeds_differ():
    sampler = sampler_of(range(1, 41))
    assert draw(sampler, 7) != draw(sampler, 8)
    assert draw(sampler, 0) != draw(sampler_of(range(1, 41), seed=1), 0)
    assert draw(sampler, 3) == draw(pickle.loads(pickle.dumps(sampler)), 3)
    assert sampler_of([1], seed=None).seed >= 0


def test_from_a_config_with_batches_of_one_shape():
    from mmdet.datasets.samplers import AspectRatioBatchSampler

    config = dict(type='mmdefect.DensityCurriculumSampler', epochs=2, start_share=0.5)
    shelves = ConcatDataset.__new__(ConcatDataset)
    parts = [Shelves([4, 3, 2, 1]), Shelves([9, 8, 7, 6])]
    shelves.datasets, shelves.cumulative_sizes, shelves._fully_initialized = parts, [4, 8], True
    sampler = DATA_SAMPLERS.build(config, default_args=dict(dataset=shelves, seed=3))
    batches = AspectRatioBatchSampler(sampler, 2)
    for epoch, images in ((0, range(4)), (2, range(8))):
        sampler.set_epoch(epoch)
        drawn = list(batches)
        assert all(len({index % 2 for index in batch}) == 1 for batch in drawn)
        assert {int(index) for batch in drawn for index in batch} == set(images)
    loader = DataLoader(Shelves(range(1, 5)), batch_sampler=batches)
    assert len(loader) == 4


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (dict(epochs=0), 'epochs must be a whole number of at least 1, got 0'),
        (dict(epochs=True), 'epochs must be'),
        (dict(epochs=1.5), 'epochs must be'),
        (dict(start_share=0), 'start_share must be above 0 and at most 1, got 0'),
        (dict(start_share=1.1), 'start_share must be'),
        (dict(start_share=float('nan')), 'start_share must be'),
        (dict(epoch=3), "unknown key 'epoch'; did you mean 'epochs'"),
        (dict(counts=[0, 0]), 'no image of the 2 has a box'),
        (dict(counts=[]), 'no image of the 0 has a box'),
    ],
)
def test_bad_input(options, words):
    counts = options.pop('counts', [3, 1])
    with pytest.raises(InputError, match=words):
        sampler_of(counts, **options)
