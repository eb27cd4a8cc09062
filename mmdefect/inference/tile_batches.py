"""Tiles of one shape, gathered into batches across images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from mmdet.structures import DetDataSample

__all__ = ['Tile', 'TileBatches']

# Tiles that may come before one that waits, in batches.
_WAITING = 4


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """A tile on its way to the model.

    Args:
        image (Any): The image it was cut from, with its ``shape`` (h, w).
        box (np.ndarray): Where it lies there, ``xyxy`` in pixels, shape (4,).
        inputs (torch.Tensor): Input of the data preprocessor, shape (channels, h, w).
        sample (DetDataSample): Its meta keys.
        is_whole (bool): It is the whole image, scaled down. Default False.

    Example:
        >>> Tile(None, np.arange(4), torch.zeros(3, 2, 2), DetDataSample()).is_whole
        False
    """

    image: Any
    box: npt.NDArray[np.int64]
    inputs: torch.Tensor
    sample: DetDataSample
    is_whole: bool = False


class TileBatches:
    """Gather tiles into batches of one input shape.

    A rare shape does not wait for ever: once tiles for four batches have come after it, what there
    is of it goes. So no more than four batches ever wait.

    Args:
        batch_size (int): Tiles in a batch. Whole images, which may be larger, are fewer: no more
            than have the pixels of a batch of tiles.

    Example:
        >>> batches = TileBatches(2)
        >>> tile = Tile(None, np.arange(4), torch.zeros(3, 2, 2), DetDataSample())
        >>> [len(batch) for tile in [tile] * 5 for batch in batches.add(tile)]
        [2, 2]
        >>> [len(batch) for batch in batches.rest()]
        [1]
    """

    def __init__(self, batch_size: int) -> None:
        self.batch_size = batch_size
        # By shape, the one that has waited longest first; and when it began to wait.
        self._waiting: dict[tuple[Any, ...], list[Tile]] = {}
        self._since: dict[tuple[Any, ...], int] = {}
        self._added = 0
        self._tile_values = 0

    def add(self, tile: Tile) -> Iterator[list[Tile]]:
        """Add a tile.

        Args:
            tile (Tile): The tile.

        Yields:
            list[Tile]: A batch to be predicted now, if any.
        """
        if not tile.is_whole:
            self._tile_values = tile.inputs.numel()
        key = (tile.inputs.shape, tile.inputs.dtype)
        if key not in self._waiting:
            self._waiting[key], self._since[key] = [], self._added
        self._added += 1
        self._waiting[key].append(tile)
        if len(self._waiting[key]) >= self._capacity(tile):
            yield self._waiting.pop(key)
        if self._waiting:
            oldest = next(iter(self._waiting))
            if self._added - self._since[oldest] >= _WAITING * self.batch_size:
                yield self._waiting.pop(oldest)

    def rest(self) -> Iterator[list[Tile]]:
        """Empty it.

        Yields:
            list[Tile]: The batches that are left, the one that has waited longest first.
        """
        while self._waiting:
            yield self._waiting.pop(next(iter(self._waiting)))

    def _capacity(self, tile: Tile) -> int:
        if not tile.is_whole:
            return self.batch_size
        return max(1, self.batch_size * self._tile_values // tile.inputs.numel())
