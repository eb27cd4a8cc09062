"""Tiles in a stated balance, those of an image soon after each other."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from mmdefect.datasets.seeded_draw import DrawnIndex
from mmdefect.datasets.tile_table import CLEAN, DEFECT
from mmdefect.datasets.tiled_dataset import TiledDataset
from mmdefect.errors import InputError, strict_keys
from mmdefect.registry import DATA_SAMPLERS

__all__ = ['TileDraw', 'TileSampler']


class TileDraw(DrawnIndex):
    """Index of a tile that knows its draw, and whether its image is needed again in this pass.

    Args:
        index (int): Index of the tile, from 0.
        entropy (tuple[int, ...]): Numbers >= 0 that name the draw.
        is_last (bool): No later draw of the pass is of the same image. Default False.

    Example:
        >>> draw = TileDraw(3, (0, 1), True)
        >>> int(draw), draw.entropy, draw.is_last
        (3, (0, 1), True)
    """

    is_last: bool

    def __new__(cls, index: int, entropy: tuple[int, ...], is_last: bool = False) -> TileDraw:
        """An int with two more attributes."""
        made = super().__new__(cls, index, entropy)
        made.is_last = is_last
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return TileDraw, (int(self), self.entropy, self.is_last)


@DATA_SAMPLERS.register_module()
@strict_keys
class TileSampler(Sampler):
    """Draw the tiles of a :class:`mmdefect.datasets.TiledDataset`, pass after pass.

    Per pass each tile with a defect is drawn once, and so many clean ones, drawn anew in each
    pass, that the balance is as stated; where there are too few clean ones, they come round
    again. Tiles that show only fragments of defects are in no pass of a stated balance.

    The images of a pass are shuffled and dealt to lanes; within a lane, tiles are shuffled among
    the images of a window. Each batch comes from one lane, the lanes take turns. As loader
    processes take batches in turns too, the tiles of an image meet in one process where their
    number divides that of the lanes: each image is then loaded once per pass, but for those of
    the last batches, and no more than a window of them is held. The order depends on the seed
    and the pass, on no process.

    Args:
        dataset (TiledDataset): The tiles; MMEngine gives it.
        batch_size (int): As of the loader.
        defect_share (float | None): Share of tiles with a defect, above 0, at most 1; None for
            all tiles once, as they come. Default 0.5.
        lanes (int): Default 4.
        seed (int | None): Seed >= 0, the same on all ranks. MMEngine gives that of the run.
            Default None: a random one that the ranks agree on.

    Raises:
        InputError: An unknown key, a value out of range, another data set.

    Example:
        >>> TileSampler([], batch_size=8)
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: TileSampler: dataset must be a mmdefect.TiledDataset, got list
    """

    def __init__(
        self,
        dataset: TiledDataset,
        batch_size: int,
        defect_share: float | None = 0.5,
        lanes: int = 4,
        seed: int | None = None,
    ) -> None:
        if not isinstance(dataset, TiledDataset):
            raise InputError(
                'TileSampler: dataset must be a mmdefect.TiledDataset, got '
                f'{type(dataset).__name__}'
            )
        for name, value in (('batch_size', batch_size), ('lanes', lanes)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(
                    f'TileSampler: {name} must be a whole number of at least 1, got {value!r}'
                )
        if defect_share is not None and not 0 < defect_share <= 1:
            raise InputError(
                f'TileSampler: defect_share must be above 0 and at most 1, got {defect_share!r}'
            )
        dataset.full_init()
        self.batch_size = batch_size
        self.rank, self.world_size = get_dist_info()
        # Each rank has its own, so that its batches take turns among them.
        self.lanes = lanes * self.world_size
        self.seed = sync_random_seed() if seed is None else int(seed)
        self.epoch = 0
        self._images = dataset.table.images
        self._window = max(1, dataset.window // lanes)
        self._pools = _pools(dataset.table.shows, defect_share)
        total = sum(count for _, count in self._pools)
        step = self.world_size * (batch_size if self.world_size > 1 else 1)
        self._total = math.ceil(total / step) * step

    def set_epoch(self, epoch: int) -> None:
        """Choose the pass.

        Args:
            epoch (int): Number of the pass, from 0.
        """
        self.epoch = epoch

    def __len__(self) -> int:
        """Tiles of a pass, of this rank."""
        return self._total // self.world_size

    def __iter__(self) -> Iterator[TileDraw]:
        """Draw the tiles of the pass."""
        order = self._order()
        # The last batches of several ranks are filled up from the beginning.
        order = np.resize(order, self._total)
        positions = np.arange(self._total)
        if self.world_size > 1:
            positions = positions.reshape(-1, self.world_size, self.batch_size)[:, self.rank]
        positions = positions.ravel()
        images = self._images[order[positions]]
        last = np.zeros(len(images), bool)
        last[len(images) - 1 - np.unique(images[::-1], return_index=True)[1]] = True
        for position, is_last in zip(positions.tolist(), last.tolist(), strict=True):
            entropy = (self.seed, self.epoch, position)
            yield TileDraw(int(order[position]), entropy, is_last)

    def _order(self) -> npt.NDArray[np.int64]:
        """The tiles of the pass, of all ranks."""
        generator = np.random.default_rng([self.seed, self.epoch])
        tiles = np.concatenate([_draw(generator, *pool) for pool in self._pools])
        _, image, counts = np.unique(self._images[tiles], return_inverse=True, return_counts=True)
        # Images in random order; each lane gets about the same number of tiles.
        shuffled = generator.permutation(len(counts))
        ends = np.cumsum(counts[shuffled])
        lane = (ends - 1) * self.lanes // len(tiles)
        window = (np.arange(len(counts)) - np.searchsorted(lane, lane)) // self._window
        place = np.empty(len(counts), np.int64)
        place[shuffled] = np.arange(len(counts))
        place = place[image]
        chance = generator.random(len(tiles))
        sequence = np.lexsort((chance, window[place], lane[place]))
        lengths = np.bincount(lane[place], minlength=self.lanes)
        return tiles[_take_turns(sequence, lengths, self.batch_size)]


def _pools(
    shows: npt.NDArray[np.int8], defect_share: float | None
) -> list[tuple[npt.NDArray[np.int64], int]]:
    """Tiles to draw from, and how many of them per pass."""
    everything = np.arange(len(shows))
    defects, clean = np.flatnonzero(shows == DEFECT), np.flatnonzero(shows == CLEAN)
    if defect_share is None or not len(defects):
        return [(everything, len(everything))]
    wanted = round(len(defects) * (1 - defect_share) / defect_share)
    return [(defects, len(defects)), (clean, wanted if len(clean) else 0)]


def _draw(
    generator: np.random.Generator, pool: npt.NDArray[np.int64], count: int
) -> npt.NDArray[np.int64]:
    """Draw without replacement, as often through the pool as it takes."""
    rounds = math.ceil(count / len(pool)) if count else 0
    drawn = [generator.permutation(pool) for _ in range(rounds)]
    return np.concatenate([pool[:0], *drawn])[:count]


def _take_turns(
    sequence: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64], batch_size: int
) -> npt.NDArray[np.int64]:
    """A batch of each lane in turn; at the end what is left of all lanes."""
    parts = np.split(sequence, np.cumsum(lengths)[:-1])
    whole = int(lengths.min()) // batch_size * batch_size
    turns = np.stack([part[:whole].reshape(-1, batch_size) for part in parts], axis=1)
    return np.concatenate([turns.ravel(), *(part[whole:] for part in parts)])
