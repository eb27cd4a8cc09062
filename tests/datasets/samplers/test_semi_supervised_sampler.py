from __future__ import annotations

import copy
import itertools
import pickle
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.registry import DATA_SAMPLERS
from torch.utils.data import ConcatDataset

import mmdefect.registry  # noqa: F401  registers the scope
from mmdefect.datasets.samplers import SemiSupervisedSampler, semi_supervised_sampler
from mmdefect.errors import InputError


class Source(list):
    reads_draws = True


def concat(*sizes):
    return ConcatDataset([Source(range(size)) for size in sizes])


def sampler_of(sizes, quotas, rank=0, world_size=1, **arguments):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(semi_supervised_sampler, 'get_dist_info', lambda: (rank, world_size))
        return SemiSupervisedSampler(concat(*sizes), sum(quotas), quotas, **arguments)


def draws(sampler, count):
    return [(int(index), index.entropy) for index in itertools.islice(sampler, count)]


SOURCES = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 4)), min_size=1, max_size=4)
SETUP = {'sources': SOURCES, 'seed': st.integers(0, 2**32 - 1), 'shuffle': st.booleans()}


@settings(deadline=None)
@given(**SETUP)
def test_every_batch_has_its_quotas_and_every_round_all_items(sources, seed, shuffle):
    sizes, quotas = zip(*sources, strict=True)
    batch = sum(quotas)
    sampler = sampler_of(sizes, quotas, seed=seed, shuffle=shuffle)
    assert sampler.quotas == quotas
    found = [index for index, _ in draws(sampler, 12 * batch)]
    ends = list(itertools.accumulate(sizes))
    streams = [[] for _ in sizes]
    for number in range(12):
        rest = found[number * batch : (number + 1) * batch]
        for stream, quota, end, size in zip(streams, quotas, ends, sizes, strict=True):
            mine, rest = rest[:quota], rest[quota:]
            assert all(end - size <= index < end for index in mine)
            stream += mine
    for stream, size in zip(streams, sizes, strict=True):
        whole = stream[: len(stream) // size * size]
        rounds = [tuple(whole[start : start + size]) for start in range(0, len(whole), size)]
        assert len({frozenset(turn) for turn in rounds}) <= 1
        if not shuffle:
            assert len(set(rounds)) <= 1


@settings(deadline=None)
@given(**SETUP, start=st.integers(0, 50))
def test_skip_and_fetching_lead_to_the_same_place(sources, seed, shuffle, start):
    sizes, quotas = zip(*sources, strict=True)
    whole = draws(sampler_of(sizes, quotas, seed=seed, shuffle=shuffle), start + 20)
    skipped = sampler_of(sizes, quotas, seed=seed, shuffle=shuffle)
    skipped.skip(start)
    assert draws(skipped, 20) == whole[start:]
    # Absolute, and without a trace of what was drawn before.
    skipped.skip(start)
    assert draws(skipped, 20) == whole[start:]


@settings(deadline=None)
@given(**SETUP, world_size=st.integers(1, 4))
def test_ranks_share_out_what_one_process_would_draw(sources, seed, shuffle, world_size):
    sizes, quotas = zip(*sources, strict=True)
    batch, arguments = sum(quotas), {'seed': seed, 'shuffle': shuffle}
    wide = [quota * world_size for quota in quotas]
    one = draws(sampler_of(sizes, wide, **arguments), 6 * batch * world_size)
    ranks = [
        draws(sampler_of(sizes, quotas, rank, world_size, **arguments), 6 * batch)
        for rank in range(world_size)
    ]
    for number in range(6):
        together = [item for rank in ranks for item in rank[number * batch : (number + 1) * batch]]
        alone = one[number * batch * world_size : (number + 1) * batch * world_size]
        assert Counter(together) == Counter(alone)
    seeds = [entropy for rank in ranks for _, entropy in rank]
    assert len(set(seeds)) == len(seeds)


def test_rounds_and_sources_are_shuffled_differently():
    sampler = sampler_of((50, 50), (1, 1), seed=0)
    found = [index for index, _ in draws(sampler, 200)]
    first, second = found[::2], [index - 50 for index in found[1::2]]
    assert first[:50] != first[50:] and first[:50] != second[:50] and first[:50] != sorted(first)
    assert found != [index for index, _ in draws(sampler_of((50, 50), (1, 1), seed=1), 200)]


def test_one_data_set_is_one_source_and_built_as_mmengine_does():
    config = {'type': 'mmdefect.SemiSupervisedSampler', 'batch_size': 2, 'source_ratio': [1]}
    sampler = DATA_SAMPLERS.build(config, default_args={'dataset': Source('abc'), 'seed': 3})
    assert len(sampler) == 3
    assert sorted(index for index, _ in draws(sampler, 3)) == [0, 1, 2]
    for same in (copy.deepcopy(sampler), pickle.loads(pickle.dumps(sampler))):
        assert draws(same, 30) == draws(sampler, 30)


def test_without_seed_the_ranks_agree_on_one(monkeypatch):
    monkeypatch.setattr(semi_supervised_sampler, 'sync_random_seed', lambda: 17)
    assert draws(sampler_of((5,), (2,)), 20) == draws(sampler_of((5,), (2,), seed=17), 20)


@pytest.mark.parametrize(
    ('sizes', 'arguments', 'message'),
    [
        ((2, 0), {}, 'source 2 of 2 is empty'),
        ((0, 2), {}, 'source 1 of 2 is empty'),
        ((2, 2), {'source_ratio': [1]}, r'source_ratio has 1 numbers \(\[1\]\), .* 2 sources'),
        ((2, 2), {'source_ratio': [1, 1, 1]}, 'source_ratio has 3 numbers'),
        # Trap 3: the second quota rounds to 0.
        ((2, 2), {'batch_size': 2, 'source_ratio': [4, 1]}, r'source_ratio \[4, 1\] gives 1.6'),
        ((2, 2), {'batch_size': 1}, 'batch_size 1 .* gives 0.5 items of source 1'),
        ((2, 2), {'source_ratio': [1, 2]}, 'gives 1.33 items of source 1; .* multiple'),
        ((2, 2), {'source_ratio': [1, 0]}, 'every source_ratio must be > 0'),
        ((2, 2), {'source_ratio': [1, -1]}, 'every source_ratio must be > 0'),
        ((2, 2), {'source_ratio': [1, float('nan')]}, 'every source_ratio must be > 0'),
        ((2, 2), {'source_ratio': [1, float('inf')]}, 'every source_ratio must be > 0'),
        ((2, 2), {'source_ratio': ['a', 'b']}, 'source_ratio must be numbers'),
        ((2, 2), {'source_ratio': 1}, 'source_ratio must be numbers'),
        ((2, 2), {'batch_size': 0}, 'batch_size must be a whole number >= 1, got 0'),
        ((2, 2), {'batch_size': 4.0}, 'batch_size must be a whole number'),
        ((2, 2), {'batch_size': None}, "key 'batch_size' is missing"),
        ((2, 2), {'source_ratio': None}, "key 'source_ratio' is missing"),
        ((2, 2), {'source_rato': [1, 1]}, "unknown key 'source_rato'; did you mean 'source_ratio'"),
    ],
)
def test_bad_arguments_are_refused_at_construction(sizes, arguments, message):
    given_ = {'batch_size': 4, 'source_ratio': [1, 1], 'seed': 0, **arguments}
    with pytest.raises(InputError, match=message):
        SemiSupervisedSampler(concat(*sizes), **given_)


def test_fractions_of_a_ratio_count_as_what_they_are():
    assert SemiSupervisedSampler(concat(1, 1), 5, [0.2, 0.8], seed=0).quotas == (1, 4)
    assert SemiSupervisedSampler(concat(1, 1, 1), 30, [0.1, 0.2, 0.7], seed=0).quotas == (3, 6, 21)


def test_negative_skip():
    with pytest.raises(ValueError, match='num_samples must be >= 0, got -1'):
        sampler_of((1,), (1,), seed=0).skip(-1)


def test_a_source_that_ignores_seeds_is_told_of(monkeypatch):
    told = []
    monkeypatch.setattr(semi_supervised_sampler, 'print_log', lambda text, **_: told.append(text))
    SemiSupervisedSampler(ConcatDataset([Source('ab'), range(3)]), 2, [1, 1], seed=0)
    assert len(told) == 1 and 'source 2 of 2, a range, does not read the seeds' in told[0]
