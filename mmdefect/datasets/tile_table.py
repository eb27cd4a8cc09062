"""The tiles of a data set, and which of them show defects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mmdefect.errors import InputError
from mmdefect.geometry import TileGrid

__all__ = [
    'CLEAN', 'DEFECT', 'FRAGMENT', 'TileTable', 'is_shown', 'tabulate_tiles', 'visible_shares',
]  # fmt: skip

# What a tile shows: nothing, a defect, or only parts too small to be labelled.
CLEAN, DEFECT, FRAGMENT = 0, 1, 2


@dataclass(frozen=True, slots=True, eq=False)
class TileTable:
    """The tiles of a data set, image by image.

    Args:
        images (np.ndarray): Index of the image, int64, shape (N,), ascending.
        boxes (np.ndarray): Where the tile lies in it, ``xyxy`` in pixels, int64, shape (N, 4).
        shows (np.ndarray): ``CLEAN``, ``DEFECT`` or ``FRAGMENT``, int8, shape (N,).

    Example:
        >>> len(TileTable(np.zeros(2, int), np.zeros((2, 4), int), np.zeros(2, np.int8)))
        2
    """

    images: npt.NDArray[np.int64]
    boxes: npt.NDArray[np.int64]
    shows: npt.NDArray[np.int8]

    def __len__(self) -> int:
        """Number of tiles."""
        return len(self.images)


def tabulate_tiles(
    infos: Iterable[Mapping[str, Any]], grid: TileGrid, min_visible: float
) -> TileTable:
    """Lay tiles over the images of a data set.

    Args:
        infos (Iterable[Mapping]): Per image ``width``, ``height`` and ``instances``, as
            ``get_data_info`` gives them.
        grid (TileGrid): Where tiles lie. What reaches beyond the image is cut off.
        min_visible (float): Share of a box from which a tile shows it, 0 to 1.

    Returns:
        TileTable: All tiles.

    Raises:
        InputError: An image without a size, or no tile at all.

    Example:
        >>> info = dict(width=8, height=4, instances=[dict(bbox=[0, 0, 2, 2], bbox_label=0)])
        >>> tabulate_tiles([info], TileGrid((4, 4)), 0.5).shows.tolist()
        [1, 0]
    """
    images, boxes, shows = [], [], []
    for index, info in enumerate(infos):
        if not info.get('width') or not info.get('height'):
            raise InputError(
                f'{info.get("img_path")}: the data set gives no width and height of the image, '
                'which tiles need; use mmdefect.DefectDataset, or add them to the annotations'
            )
        width, height = int(info['width']), int(info['height'])
        tiles = grid.boxes(width, height)
        tiles = np.minimum(tiles, [width, height, width, height])
        marked = [item for item in info.get('instances') or () if not item.get('ignore_flag', 0)]
        found = np.array([item['bbox'] for item in marked], np.float64).reshape(-1, 4)
        shares = visible_shares(tiles, found)
        images.append(np.full(len(tiles), index))
        boxes.append(tiles)
        labelled, touched = is_shown(shares, min_visible).any(1), (shares > 0).any(1)
        shows.append(np.where(labelled, DEFECT, np.where(touched, FRAGMENT, CLEAN)))
    if not sum(map(len, images)):
        raise InputError(
            f'no image has a tile of {grid.size[0]}x{grid.size[1]} px; take smaller tiles or '
            "edge='shift'"
        )
    return TileTable(np.concatenate(images), np.concatenate(boxes), np.concatenate(shows))


def visible_shares(
    tiles: npt.NDArray[np.integer], boxes: npt.NDArray[np.floating]
) -> npt.NDArray[np.float64]:
    """Share of each box that each tile shows, of what a tile of its size can show of it.

    So a tile that lies within a larger box shows all it can, a share of 1.

    Args:
        tiles (np.ndarray): ``xyxy`` in pixels, shape (T, 4).
        boxes (np.ndarray): Likewise, shape (N, 4).

    Returns:
        np.ndarray: 0 to 1, shape (T, N); of a box without area 1 where the tile holds all of it.

    Example:
        >>> boxes = np.array([[2.0, 0, 6, 4], [0, 0, 40, 4]])
        >>> visible_shares(np.array([[0, 0, 4, 4]]), boxes).tolist()
        [[0.5, 1.0]]
    """
    tile = np.asarray(tiles, np.float64)[:, None]
    low = np.maximum(tile[..., :2], boxes[:, :2])
    high = np.minimum(tile[..., 2:], boxes[:, 2:])
    shown = np.prod(np.maximum(high - low, 0), axis=-1)
    areas = np.prod(np.minimum(boxes[:, 2:] - boxes[:, :2], tile[..., 2:] - tile[..., :2]), axis=-1)
    inside = (high >= boxes[:, 2:]).all(-1) & (low <= boxes[:, :2]).all(-1)
    return np.where(areas > 0, shown / np.where(areas > 0, areas, 1), inside)


def is_shown(shares: npt.NDArray[np.float64], min_visible: float) -> npt.NDArray[np.bool_]:
    """Whether enough of a box is visible for it to be labelled.

    Args:
        shares (np.ndarray): From :func:`visible_shares`, any shape.
        min_visible (float): Share from which it is, 0 to 1; a box that is not visible never is.

    Returns:
        np.ndarray: bool, the same shape.

    Example:
        >>> is_shown(np.array([0.0, 0.1, 0.5]), 0.5).tolist()
        [False, False, True]
    """
    return (shares > 0) & (shares >= min_visible)
