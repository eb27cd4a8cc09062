"""Batches with a fixed number of items from each source."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed
from mmengine.logging import print_log
from torch.utils.data import Sampler

from mmdefect.datasets.seeded_draw import DrawnIndex
from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.registry import DATA_SAMPLERS

__all__ = ['SemiSupervisedSampler']

_KEYS = ('dataset', 'batch_size', 'source_ratio', 'shuffle', 'seed')


@DATA_SAMPLERS.register_module()
class SemiSupervisedSampler(Sampler):
    """Draw without end, with the same number of items of each source in every batch.

    Any number of sources: the parts of a ``ConcatDataset``, or one data set. Batch and ratio
    count items of the data set, which are parts where it is a
    :class:`mmdefect.datasets.MultiViewDataset`: ``batch_size=4, source_ratio=[1, 1]`` gives two
    labelled and two unlabelled parts, first the labelled ones. Each source is shuffled anew in
    every round through it; a source shorter than its share comes round within a batch.

    A draw is a pure function of seed, source and draw number, so there is no state to save: on
    resuming, the training loop advances the loader by itself, with :meth:`skip` or by fetching.
    With W ranks, a batch of every rank together holds what a batch W times as large would hold
    in one process.

    Args:
        dataset (Sized): The sources; MMEngine gives it.
        batch_size (int): Items per batch of one rank, as in the loader, which
            :class:`mmdefect.engine.hooks.SamplerCheckHook` compares.
        source_ratio (Sequence[float]): Share of each source, > 0; every share of the batch must
            be a whole number.
        shuffle (bool): Draw in random order. Default True.
        seed (int | None): Seed >= 0, the same on all ranks. MMEngine gives that of the run.
            Default None: a random one that the ranks agree on.
        **unknown: Refused, naming the nearest known key.

    Attributes:
        quotas (tuple[int, ...]): Items per batch of each source.

    Raises:
        InputError: An unknown key, a batch size below 1, a source without items, another number
            of ratios than of sources, or a ratio that the batch size does not allow.

    Example:
        >>> from torch.utils.data import ConcatDataset
        >>> class Source(list):
        ...     reads_draws = True
        >>> sources = ConcatDataset([Source(range(3)), Source(range(10))])
        >>> sampler = SemiSupervisedSampler(sources, 4, [1, 3], shuffle=False, seed=0)
        >>> [int(index) for index in itertools.islice(sampler, 8)]
        [0, 3, 4, 5, 1, 6, 7, 8]
    """

    def __init__(
        self,
        dataset: Any = None,
        batch_size: int | None = None,
        source_ratio: Sequence[float] | None = None,
        shuffle: bool = True,
        seed: int | None = None,
        **unknown: Any,
    ) -> None:
        reject_unknown_keys('SemiSupervisedSampler', unknown, _KEYS)
        given = (dataset, batch_size, source_ratio)
        for key, value in zip(_KEYS, given):  # noqa: B905  the first three
            if value is None:
                raise InputError(f'SemiSupervisedSampler: key {key!r} is missing; give it')
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.sizes = _source_sizes(dataset)
        self.quotas = _quotas(batch_size, source_ratio, self.sizes)
        self.rank, self.world_size = get_dist_info()
        self.seed = sync_random_seed() if seed is None else int(seed)
        self._start = 0
        # Where each source begins in the data set.
        self._offsets = tuple(itertools.accumulate(self.sizes, initial=0))[:-1]
        # Source of each place in a batch, and its place among those of the same source.
        self._places = [
            (source, place) for source, quota in enumerate(self.quotas) for place in range(quota)
        ]
        # The latest order of each source with its round; only saves making it again.
        self._orders: dict[int, tuple[int, np.ndarray]] = {}

    def __iter__(self) -> Iterator[DrawnIndex]:
        """Draw without end, from the place that :meth:`skip` set."""
        return (self.draw(number) for number in itertools.count(self._start))

    def draw(self, number: int) -> DrawnIndex:
        """Give one draw of this rank.

        Args:
            number (int): Number of the draw on this rank, from 0.

        Returns:
            DrawnIndex: Index in the data set, with the seed of its item.
        """
        batch, slot = divmod(number, self.batch_size)
        source, place = self._places[slot]
        quota = self.quotas[source]
        # Position in the stream of the source, which all ranks share.
        position = (batch * self.world_size + self.rank) * quota + place
        turn, step = divmod(position, self.sizes[source])
        index = int(self._order(source, turn)[step])
        return DrawnIndex(self._offsets[source] + index, (self.seed, source, position))

    def _order(self, source: int, turn: int) -> np.ndarray:
        latest = self._orders.get(source)
        if latest is None or latest[0] != turn:
            order = np.arange(self.sizes[source])
            if self.shuffle:
                # A fourth number keeps these seeds apart from those of the items.
                np.random.default_rng([self.seed, source, turn, 1]).shuffle(order)
            latest = self._orders[source] = turn, order
        return latest[1]

    def skip(self, num_samples: int) -> None:
        """Go to an absolute place, for resuming (contract of MMEngine's ``InfiniteSampler``).

        Args:
            num_samples (int): Draws of this rank that an earlier run has used, from its start.

        Raises:
            ValueError: ``num_samples`` is negative.
        """
        if num_samples < 0:
            raise ValueError(f'num_samples must be >= 0, got {num_samples}')
        self._start = num_samples

    def __len__(self) -> int:
        """Items of all sources; the draws have no end."""
        return sum(self.sizes)


def _source_sizes(dataset: Any) -> tuple[int, ...]:
    sources = getattr(dataset, 'datasets', None) or [dataset]
    for number, source in enumerate(sources, start=1):
        where = f'SemiSupervisedSampler: source {number} of {len(sources)}'
        if len(source) == 0:
            raise InputError(f'{where} is empty; check its reader, indices and filter_cfg')
        if not getattr(source, 'reads_draws', False):
            print_log(
                f'{where}, a {type(source).__name__}, does not read the seeds of its items: its '
                'augmentations depend on num_workers; use mmdefect.DefectDataset or '
                'mmdefect.MultiViewDataset',
                logger='current',
                level=logging.WARNING,
            )
    return tuple(len(source) for source in sources)


def _quotas(batch_size: int, ratio: Sequence[float], sizes: Sequence[int]) -> tuple[int, ...]:
    where = 'SemiSupervisedSampler'
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise InputError(f'{where}: batch_size must be a whole number >= 1, got {batch_size!r}')
    try:
        shares = [float(value) for value in ratio]
    except (TypeError, ValueError):
        raise InputError(f'{where}: source_ratio must be numbers, got {ratio!r}') from None
    if len(shares) != len(sizes):
        raise InputError(
            f'{where}: source_ratio has {len(shares)} numbers ({ratio!r}), but the data set has '
            f'{len(sizes)} sources; give one number for each'
        )
    if not all(0 < share < math.inf for share in shares):
        raise InputError(f'{where}: every source_ratio must be > 0, got {ratio!r}')
    wanted = [batch_size * share / sum(shares) for share in shares]
    quotas = tuple(round(want) for want in wanted)
    for number, (want, quota) in enumerate(zip(wanted, quotas, strict=True), start=1):
        if quota < 1 or not math.isclose(want, quota, rel_tol=1e-9):
            raise InputError(
                f'{where}: batch_size {batch_size} with source_ratio {list(ratio)} gives '
                f'{want:.3g} items of source {number}; it must be a whole number >= 1, so take a '
                'multiple of the sum of the ratio in its lowest terms'
            )
    return quotas
