"""Coverage in numbers, and the shapes of the boxes, per class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ['QUANTILES', 'Coverage', 'ShapeStatistics', 'shape_statistics']

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, slots=True)
class Coverage:
    """How well anchors cover some boxes.

    Args:
        boxes (int): Boxes looked at.
        mean (float | None): Mean of the best IoU of each box; None without boxes.
        at_threshold (float | None): Share of boxes at the assigner's threshold or above.
        at_50 (float | None): Share of boxes at IoU .5 or above.
        at_70 (float | None): Share of boxes at IoU .7 or above.

    Example:
        >>> Coverage.of([.4, .5, .9], threshold=.6).at_50
        0.6666666666666666
    """

    boxes: int
    mean: float | None
    at_threshold: float | None
    at_50: float | None
    at_70: float | None

    @classmethod
    def of(cls, best: npt.ArrayLike, threshold: float) -> Coverage:
        """Summarise best IoUs.

        Args:
            best (ArrayLike): Best IoU of each box, shape (N,).
            threshold (float): That of the assigner.

        Returns:
            Coverage: The numbers.
        """
        # In float32, as the assigner compares.
        values = np.asarray(best, np.float32)
        if not len(values):
            return cls(0, None, None, None, None)
        shares = [float((values >= np.float32(level)).mean()) for level in (threshold, 0.5, 0.7)]
        return cls(len(values), float(values.mean(dtype=np.float64)), *shares)


@dataclass(frozen=True, slots=True)
class ShapeStatistics:
    """Shapes of the boxes of a class.

    Args:
        name (str): The class.
        boxes (int): Boxes of it.
        ratio (list[float]): Width / height at ``QUANTILES``; empty without boxes.
        size (list[float]): Root of the area in pixels at ``QUANTILES``; empty without boxes.

    Example:
        >>> shape_statistics(np.array([[10, 40.]]), np.array([0]), ['rust'])[0].size
        [20.0, 20.0, 20.0, 20.0, 20.0]
    """

    name: str
    boxes: int
    ratio: list[float]
    size: list[float]


def shape_statistics(
    extents: npt.NDArray[np.float64], labels: npt.NDArray[np.int64], classes: Sequence[str]
) -> list[ShapeStatistics]:
    """Quantiles of ratio and size of each class.

    Args:
        extents (np.ndarray): ``(w, h)`` in pixels, shape (N, 2).
        labels (np.ndarray): Class of each box, shape (N,).
        classes (Sequence[str]): Their names.

    Returns:
        list[ShapeStatistics]: One per class, in their order.

    Example:
        >>> shape_statistics(np.zeros((0, 2)), np.zeros(0, int), ['rust'])[0].boxes
        0
    """
    ratio = extents[:, 0] / extents[:, 1]
    size = np.sqrt(extents.prod(axis=1))
    found = []
    for label, name in enumerate(classes):
        mine = labels == label
        levels = [
            [float(f'{value:.4g}') for value in np.quantile(values[mine], QUANTILES)]
            if mine.any()
            else []
            for values in (ratio, size)
        ]
        found.append(ShapeStatistics(name, int(mine.sum()), *levels))
    return found
