"""Boxes of one class that touch, and those that look like one defect cut in pieces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from mmdefect.datasets.audit.neighbours import pairs_in_windows

__all__ = ['BoxPairs', 'connected_boxes', 'touching_pairs']

# Pixels between two boxes that still touch.
_TOUCH = 2.0
# Limits of a cut, as shares of the smaller box along the axis across the cut.
_GAP = 0.1
_OVERLAP = 0.25
# 1-D IoU of the two boxes along the cut.
_FLUSH = 0.8


@dataclass(frozen=True, slots=True, eq=False)
class BoxPairs:
    """Pairs of boxes that touch or overlap.

    Args:
        first (np.ndarray): Rows of the first members, int64, shape (P,).
        second (np.ndarray): Rows of the second members, int64, shape (P,).
        cut (np.ndarray): Whether the two look like one box cut in two, bool, shape (P,).
        flush (np.ndarray): How flush they are: the larger 1-D IoU of the two axes, float64, 0 to
            1, shape (P,).

    Example:
        >>> empty = np.zeros(0, np.int64)
        >>> len(BoxPairs(empty, empty, empty.astype(bool), empty.astype(float)))
        0
    """

    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    cut: npt.NDArray[np.bool_]
    flush: npt.NDArray[np.float64]

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.first)


def touching_pairs(boxes: npt.NDArray[np.float32], groups: npt.NDArray[np.int64]) -> BoxPairs:
    """Find boxes of a group that touch, and tell which look like one box cut in two.

    Two boxes **touch** when they are at most 2 pixels apart on both axes; overlapping ones do.
    They look **cut** when along one axis they meet and along the other they are equal, both
    within limits:

    - meet: the gap is at most a tenth of the smaller of the two extents (or 2 pixels), or they
      overlap by at most a quarter of it;
    - equal: the intervals have a 1-D IoU of 0.8 or more, so both ends are flush.

    Args:
        boxes (np.ndarray): ``xyxy`` in pixels, float32, shape (N, 4), with positive areas.
        groups (np.ndarray): Group of each box, such as its image and class, int64 from 0, shape
            (N,).

    Returns:
        BoxPairs: All pairs of one group that touch or look cut.

    Source:
        "Meets" and "equals" of Allen, "Maintaining knowledge about temporal intervals", 1983, one
        for each axis as in the rectangle algebra of Balbiani, Condotta and Farinas del Cerro, "A
        model for reasoning about bidimensional temporal relations", 1998; the tolerances are
        ours.

    Example:
        >>> boxes = np.array([[0, 0, 50, 40], [51, 1, 99, 40], [90, 30, 120, 90]], np.float32)
        >>> pairs = touching_pairs(boxes, np.zeros(3, np.int64))
        >>> pairs.first.tolist(), pairs.second.tolist(), pairs.cut.tolist()
        ([0, 1], [1, 2], [True, False])
    """
    corners = boxes.astype(np.float64)
    extent = corners[:, 2:] - corners[:, :2]
    reach = corners[:, 2] + np.maximum(_TOUCH, _GAP * extent[:, 0])
    parts = [
        _judge(corners, extent, first, second)
        for first, second in pairs_in_windows(groups, corners[:, 0], reach)
    ]
    empty = (np.zeros(0, np.int64),) * 2 + (np.zeros(0, bool), np.zeros(0))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)] if parts else empty
    return BoxPairs(*columns)


def _judge(
    corners: npt.NDArray[np.float64],
    extent: npt.NDArray[np.float64],
    first: npt.NDArray[np.int64],
    second: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.int64], ...]:
    a, b = corners[first], corners[second]
    # Gap per axis, negative where the intervals overlap.
    gap = np.maximum(a[:, :2], b[:, :2]) - np.minimum(a[:, 2:], b[:, 2:])
    hull = np.maximum(a[:, 2:], b[:, 2:]) - np.minimum(a[:, :2], b[:, :2])
    smaller = np.minimum(extent[first], extent[second])
    meets = (gap <= np.maximum(_TOUCH, _GAP * smaller)) & (gap >= -_OVERLAP * smaller)
    flush = np.divide(np.clip(-gap, 0, None), hull, out=np.zeros_like(hull), where=hull > 0)
    equal = flush >= _FLUSH
    cut = (meets[:, 0] & equal[:, 1]) | (meets[:, 1] & equal[:, 0])
    keep = cut | (gap <= _TOUCH).all(axis=1)
    return (  # type: ignore[return-value]
        np.minimum(first, second)[keep],
        np.maximum(first, second)[keep],
        cut[keep],
        flush.max(axis=1)[keep],
    )


def connected_boxes(
    first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]
) -> list[npt.NDArray[np.int64]]:
    """Group boxes that hang together by pairs.

    Args:
        first (np.ndarray): Rows of the first members, int64, shape (P,).
        second (np.ndarray): Rows of the second members, int64, shape (P,).

    Returns:
        list[np.ndarray]: Groups of two rows or more, ascending, ordered by their first row.

    Example:
        >>> groups = connected_boxes(np.array([7, 1, 2]), np.array([9, 2, 3]))
        >>> [group.tolist() for group in groups]
        [[1, 2, 3], [7, 9]]
    """
    if not len(first):
        return []
    rows, inverse = np.unique(np.concatenate([first, second]), return_inverse=True)
    left, right = np.split(inverse, 2)
    links = coo_array((np.ones(len(left), bool), (left, right)), shape=(len(rows), len(rows)))
    component = connected_components(links, directed=False)[1]
    order = np.argsort(component, kind='stable')
    ends = np.flatnonzero(np.diff(component[order])) + 1
    groups = np.split(rows[order], ends)
    return sorted(groups, key=lambda group: int(group[0]))
