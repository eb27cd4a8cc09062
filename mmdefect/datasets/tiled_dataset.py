"""Tiles of the images of any data set, cut while training."""

from __future__ import annotations

import copy
import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

from mmengine.dataset import BaseDataset, Compose
from mmengine.logging import print_log
from torch.utils.data import get_worker_info

from mmdefect.datasets.seeded_draw import DrawnIndex, seeded
from mmdefect.datasets.tile_cut import cut_instances, cut_tile
from mmdefect.datasets.tile_table import DEFECT, TileTable, tabulate_tiles
from mmdefect.errors import InputError, strict_keys
from mmdefect.geometry import TileGrid
from mmdefect.registry import DATASETS
from mmdefect.wording import counted

__all__ = ['TiledDataset']


@DATASETS.register_module()
@strict_keys
class TiledDataset:
    """Cut the images of a data set into tiles, on the fly.

    The inner pipeline loads the whole image with its annotations and changes nothing at random;
    ``pipeline`` then runs on each tile. Boxes are clipped and masks cut
    (:func:`mmdefect.datasets.tile_cut.cut_tile`); tiles without a defect are kept. All tiles are
    items, in the order of the images; :class:`mmdefect.datasets.TileSampler` draws them in a
    stated balance, tiles of an image soon after each other, so that a loaded image is kept until
    its last tile is cut. No file is written.

    Args:
        dataset (Mapping | BaseDataset): The data set or its config, of any registry; its images
            need ``width`` and ``height``.
        size (Sequence[int]): Width and height of a tile in pixels.
        pipeline (Sequence[Mapping | Callable]): Steps for a tile, such as flips and packing.
        overlap (float | Sequence[float]): Share of a tile that it has in common with the next one.
            Default 0.
        edge ('shift' | 'pad' | 'drop'): As of :class:`mmdefect.geometry.TileGrid`; with ``'pad'``
            a tile ends with the image, and the data preprocessor of the model fills the batch
            up. Default ``'shift'``.
        min_visible (float): Share of a box, or of as much of a large one as a tile can show, from
            which a tile shows it as a defect; with less it is ignored. Default 0.3.
        window (int): Loaded images kept at most, over all loader processes. Batches are mixed from
            their tiles: with BatchNorm and images that differ among themselves more than their
            tiles do, take as many as fit into memory. Default 32.
        lazy_init (bool): Do not read annotations yet. Default False.

    Attributes:
        table (TileTable): All tiles.
        reads_draws (bool): An index of :class:`mmdefect.datasets.TileSampler` brings the seed of
            its item, so that the item does not depend on loader processes.

    Raises:
        InputError: An unknown or missing key, or a value out of range; an inner pipeline that
            does not load, or packs.

    Example:
        >>> TiledDataset(dataset=dict(type='mmdefect.DefectDataset'), size=(256, 256),
        ...              pipelin=[])
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: TiledDataset: unknown key 'pipelin'; did you mean 'pipeline'?
    """

    reads_draws = True
    table: TileTable

    def __init__(
        self,
        dataset: Mapping[str, Any] | BaseDataset,
        size: Sequence[int],
        pipeline: Sequence[Any],
        overlap: float | Sequence[float] = 0.0,
        edge: str = 'shift',
        min_visible: float = 0.3,
        window: int = 32,
        lazy_init: bool = False,
    ) -> None:
        if not 0 <= min_visible <= 1:
            raise InputError(f'TiledDataset: min_visible must be in 0..1, got {min_visible!r}')
        if isinstance(window, bool) or not isinstance(window, int) or window < 1:
            raise InputError(
                f'TiledDataset: window must be a whole number of at least 1, got {window!r}'
            )
        self.grid = TileGrid(size, overlap, edge)
        self.dataset = DATASETS.build(dataset) if isinstance(dataset, Mapping) else dataset
        self.pipeline = Compose(pipeline)
        self.min_visible = min_visible
        self.window = window
        self._loaded: OrderedDict[int, dict[str, Any]] = OrderedDict()
        self._fully_initialized = False
        if not lazy_init:
            self.full_init()

    def full_init(self) -> None:
        """Read the annotations of the inner data set and lay the tiles."""
        if self._fully_initialized:
            return
        self.dataset.full_init()
        infos = (self.dataset.get_data_info(index) for index in range(len(self.dataset)))
        self.table = tabulate_tiles(infos, self.grid, self.min_visible)
        self._fully_initialized = True
        print_log(
            f'TiledDataset: {counted(len(self.table), "tile")} of '
            f'{counted(len(self.dataset), "image")}, '
            f'{int((self.table.shows == DEFECT).sum())} of them with a defect',
            logger='current',
        )

    @property
    def metainfo(self) -> dict[str, Any]:
        """Class names and the like, of the inner data set."""
        return copy.deepcopy(self.dataset.metainfo)

    def __len__(self) -> int:
        """Number of tiles."""
        self.full_init()
        return len(self.table)

    def get_data_info(self, idx: int) -> dict[str, Any]:
        """Describe a tile without loading its image.

        Args:
            idx (int): Index of the tile.

        Returns:
            dict: What the inner data set says of the image, with ``width``, ``height`` and
            ``instances`` of the tile, and ``tile``, where it lies.
        """
        self.full_init()
        info = dict(self.dataset.get_data_info(int(self.table.images[idx])))
        x1, y1, x2, y2 = tile = tuple(self.table.boxes[idx].tolist())
        info.update(width=x2 - x1, height=y2 - y1, tile=tile)
        info['instances'] = cut_instances(info.get('instances') or (), tile, self.min_visible)
        return info

    def get_cat_ids(self, idx: int) -> list[int]:
        """Classes that a tile shows, for wrappers that balance classes.

        Args:
            idx (int): Index of the tile.

        Returns:
            list[int]: Labels of its boxes, ignored ones left out.
        """
        instances = self.get_data_info(idx)['instances']
        return [int(item['bbox_label']) for item in instances if not item['ignore_flag']]

    def __getitem__(self, idx: int) -> Any:
        """Cut a tile and run the pipeline on it.

        Args:
            idx (int): Index of the tile; a draw of :class:`mmdefect.datasets.TileSampler` brings
                the seed of the item.

        Returns:
            Any: What the last step returns.

        Raises:
            InputError: A step returned ``None``, or the inner pipeline does not load the image.
        """
        self.full_init()
        image = int(self.table.images[idx])
        sample = cut_tile(self._load(image), self.table.boxes[idx], self.min_visible)
        if getattr(idx, 'is_last', False):
            self._loaded.pop(image, None)
        name = sample.get('img_path')
        with seeded(*idx.entropy) if isinstance(idx, DrawnIndex) else nullcontext():
            sample = self.pipeline(sample)
        if sample is None:
            raise InputError(
                f'{name}: a step of the pipeline returned no tile, and a random other one would '
                'take its place; let it keep tiles without boxes (RandomCrop: '
                'allow_negative_crop=True; FilterAnnotations: keep_empty=False)'
            )
        return sample

    def _load(self, image: int) -> dict[str, Any]:
        """The image as the inner pipeline loads it, or as it was loaded a little while ago."""
        if image in self._loaded:
            self._loaded.move_to_end(image)
            return self._loaded[image]
        loaded = self.dataset[image]
        if not isinstance(loaded, dict) or 'img' not in loaded:
            raise InputError(
                'TiledDataset: the pipeline of the inner data set must load the image and not '
                "pack it, such as [dict(type='mmdefect.LoadImage'), "
                "dict(type='LoadAnnotations', with_bbox=True)]"
            )
        worker = get_worker_info()
        most = math.ceil(self.window / (worker.num_workers if worker else 1))
        while len(self._loaded) >= most:
            self._loaded.popitem(last=False)
        self._loaded[image] = loaded
        return loaded

    def __getstate__(self) -> dict[str, Any]:
        """Loader processes start without loaded images."""
        return {**self.__dict__, '_loaded': OrderedDict()}
