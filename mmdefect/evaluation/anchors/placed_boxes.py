"""Boxes where a model sees them: on resized and padded images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmdefect.errors import InputError

__all__ = ['PlacedBoxes']


@dataclass(frozen=True, eq=False)
class PlacedBoxes:
    """Boxes and the images that they lie on, in pixels of the model's input.

    Args:
        boxes (np.ndarray): ``xyxy``, float32, shape (N, 4).
        owners (np.ndarray): Image of each box, int64, shape (N,).
        image_sizes (np.ndarray): ``(w, h)`` after resizing, int64, shape (M, 2).
        padded_sizes (np.ndarray): ``(w, h)`` after padding, int64, shape (M, 2).

    Raises:
        InputError: A box is not finite or has no area.

    Example:
        >>> size = np.array([[64, 48]])
        >>> placed = PlacedBoxes(np.array([[0, 0, 10, 40.]]), np.array([0]), size, size)
        >>> placed.extents.tolist()
        [[10.0, 40.0]]
    """

    boxes: npt.NDArray[np.float32]
    owners: npt.NDArray[np.int64]
    image_sizes: npt.NDArray[np.int64]
    padded_sizes: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        """Check the boxes."""
        extents = self.extents
        # A NaN compares as False.
        good = (np.isfinite(self.boxes).all(axis=1)) & (extents > 0).all(axis=1)
        if not good.all():
            row = int(np.flatnonzero(~good)[0])
            raise InputError(
                f'box {self.boxes[row].tolist()} (row {row}) must be finite and have an area; '
                'correct or remove it'
            )

    def __len__(self) -> int:
        """Number of boxes."""
        return len(self.boxes)

    @property
    def extents(self) -> npt.NDArray[np.float64]:
        """``(w, h)`` of each box in pixels, float64, shape (N, 2)."""
        return self.boxes[:, 2:].astype(np.float64) - self.boxes[:, :2]

    def take(self, rows: npt.NDArray[np.int64] | slice) -> PlacedBoxes:
        """Some of the boxes.

        Args:
            rows (np.ndarray | slice): Which.

        Returns:
            PlacedBoxes: They, on the same images.
        """
        return PlacedBoxes(self.boxes[rows], self.owners[rows], self.image_sizes, self.padded_sizes)
