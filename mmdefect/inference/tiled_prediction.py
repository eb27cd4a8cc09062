"""Images in, detections out: tiles cut, batched across images, predicted, merged, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from mmdefect.errors import InputError
from mmdefect.geometry import TileGrid
from mmdefect.inference.found_boxes import FoundBoxes, collect_boxes
from mmdefect.inference.score_floor import floored_configs, raised_floor
from mmdefect.inference.tile_batches import Tile, TileBatches
from mmdefect.inference.tile_merge import TileMerge
from mmdefect.inference.tile_pipeline import TilePipeline
from mmdefect.structures import Detections

__all__ = ['TiledPrediction', 'TiledResult']

_Key = TypeVar('_Key')


class TiledResult(NamedTuple, Generic[_Key]):
    """One image of :meth:`TiledPrediction.stream`.

    Attributes:
        key (Any): As given.
        tiles (int): Number of tiles predicted.
        detections (Detections): What was found, merged.
        finite (bool): Whether all boxes and scores of the model were numbers; if not there are
            no detections.
    """

    key: _Key
    tiles: int
    detections: Detections
    finite: bool


class TiledPrediction:
    """Predict images tile by tile.

    Tiles are cut when they are needed, and copied, so that an image can be forgotten once its
    last tile is cut, whatever the model does. A batch holds tiles of one shape, of as many images
    as it takes; so no tile is padded because of its neighbours, and results do not depend on the
    batch size beyond rounding. Memory: the image being cut, at most four batches of tiles, and
    the boxes found.

    Args:
        detector (nn.Module): A detector with data preprocessor, as MMDetection builds it.
        grid (TileGrid): Where tiles lie; those that reach beyond the image (edge ``'pad'``) are
            filled with the mean colour of the data preprocessor.
        pipeline (Sequence[Mapping | Callable]): Test pipeline of the detector, run on each tile.
            Default none.
        batch_size (int): Tiles in a batch. Default 8.
        merge (TileMerge | None): How boxes are merged. Default None: by its defaults.
        full_image (Sequence[int] | None): Width and height in pixels that each image is scaled to
            fit into, to be predicted as a whole beside its tiles. Default None: tiles only.
        min_score (float): Detections below are dropped, before the detector's own NMS where that
            changes nothing else, which saves time. Default 0.

    Raises:
        InputError: A value out of range.

    Example:
        >>> TiledPrediction(nn.Identity(), TileGrid((64, 64)), batch_size=0)
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: batch_size must be a whole number of at least 1, got 0
    """

    def __init__(
        self,
        detector: nn.Module,
        grid: TileGrid,
        pipeline: Sequence[Mapping[str, Any] | Any] = (),
        *,
        batch_size: int = 8,
        merge: TileMerge | None = None,
        full_image: Sequence[int] | None = None,
        min_score: float = 0.0,
    ) -> None:
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise InputError(f'batch_size must be a whole number of at least 1, got {batch_size!r}')
        if not 0 <= min_score <= 1:
            raise InputError(f'min_score must be in 0..1, got {min_score!r}')
        self.detector: Any = detector
        self.grid = grid
        self.pipeline = TilePipeline(pipeline)
        self.batch_size = batch_size
        self.merge = TileMerge() if merge is None else merge
        self.whole_pipeline = None
        if full_image is not None:
            # Checks the two numbers.
            size = TileGrid(tuple(full_image)).size
            self.whole_pipeline = TilePipeline(pipeline, fit_into=(size[0], size[1]))
        self.min_score = min_score
        self._floored = floored_configs(detector)
        self._fill = _mean_colour(getattr(detector, 'data_preprocessor', None))

    def stream(
        self,
        images: Iterable[tuple[_Key, npt.NDArray[Any] | None]],
        on_batch: Callable[[int], None] | None = None,
    ) -> Iterator[TiledResult[_Key]]:
        """Predict images one after the other.

        Args:
            images (Iterable): Any key, and pixels, uint8 or float32, shape (h, w, channels); None
                for an image that cannot be read, which keeps its place without a tile.
            on_batch (Callable | None): Called with the number of tiles of each batch after it has
                been predicted. Default None.

        Yields:
            TiledResult: Of each image, in the order given, as soon as its last tile and those of
            all images before it have been predicted.
        """
        batches = TileBatches(self.batch_size)
        waiting: deque[_Image] = deque()

        def predict(tiles: list[Tile]) -> Iterator[TiledResult[_Key]]:
            self._predict(tiles)
            if on_batch is not None:
                on_batch(len(tiles))
            yield from self._finish(waiting)

        for key, pixels in images:
            image = _Image(key, (0, 0) if pixels is None else pixels.shape[:2])
            waiting.append(image)
            if pixels is not None:
                for tile in self._cut(image, pixels):
                    for batch in batches.add(tile):
                        yield from predict(batch)
            image.all_cut = True
            yield from self._finish(waiting)
        for batch in batches.rest():
            yield from predict(batch)

    def _cut(self, image: _Image, pixels: npt.NDArray[Any]) -> Iterator[Tile]:
        height, width = image.shape
        for box in self.grid.boxes(width, height):
            x1, y1, x2, y2 = box.tolist()
            part = pixels[y1:y2, x1:x2]
            if part.shape[:2] != (y2 - y1, x2 - x1):
                part = self._filled(part, y2 - y1, x2 - x1)
            image.tiles += 1
            yield Tile(image, box, *self.pipeline(part))
        if self.whole_pipeline is not None:
            inputs, sample = self.whole_pipeline(pixels)
            # Boxes and masks stay in the small frame until they are collected.
            scale = np.asarray(sample.scale_factor)
            shape = tuple(max(1, round(side)) for side in (height * scale[1], width * scale[0]))
            sample.set_metainfo({'ori_shape': shape, 'scale_factor': (1.0, 1.0)})
            image.tiles += 1
            yield Tile(image, np.array([0, 0, width, height]), inputs, sample, True)

    def _filled(self, part: npt.NDArray[Any], height: int, width: int) -> npt.NDArray[Any]:
        channels = part.shape[2]
        colour = self._fill if len(self._fill) == channels else self._fill.mean()
        filled = np.empty((height, width, channels), part.dtype)
        filled[:] = np.round(colour) if part.dtype == np.uint8 else colour
        filled[: part.shape[0], : part.shape[1]] = part
        return filled

    @torch.no_grad()
    def _predict(self, tiles: list[Tile]) -> None:
        batch = {
            'inputs': torch.stack([tile.inputs for tile in tiles]),
            'data_samples': [tile.sample for tile in tiles],
        }
        with raised_floor(self._floored, self.min_score):
            samples = self.detector.test_step(batch)
        found = [sample.pred_instances for sample in samples]
        for tile, boxes in zip(tiles, collect_boxes(tiles, found, self.min_score), strict=True):
            tile.image.found.append(boxes)

    def _finish(self, waiting: deque[_Image]) -> Iterator[TiledResult[Any]]:
        while waiting and waiting[0].is_complete:
            image = waiting.popleft()
            boxes = FoundBoxes.join(image.found)
            finite = boxes.is_finite
            merged = self.merge(*(boxes if finite else FoundBoxes.join([])))
            yield TiledResult(image.key, image.tiles, merged, finite)


class _Image:
    """An image on its way: its tiles, and what was found in those predicted so far."""

    def __init__(self, key: Any, shape: tuple[int, int]) -> None:
        self.key, self.shape = key, shape
        self.tiles, self.all_cut = 0, False
        self.found: list[FoundBoxes] = []

    @property
    def is_complete(self) -> bool:
        return self.all_cut and len(self.found) == self.tiles


def _mean_colour(preprocessor: Any) -> npt.NDArray[np.float32]:
    """What the data preprocessor turns into 0, in the order of the channels of images."""
    mean = getattr(preprocessor, 'mean', None)
    if mean is None:
        return np.zeros(1, np.float32)
    colour = mean.detach().float().cpu().numpy().ravel()
    return colour[::-1] if getattr(preprocessor, '_channel_conversion', False) else colour
