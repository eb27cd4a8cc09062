"""Where the tiles of an image lie: one geometry for training, inference and evaluation."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmdefect.errors import InputError

__all__ = ['TILE_EDGES', 'TileGrid']

TILE_EDGES = ('shift', 'pad', 'drop')
# What a share of a side may lack through rounding: .29 of 100 px is 29 px.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class TileGrid:
    """Overlapping tiles of one size, with as few of them as cover the image.

    Tiles begin at the top left corner and lie ``size`` less the overlap apart. What happens where
    the last ones would reach beyond the image is the edge rule:

    - ``'shift'``: they are moved back to end with the image, and overlap more. An image smaller
      than a tile is one smaller tile. Every pixel is covered, every tile lies inside.
    - ``'pad'``: they stay, and whoever cuts them fills up what lies beyond the image. All tiles
      have the full size.
    - ``'drop'``: they are left out. An image smaller than a tile has none. :meth:`unseen` says
      what no tile covers.

    Args:
        size (Sequence[int]): Width and height of a tile in pixels, each at least 1.
        overlap (float | Sequence[float]): Share of its width and height, or of both, that a tile
            has in common with the next one, rounded down to pixels; at least 0, below 1.
            Default 0.
        edge ('shift' | 'pad' | 'drop'): The edge rule. Default ``'shift'``.

    Raises:
        InputError: A value out of range.

    Example:
        >>> grid = TileGrid((256, 256), 0.5)
        >>> len(grid.boxes(1600, 256)), grid.boxes(1600, 256)[-1].tolist()
        (12, [1344, 0, 1600, 256])
        >>> grid = TileGrid((256, 256), 0.5, 'drop')
        >>> len(grid.boxes(1600, 256)), grid.unseen(1600, 256)
        (11, (64, 0))
    """

    size: Sequence[int]
    overlap: float | Sequence[float] = 0.0
    edge: str = 'shift'

    def __post_init__(self) -> None:
        """Check the values."""
        object.__setattr__(self, 'size', _sides(self.size))
        object.__setattr__(self, 'overlap', _shares(self.overlap))
        if self.edge not in TILE_EDGES:
            raise InputError(f'edge must be one of {", ".join(TILE_EDGES)}, got {self.edge!r}')

    @property
    def stride(self) -> tuple[int, int]:
        """Distance of neighbouring tiles in x and y, in pixels."""
        width, height = (
            max(1, side - int(side * share + _ROUNDING))
            for side, share in zip(self.size, self.overlap, strict=True)  # type: ignore[arg-type]
        )
        return width, height

    def boxes(self, width: int, height: int) -> npt.NDArray[np.int64]:
        """Lay the tiles over an image.

        Args:
            width (int): Of the image in pixels, at least 1.
            height (int): Likewise.

        Returns:
            np.ndarray: Tiles ``xyxy`` in pixels, int64, shape (N, 4), row by row. With ``'pad'``
            they may reach beyond the right and the lower side of the image.

        Raises:
            InputError: The image has no pixels.
        """
        _check_image(width, height)
        left, right = self._spans(width, 0)
        top, bottom = self._spans(height, 1)
        rows, columns = len(top), len(left)
        return np.stack(
            [
                np.tile(left, rows),
                np.repeat(top, columns),
                np.tile(right, rows),
                np.repeat(bottom, columns),
            ],
            axis=1,
        )

    def unseen(self, width: int, height: int) -> tuple[int, int]:
        """Count what no tile covers; only ``'drop'`` leaves anything.

        Args:
            width (int): Of the image in pixels, at least 1.
            height (int): Likewise.

        Returns:
            tuple[int, int]: Columns on the right and rows at the bottom.

        Raises:
            InputError: The image has no pixels.
        """
        _check_image(width, height)
        ends = [self._spans(side, axis)[1] for axis, side in enumerate((width, height))]
        columns, rows = (
            max(0, side - int(end[-1])) if len(end) else side
            for side, end in zip((width, height), ends, strict=True)
        )
        return columns, rows

    def _spans(self, image: int, axis: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Where tiles begin and end along one axis."""
        tile, stride = self.size[axis], self.stride[axis]
        if self.edge == 'drop':
            count = (image - tile) // stride + 1 if image >= tile else 0
        else:
            count = max(0, -(-(image - tile) // stride)) + 1
        starts: npt.NDArray[np.int64] = np.arange(count, dtype=np.int64) * stride
        if self.edge == 'shift':
            starts = np.minimum(starts, max(0, image - tile))
            return starts, np.minimum(starts + tile, image)
        return starts, starts + tile


def _check_image(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise InputError(f'an image to be tiled must have pixels, got {width}x{height}')


def _sides(size: Sequence[int]) -> tuple[int, int]:
    sides = tuple(size) if isinstance(size, Sequence) else ()
    whole = all(isinstance(s, numbers.Integral) and not isinstance(s, bool) for s in sides)
    if len(sides) != 2 or not whole or min(sides) < 1:
        raise InputError(f'size must be two whole numbers (w, h) of at least 1, got {size!r}')
    return int(sides[0]), int(sides[1])


def _shares(overlap: float | Sequence[float]) -> tuple[float, float]:
    shares = tuple(overlap) if isinstance(overlap, Sequence) else (overlap, overlap)
    known = all(isinstance(share, numbers.Real) for share in shares)
    if len(shares) != 2 or not known or not all(0 <= share < 1 for share in shares):
        raise InputError(
            f'overlap must be a share of the tile of at least 0 and below 1, got {overlap!r}'
        )
    return float(shares[0]), float(shares[1])
