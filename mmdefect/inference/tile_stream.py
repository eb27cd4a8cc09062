"""Images in, results out: tiles cut, batched across images, predicted, in order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from mmdefect.errors import InputError
from mmdefect.geometry import TileGrid
from mmdefect.inference.tile_batches import Tile, TileBatches
from mmdefect.inference.tile_pipeline import TilePipeline

__all__ = ['TileStream', 'TiledImage']

_Result = TypeVar('_Result')


class TiledImage:
    """An image on its way: its tiles, and what was found in those predicted so far.

    Args:
        key (Any): As given to :meth:`TileStream.stream`.
        shape (tuple[int, int]): ``(h, w)`` in pixels.

    Attributes:
        tiles (int): Tiles cut so far.
        all_cut (bool): No further tile will be cut.
        found (list): What was found in each tile, in the order in which they were predicted.
    """

    def __init__(self, key: Any, shape: tuple[int, int]) -> None:
        self.key, self.shape = key, shape
        self.tiles, self.all_cut = 0, False
        self.found: list[Any] = []

    @property
    def is_complete(self) -> bool:
        """Whether all tiles have been cut and predicted."""
        return self.all_cut and len(self.found) == self.tiles


class TileStream(ABC, Generic[_Result]):
    """Predict images tile by tile; subclasses say what a model makes of tiles.

    Tiles are cut when they are needed, and copied, so that an image can be forgotten once its
    last tile is cut, whatever the model does. A batch holds tiles of one shape, of as many images
    as it takes; so no tile is padded because of its neighbours, and results do not depend on the
    batch size beyond rounding. Memory: the image being cut, at most four batches of tiles, and
    what was found.

    Args:
        model (nn.Module): A model with data preprocessor, as OpenMMLab builds it.
        grid (TileGrid): Where tiles lie; those that reach beyond the image (edge ``'pad'``) are
            filled with the mean colour of the data preprocessor.
        pipeline (Sequence[Mapping | Callable]): Test pipeline of the model, run on each tile.
        batch_size (int): Tiles in a batch.

    Raises:
        InputError: A value out of range.
    """

    def __init__(
        self,
        model: nn.Module,
        grid: TileGrid,
        pipeline: Sequence[Mapping[str, Any] | Any],
        batch_size: int,
    ) -> None:
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise InputError(f'batch_size must be a whole number of at least 1, got {batch_size!r}')
        self.model: Any = model
        self.grid = grid
        self.pipeline = TilePipeline(pipeline)
        self.batch_size = batch_size
        self._fill = _mean_colour(getattr(model, 'data_preprocessor', None))

    @abstractmethod
    def predict_tiles(self, tiles: list[Tile]) -> Iterable[Any]:
        """Predict a batch.

        Args:
            tiles (list[Tile]): Tiles of one shape.

        Returns:
            Iterable: What was found in each.
        """

    @abstractmethod
    def finish(self, image: TiledImage) -> _Result:
        """Make a result of what was found in the tiles of an image.

        Args:
            image (TiledImage): An image whose tiles have all been predicted.

        Returns:
            Any: The result.
        """

    def stream(
        self,
        images: Iterable[tuple[Any, npt.NDArray[Any] | None]],
        on_batch: Callable[[int], None] | None = None,
    ) -> Iterator[_Result]:
        """Predict images one after the other.

        Args:
            images (Iterable): Any key, and pixels, uint8 or float32, shape (h, w, channels); None
                for an image that cannot be read, which keeps its place without a tile.
            on_batch (Callable | None): Called with the number of tiles of each batch after it has
                been predicted. Default None.

        Yields:
            Any: The result of each image, in the order given, as soon as its last tile and those
            of all images before it have been predicted.
        """
        batches = TileBatches(self.batch_size)
        waiting: deque[TiledImage] = deque()

        def predict(tiles: list[Tile]) -> Iterator[_Result]:
            self._predict(tiles)
            if on_batch is not None:
                on_batch(len(tiles))
            yield from self._finish(waiting)

        for key, pixels in images:
            image = TiledImage(key, (0, 0) if pixels is None else pixels.shape[:2])
            waiting.append(image)
            if pixels is not None:
                for tile in self.cut(image, pixels):
                    image.tiles += 1
                    for batch in batches.add(tile):
                        yield from predict(batch)
            image.all_cut = True
            yield from self._finish(waiting)
        for batch in batches.rest():
            yield from predict(batch)

    def cut(self, image: TiledImage, pixels: npt.NDArray[Any]) -> Iterator[Tile]:
        """Cut an image.

        Args:
            image (TiledImage): The image.
            pixels (np.ndarray): Its pixels, shape (h, w, channels).

        Yields:
            Tile: Each tile, row by row.
        """
        height, width = image.shape
        for box in self.grid.boxes(width, height):
            x1, y1, x2, y2 = box.tolist()
            part = pixels[y1:y2, x1:x2]
            if part.shape[:2] != (y2 - y1, x2 - x1):
                part = self._filled(part, y2 - y1, x2 - x1)
            yield Tile(image, box, *self.pipeline(part))

    def _filled(self, part: npt.NDArray[Any], height: int, width: int) -> npt.NDArray[Any]:
        channels = part.shape[2]
        colour = self._fill if len(self._fill) == channels else self._fill.mean()
        filled = np.empty((height, width, channels), part.dtype)
        filled[:] = np.round(colour) if part.dtype == np.uint8 else colour
        filled[: part.shape[0], : part.shape[1]] = part
        return filled

    @torch.no_grad()
    def _predict(self, tiles: list[Tile]) -> None:
        for tile, found in zip(tiles, self.predict_tiles(tiles), strict=True):
            tile.image.found.append(found)

    def _finish(self, waiting: deque[TiledImage]) -> Iterator[_Result]:
        while waiting and waiting[0].is_complete:
            yield self.finish(waiting.popleft())


def _mean_colour(preprocessor: Any) -> npt.NDArray[np.float32]:
    """What the data preprocessor turns into 0, in the order of the channels of images."""
    mean = getattr(preprocessor, 'mean', None)
    if mean is None:
        return np.zeros(1, np.float32)
    colour = mean.detach().float().cpu().numpy().ravel()
    # Of MMDetection's, and of MMPretrain's.
    swaps = getattr(preprocessor, '_channel_conversion', getattr(preprocessor, 'to_rgb', False))
    return colour[::-1] if swaps else colour
