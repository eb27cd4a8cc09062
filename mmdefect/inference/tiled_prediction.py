"""Detections of whole images, from a detector that sees their tiles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from mmdefect.errors import InputError
from mmdefect.geometry import TileGrid
from mmdefect.inference.found_boxes import FoundBoxes, collect_boxes
from mmdefect.inference.score_floor import floored_configs, raised_floor
from mmdefect.inference.tile_batches import Tile
from mmdefect.inference.tile_merge import TileMerge
from mmdefect.inference.tile_pipeline import TilePipeline
from mmdefect.inference.tile_stream import TiledImage, TileStream
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


class TiledPrediction(TileStream[TiledResult[Any]]):
    """Detect in images tile by tile.

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
        super().__init__(detector, grid, pipeline, batch_size)
        if not 0 <= min_score <= 1:
            raise InputError(f'min_score must be in 0..1, got {min_score!r}')
        self.merge = TileMerge() if merge is None else merge
        self.whole_pipeline = None
        if full_image is not None:
            # Checks the two numbers.
            size = TileGrid(tuple(full_image)).size
            self.whole_pipeline = TilePipeline(pipeline, fit_into=(size[0], size[1]))
        self.min_score = min_score
        self._floored = floored_configs(detector)

    def cut(self, image: TiledImage, pixels: npt.NDArray[Any]) -> Iterator[Tile]:
        """Cut an image, and scale all of it down where that is wanted.

        Args:
            image (TiledImage): The image.
            pixels (np.ndarray): Its pixels, shape (h, w, channels).

        Yields:
            Tile: Each tile, then the whole image.
        """
        yield from super().cut(image, pixels)
        if self.whole_pipeline is not None:
            height, width = image.shape
            inputs, sample = self.whole_pipeline(pixels)
            # Boxes and masks stay in the small frame until they are collected.
            scale = np.asarray(sample.scale_factor)
            shape = tuple(max(1, round(side)) for side in (height * scale[1], width * scale[0]))
            sample.set_metainfo({'ori_shape': shape, 'scale_factor': (1.0, 1.0)})
            yield Tile(image, np.array([0, 0, width, height]), inputs, sample, True)

    def predict_tiles(self, tiles: list[Tile]) -> Iterable[FoundBoxes]:
        """Detect in a batch.

        Args:
            tiles (list[Tile]): Tiles of one shape.

        Returns:
            Iterable[FoundBoxes]: What was found in each, in pixels of its image.
        """
        batch = {
            'inputs': torch.stack([tile.inputs for tile in tiles]),
            'data_samples': [tile.sample for tile in tiles],
        }
        with raised_floor(self._floored, self.min_score):
            samples = self.model.test_step(batch)
        return collect_boxes(tiles, [sample.pred_instances for sample in samples], self.min_score)

    def finish(self, image: TiledImage) -> TiledResult[Any]:
        """Merge what was found in the tiles of an image.

        Args:
            image (TiledImage): The image.

        Returns:
            TiledResult: Its detections.
        """
        boxes = FoundBoxes.join(image.found)
        finite = boxes.is_finite
        merged = self.merge(*(boxes if finite else FoundBoxes.join([])))
        return TiledResult(image.key, image.tiles, merged, finite)
