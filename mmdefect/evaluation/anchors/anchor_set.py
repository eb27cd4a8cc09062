"""Anchors of a pyramid as arrays, and the form that a generator gives them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

__all__ = ['AnchorForm', 'AnchorSet']


@dataclass(frozen=True, eq=False)
class AnchorSet:
    """The anchors at the first place of each level; they repeat every stride.

    Args:
        levels (np.ndarray): Level of each anchor, from 0, finest first, int64, shape (A,).
        sizes (np.ndarray): ``(w, h)`` in pixels, float64, shape (A, 2).
        centres (np.ndarray): ``(x, y)`` at the first place in pixels, float64, shape (A, 2).
        strides (np.ndarray): ``(x, y)`` of each level in pixels, float64, shape (L, 2).

    Raises:
        ValueError: Shapes do not agree, or a size or stride is not finite and above 0.

    Example:
        >>> anchors = AnchorSet(np.array([0]), np.array([[8., 32.]]), np.zeros((1, 2)),
        ...     np.array([[16., 16.]]))
        >>> anchors.places(np.array([[64, 48]])).tolist(), anchors.count((64, 48))
        ([[[4, 3]]], 12)
    """

    levels: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.float64]
    centres: npt.NDArray[np.float64]
    strides: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        """Check shapes and values."""
        count = len(self.levels)
        if self.sizes.shape != (count, 2) or self.centres.shape != (count, 2):
            raise ValueError(
                f'sizes and centres must have shape ({count}, 2), '
                f'got {self.sizes.shape} and {self.centres.shape}'
            )
        for name, values in (('sizes', self.sizes), ('strides', self.strides)):
            good = (np.isfinite(values) & (values > 0)).all(axis=1)
            if not good.all():
                first = values[good.argmin()].tolist()
                raise ValueError(f'{name} must be finite and above 0, got {first}')
        good = np.isfinite(self.centres).all(axis=1)
        if not good.all():
            raise ValueError(f'centres must be finite, got {self.centres[good.argmin()].tolist()}')

    def __len__(self) -> int:
        """Number of different anchors, over all levels."""
        return len(self.levels)

    @property
    def per_location(self) -> list[int]:
        """Anchors at each place of each level."""
        return np.bincount(self.levels, minlength=len(self.strides)).tolist()

    def transposed(self) -> AnchorSet:
        """The same anchors with width and height exchanged, at the same centres.

        Returns:
            AnchorSet: What the other order of the ratios would give.
        """
        return replace(self, sizes=self.sizes[:, ::-1])

    def places(self, shape: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Places of each level on images, as strided layers have them.

        Args:
            shape (ArrayLike): ``(w, h)`` of padded images in pixels, shape (M, 2).

        Returns:
            np.ndarray: Columns and rows, int64, shape (M, L, 2).
        """
        size = np.asarray(shape, float).reshape(-1, 1, 2)
        return np.ceil(size / self.strides).astype(np.int64)

    def count(self, shape: Sequence[float]) -> int:
        """Anchors on one image.

        Args:
            shape (Sequence[float]): ``(w, h)`` of the padded image in pixels.

        Returns:
            int: Anchors of all places and levels.
        """
        places = self.places([shape])[0].prod(axis=1)
        return int(places @ np.array(self.per_location))


@dataclass(frozen=True, eq=False)
class AnchorForm:
    """What stays when shapes are fitted: levels, their base sizes and centres.

    Args:
        strides (np.ndarray): ``(x, y)`` of each level in pixels, float64, shape (L, 2).
        base_sizes (np.ndarray): Size of each level's anchors at scale 1, pixels, shape (L,).
        centres (np.ndarray): ``(x, y)`` at the first place of each level, pixels, shape (L, 2).

    Example:
        >>> form = AnchorForm(np.full((1, 2), 16.), np.array([16.]), np.zeros((1, 2)))
        >>> form.anchors([.25], [1, 2]).sizes.tolist()
        [[8.0, 32.0], [16.0, 64.0]]
    """

    strides: npt.NDArray[np.float64]
    base_sizes: npt.NDArray[np.float64]
    centres: npt.NDArray[np.float64]

    def anchors(self, ratios: npt.ArrayLike, scales: npt.ArrayLike) -> AnchorSet:
        """Each ratio at each scale on each level.

        Args:
            ratios (ArrayLike): Width / height, shape (R,).
            scales (ArrayLike): Sizes in base sizes, shape (S,).

        Returns:
            AnchorSet: L x R x S anchors, levels outermost, scales innermost.
        """
        root = np.sqrt(np.asarray(ratios, float))
        shapes = np.stack([root, 1 / root], axis=1)[:, None] * np.asarray(scales, float)[:, None]
        sizes = self.base_sizes[:, None, None] * shapes.reshape(-1, 2)
        count = sizes.shape[1]
        return AnchorSet(
            np.repeat(np.arange(len(self.strides)), count),
            sizes.reshape(-1, 2),
            np.repeat(self.centres, count, axis=0),
            self.strides,
        )
