"""Scores of whole images, from a classifier that sees their tiles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from mmdefect.geometry import TileGrid
from mmdefect.inference.tile_batches import Tile
from mmdefect.inference.tile_stream import TiledImage, TileStream

__all__ = ['ScoredTiles', 'TiledScoring']

_Key = TypeVar('_Key')


class ScoredTiles(NamedTuple, Generic[_Key]):
    """One image of :meth:`TiledScoring.stream`.

    Attributes:
        key (Any): As given.
        boxes (Tensor): Where its tiles lie, ``xyxy`` in pixels, float32, shape (T, 4), row by row.
        scores (Tensor): Probability that a tile shows a class, float32, shape (T, C); (0, 0) of
            an image without a tile.
    """

    key: _Key
    boxes: Tensor
    scores: Tensor


class TiledScoring(TileStream[ScoredTiles[Any]]):
    """Classify the tiles of images.

    Args:
        classifier (nn.Module): A classifier with data preprocessor, as MMPretrain builds it; its
            logits are those of a sigmoid per class.
        grid (TileGrid): Where tiles lie.
        pipeline (Sequence[Mapping | Callable]): Test pipeline of the classifier, run on each
            tile. Default none.
        batch_size (int): Tiles in a batch. Default 16.

    Raises:
        InputError: A value out of range.

    Example:
        >>> TiledScoring(nn.Identity(), TileGrid((64, 64)), batch_size=0)
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: batch_size must be a whole number of at least 1, got 0
    """

    def __init__(
        self,
        classifier: nn.Module,
        grid: TileGrid,
        pipeline: Sequence[Mapping[str, Any] | Any] = (),
        batch_size: int = 16,
    ) -> None:
        super().__init__(classifier, grid, pipeline, batch_size)

    def predict_tiles(self, tiles: list[Tile]) -> Iterable[tuple[Tile, Tensor]]:
        """Classify a batch.

        Args:
            tiles (list[Tile]): Tiles of one shape.

        Returns:
            Iterable[tuple[Tile, Tensor]]: Each tile and its probabilities, shape (C,).
        """
        batch = {'inputs': torch.stack([tile.inputs for tile in tiles])}
        inputs = self.model.data_preprocessor(batch, False)['inputs']
        # In float32, as mixed precision would round a score of .999 to 1.
        scores = self.model(inputs, mode='tensor').float().sigmoid().cpu()
        return zip(tiles, scores, strict=True)

    def finish(self, image: TiledImage) -> ScoredTiles[Any]:
        """Put the tiles of an image into their order.

        Args:
            image (TiledImage): The image.

        Returns:
            ScoredTiles: Its tiles.
        """
        # Tiles of another shape are predicted later than they were cut.
        found = sorted(image.found, key=lambda pair: (pair[0].box[1], pair[0].box[0]))
        boxes = torch.tensor([tile.box.tolist() for tile, _ in found]).float().reshape(-1, 4)
        scores = torch.stack([row for _, row in found]) if found else torch.zeros(0, 0)
        return ScoredTiles(image.key, boxes, scores)
