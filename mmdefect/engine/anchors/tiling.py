"""Boxes as the tiles of a data set show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mmdefect.datasets.tile_table import is_shown, visible_shares
from mmdefect.datasets.tiled_dataset import TiledDataset
from mmdefect.errors import InputError

__all__ = ['TiledBoxes', 'tile_boxes']


@dataclass(frozen=True, eq=False)
class TiledBoxes:
    """What tiles show of boxes.

    Args:
        boxes (np.ndarray): Their parts, clipped to the tile and in its frame, ``xyxy`` in pixels,
            shape (K, 4).
        rows (np.ndarray): Which box each is of, int64, shape (K,).
        owners (np.ndarray): Which tile shows it, int64, shape (K,).
        images (np.ndarray): Image of each tile, int64, shape (T,).
        sizes (np.ndarray): ``(w, h)`` of each tile in pixels, int64, shape (T, 2).
        note (str): How they were cut, and how many parts are too small to be labelled.

    Example:
        >>> row = np.zeros(1, np.int64)
        >>> TiledBoxes(np.array([[0., 0, 2, 4]]), row, row, row, np.array([[4, 4]]), '').rows
        array([0])
    """

    boxes: npt.NDArray[np.floating]
    rows: npt.NDArray[np.int64]
    owners: npt.NDArray[np.int64]
    images: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]
    note: str


def tile_boxes(
    dataset: Mapping[str, Any],
    boxes: npt.NDArray[np.floating],
    owners: npt.NDArray[np.int64],
    sizes: npt.NDArray[np.int64],
) -> TiledBoxes:
    """Cut boxes as a :class:`mmdefect.datasets.TiledDataset` does.

    Args:
        dataset (Mapping): Its config.
        boxes (np.ndarray): ``xyxy`` in pixels of their images, shape (N, 4).
        owners (np.ndarray): Image of each, int64, ascending, shape (N,).
        sizes (np.ndarray): ``(w, h)`` of the images in pixels, int64, shape (M, 2).

    Returns:
        TiledBoxes: What is labelled in the tiles; less than ``min_visible`` of a box is not.

    Raises:
        InputError: A key or a value that TiledDataset refuses, or no image has a tile.

    Example:
        >>> dataset = dict(type='mmdefect.TiledDataset', size=(4, 4), min_visible=0.5, pipeline=[])
        >>> boxes, owner = np.array([[3., 0, 7, 4]]), np.zeros(1, np.int64)
        >>> tile_boxes(dataset, boxes, owner, np.array([[8, 4]])).boxes.tolist()
        [[0.0, 0.0, 3.0, 4.0]]
    """
    settings = {key: value for key, value in dataset.items() if key != 'type'}
    cutter = TiledDataset(**{**settings, 'dataset': None, 'pipeline': [], 'lazy_init': True})
    starts = np.searchsorted(owners, np.arange(len(sizes) + 1))
    tiles = [np.zeros((0, 4), np.int64)]
    rows, shown_by = ([np.zeros(0, np.int64)] for _ in range(2))
    count = small = 0
    for image, size in enumerate(sizes.tolist()):
        laid = np.minimum(cutter.grid.boxes(*size), size * 2)
        shares = visible_shares(laid, boxes[starts[image] : starts[image + 1]])
        shown = is_shown(shares, cutter.min_visible)
        small += int(((shares > 0) & ~shown).sum())
        tile, row = np.nonzero(shown)
        tiles.append(laid)
        rows.append(row + starts[image])
        shown_by.append(tile + count)
        count += len(laid)
    width, height = cutter.grid.size
    if not count:
        raise InputError(
            f"no image has a tile of {width} x {height} pixels; take smaller tiles or edge='shift'"
        )
    tile = np.concatenate(tiles)
    row, owner = np.concatenate(rows), np.concatenate(shown_by)
    low, high = tile[owner, :2], tile[owner, 2:]
    return TiledBoxes(
        np.clip(boxes[row], np.tile(low, 2), np.tile(high, 2)) - np.tile(low, 2),
        row,
        owner,
        np.repeat(np.arange(len(sizes)), [len(laid) for laid in tiles[1:]]),
        tile[:, 2:] - tile[:, :2],
        f'images are cut into {count:,} tiles of {width} x {height} pixels, and a box counts in '
        f'each tile that shows at least {cutter.min_visible:.0%} of it; '
        f'{small:,} smaller parts left out',
    )
