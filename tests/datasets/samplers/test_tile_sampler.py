from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from torch.utils.data import DataLoader

from mmdefect.datasets import TileSampler
from mmdefect.datasets.tile_table import CLEAN, DEFECT

PACK = dict(type='mmdefect.PackInputs', optional_meta_keys=('instances', 'tile', 'flip'))


def test_a_pass_is_balanced_and_loads_each_image_once(build_tiles):
    tiled = build_tiles(window=8)
    loads = Counter()
    load = tiled.dataset.__class__.__getitem__

    class Counting(tiled.dataset.__class__):
        def __getitem__(self, index):
            loads[index] += 1
            return load(self, index)

    tiled.dataset.__class__ = Counting
    sampler = TileSampler(tiled, batch_size=2, defect_share=0.5, lanes=2, seed=0)
    shows = tiled.table.shows
    for epoch in range(2):
        sampler.set_epoch(epoch)
        loads.clear()
        drawn = list(sampler)
        counts = Counter(shows[drawn].tolist())
        assert counts == {DEFECT: (shows == DEFECT).sum(), CLEAN: (shows == DEFECT).sum()}
        assert len(drawn) == len(sampler)
        defects = [int(draw) for draw in drawn if shows[draw] == DEFECT]
        assert sorted(defects) == np.flatnonzero(shows == DEFECT).tolist()
        most = 0
        for draw in drawn:
            tiled[draw]
            most = max(most, len(tiled._loaded))
        assert most <= 8
        assert set(loads) == set(tiled.table.images[drawn].tolist())
        assert sum(loads.values()) <= 1.2 * len(loads)
        assert not tiled._loaded


def test_items_do_not_depend_on_loader_processes(build_tiles):
    flip = dict(type='RandomFlip', prob=0.5)
    tiled = build_tiles(pipeline=[flip, PACK])
    sampler = TileSampler(tiled, batch_size=4, seed=3)

    def run(workers):
        loader = DataLoader(
            tiled, batch_size=4, sampler=sampler, num_workers=workers, collate_fn=list
        )
        return [
            (
                sample['data_samples'].tile,
                sample['data_samples'].flip,
                sample['inputs'].sum().item(),
            )
            for batch in loader
            for sample in batch
        ]

    alone = run(0)
    assert run(2) == alone == run(0)
    assert {flip for _, flip, _ in alone} == {True, False}
    sampler.set_epoch(1)
    assert run(0) != alone


@pytest.mark.parametrize(('share', 'clean_per_defect'), [(1.0, 0), (0.5, 1), (0.25, 3), (0.01, 99)])
def test_shares(build_tiles, share, clean_per_defect):
    tiled = build_tiles()
    shows = tiled.table.shows
    drawn = list(TileSampler(tiled, 4, share, seed=0))
    counts = Counter(shows[drawn].tolist())
    assert counts[CLEAN] == clean_per_defect * counts[DEFECT]
    assert set(counts) <= {CLEAN, DEFECT}
    everything = list(TileSampler(tiled, 4, None, seed=0))
    assert sorted(map(int, everything)) == list(range(len(tiled)))


def test_ranks_share_a_pass(build_tiles, monkeypatch):
    tiled = build_tiles()
    drawn = []
    for rank in range(2):
        monkeypatch.setattr(
            'mmdefect.datasets.samplers.tile_sampler.get_dist_info', lambda rank=rank: (rank, 2)
        )
        sampler = TileSampler(tiled, 4, None, seed=0)
        drawn.append(list(sampler))
        assert len(drawn[-1]) == len(sampler) == 44
    assert set(map(int, drawn[0] + drawn[1])) == set(range(len(tiled)))
    # The batches that lanes give in turn, before what is left of all of them.
    images = [set(tiled.table.images[part[:16]].tolist()) for part in drawn]
    assert not images[0] & images[1]


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (dict(batch_size=0), 'batch_size must be'), (dict(lanes=0), 'lanes must be'),
        (dict(defect_share=0), 'defect_share must be'), (dict(share=0.5), "unknown key 'share'"),
    ],
)  # fmt: skip
def test_values_out_of_range(build_tiles, options, words):
    with pytest.raises(ValueError, match=words):
        TileSampler(**{'dataset': build_tiles(), 'batch_size': 4, **options})


def test_another_data_set():
    with pytest.raises(ValueError, match='must be a mmdefect.TiledDataset, got list'):
        TileSampler([], 4)
