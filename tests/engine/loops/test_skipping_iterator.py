from __future__ import annotations

import itertools

import pytest
from torch.utils.data import ConcatDataset, DataLoader, Dataset

import mmdefect.registry  # noqa: F401  registers the scope
from mmdefect.datasets.samplers import SemiSupervisedSampler
from mmdefect.engine.loops.skipping_iterator import SkippingIterator, can_skip


class Numbers(Dataset):
    reads_draws = True

    def __init__(self, size):
        self.size, self.loaded = size, []

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        self.loaded.append(int(index))
        return int(index), index.entropy


def loader_of(workers=0):
    source = ConcatDataset([Numbers(5), Numbers(7)])
    sampler = SemiSupervisedSampler(source, 4, [1, 1], seed=0)
    return DataLoader(
        source, batch_size=4, sampler=sampler, num_workers=workers,
        persistent_workers=workers > 0, collate_fn=list,
    )  # fmt: skip


@pytest.mark.parametrize('workers', [0, 2])
def test_same_batches_as_in_one_go(workers):
    whole = list(itertools.islice(iter(loader_of()), 9))
    loader = loader_of(workers)
    # MMEngine has begun to load by now.
    begun = iter(loader)
    batches = SkippingIterator(loader, 5)
    del begun
    assert [next(batches) for _ in range(5)] == [None] * 5
    assert [next(batches) for _ in range(4)] == whole[5:]


def test_nothing_is_loaded_on_the_way():
    loader = loader_of()
    batches = SkippingIterator(loader, 1000)
    for _ in range(1000):
        next(batches)
    assert [source.loaded for source in loader.dataset.datasets] == [[], []]
    next(batches)
    assert [len(source.loaded) for source in loader.dataset.datasets] == [2, 2]


def test_who_can_skip():
    assert can_skip(loader_of())
    assert not can_skip(DataLoader(Numbers(3), batch_size=2))
    assert not can_skip(DataLoader(Numbers(3), batch_sampler=[[0], [1, 2]]))
