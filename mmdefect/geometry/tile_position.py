"""Where on the tiles of an image a box lies."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mmdefect.geometry.tile_grid import TileGrid

__all__ = ['tile_positions']


def tile_positions(
    grid: TileGrid, boxes: npt.NDArray[np.floating], width: int, height: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Find the tile that shows each box best, and how far the box is from being cut there.

    The best tile is the one whose borders leave the box the widest margin. Sides of the image are
    no borders: what they cut is cut for everyone.

    Args:
        grid (TileGrid): The tiles.
        boxes (np.ndarray): ``xyxy`` in pixels, shape (N, 4).
        width (int): Of the image in pixels, at least 1.
        height (int): Likewise.

    Returns:
        tuple[np.ndarray, np.ndarray]: Index of the tile in ``grid.boxes(width, height)``, int64,
        shape (N,), -1 where there is none; and the least distance to its borders in pixels, below
        0 where every tile cuts the box, infinite where the tile has no border inside the image,
        NaN where there is no tile. float64, shape (N,).

    Raises:
        InputError: The image has no pixels.

    Example:
        >>> grid = TileGrid((100, 100), 0.2)
        >>> tiles, margins = tile_positions(grid, np.array([[10., 10, 30, 30], [70, 0, 190, 9]]),
        ...                                 180, 100)
        >>> tiles.tolist(), margins.tolist()
        ([0, 1], [70.0, -10.0])
    """
    tiles = grid.boxes(width, height).astype(np.float64)
    placed = np.asarray(boxes, np.float64).reshape(-1, 4)
    if not len(tiles):
        return np.full(len(placed), -1, np.int64), np.full(len(placed), np.nan)
    # A side at or beyond that of the image is none.
    low = np.where(tiles[:, :2] <= 0, -np.inf, tiles[:, :2])
    high = np.where(tiles[:, 2:] >= (width, height), np.inf, tiles[:, 2:])
    margins = np.minimum(
        (placed[:, None, :2] - low).min(axis=2), (high - placed[:, None, 2:]).min(axis=2)
    )
    best = margins.argmax(axis=1)
    return best, margins[np.arange(len(placed)), best]
