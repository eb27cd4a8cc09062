"""The best IoU that the anchors of a pyramid reach with each box, in bounded memory.

Overlap of two intervals falls with the distance of their centres, and the overlap of boxes is the
product over both axes. So among all places of a level, the one nearest to a box along each axis
has the greatest IoU: one candidate per anchor shape is enough, however many places there are.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from mmdefect.evaluation.anchors.anchor_set import AnchorSet
from mmdefect.evaluation.anchors.placed_boxes import PlacedBoxes

__all__ = ['best_grid_iou', 'best_shape_iou']

# Pairs of box and anchor in work at a time: a quarter of a MiB per intermediate array, which
# a core's cache holds.
_PAIRS = 1 << 16

_Floats = npt.NDArray[np.float64]


def best_shape_iou(extents: npt.ArrayLike, anchors: AnchorSet) -> npt.NDArray[np.float32]:
    """Best IoU of each box with any anchor when both have the same centre.

    Args:
        extents (ArrayLike): ``(w, h)`` of the boxes in pixels, shape (N, 2).
        anchors (AnchorSet): The anchors; strides do not matter.

    Returns:
        np.ndarray: Float32, shape (N,).

    Example:
        >>> one = AnchorSet(np.array([0]), np.array([[10., 10.]]), np.zeros((1, 2)),
        ...     np.array([[8., 8.]]))
        >>> best_shape_iou([[10, 20], [10, 10]], one).tolist()
        [0.5, 1.0]
    """
    extents = np.asarray(extents, np.float64).reshape(-1, 2)
    best = np.zeros(len(extents), np.float32)
    width, height = anchors.sizes.T.astype(np.float32)
    for rows in _chunks(len(extents), len(anchors)):
        box_width, box_height = np.hsplit(extents[rows].astype(np.float32), 2)
        shared = np.minimum(box_width, width)
        shared *= np.minimum(box_height, height)
        union = box_width * box_height + width * height
        union -= shared
        best[rows] = np.divide(shared, union, out=shared).max(axis=1)
    return best


def best_grid_iou(
    placed: PlacedBoxes, anchors: AnchorSet, allowed_border: float = -1
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int16]]:
    """Best IoU of each box with any anchor where the anchors really are.

    Strides, centres, the padded size of the image and the border rule count as in MMDetection's
    ``AnchorHead``.

    Args:
        placed (PlacedBoxes): The boxes and their images.
        anchors (AnchorSet): The anchors.
        allowed_border (float): Pixels by which an anchor may leave the image (without padding)
            and still be trained; negative: any. Default -1.

    Returns:
        tuple[np.ndarray, np.ndarray]: The best IoU, float32, shape (N,), 0 where no anchor is
        allowed, and the row of that anchor, int16, shape (N,).

    Example:
        >>> grid = AnchorSet(np.array([0]), np.array([[16., 16.]]), np.zeros((1, 2)),
        ...     np.array([[16., 16.]]))
        >>> size = np.array([[64, 64]])
        >>> boxes = np.array([[8, 8, 24, 24], [16, 8, 32, 24]], np.float32)
        >>> placed = PlacedBoxes(boxes, np.zeros(2, int), size, size)
        >>> best_grid_iou(placed, grid)[0].tolist()
        [1.0, 0.3333333432674408]
    """
    best = np.zeros(len(placed), np.float32)
    which = np.zeros(len(placed), np.int16)
    width, height = anchors.sizes.T.astype(np.float32)
    areas = width * height
    x_axis, y_axis = (_Axis(anchors, axis, allowed_border) for axis in range(2))
    for rows in _chunks(len(placed), len(anchors)):
        part = placed.take(rows)
        extents = part.extents
        shared = x_axis.overlap(part, extents)
        shared *= y_axis.overlap(part, extents)
        # The union, in place; then the IoU.
        union = extents.prod(axis=1, dtype=np.float32)[:, None] + areas
        union -= shared
        shared /= union
        which[rows] = shared.argmax(axis=1)
        best[rows] = shared[np.arange(len(shared)), which[rows]]
    return best, which


class _Axis:
    """Overlaps along one axis with the anchors at their nearest places."""

    def __init__(self, anchors: AnchorSet, axis: int, border: float) -> None:
        self.axis, self.border = axis, border
        self.sizes = anchors.sizes[:, axis].astype(np.float32)
        columns = [anchors.strides[anchors.levels, axis], anchors.centres[:, axis]]
        if border >= 0:
            columns.append(anchors.sizes[:, axis])
        # Anchors of one grid share their nearest place; under a border rule size counts too.
        grids, self.grid_of = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
        self.grid_of = self.grid_of.reshape(-1)
        self.strides, self.centres = grids[:, 0], grids[:, 1]
        self.reach = grids[:, 2] / 2 - border if border >= 0 else None

    def overlap(self, part: PlacedBoxes, extents: _Floats) -> npt.NDArray[np.float32]:
        """Longest overlap of boxes (n,) with anchors (A,), float32, shape (n, A)."""
        extent = extents[:, self.axis, None].astype(np.float32)
        reach = np.take(-self._distance(part, extents), self.grid_of, axis=1)
        reach += extent / 2
        reach += self.sizes / 2
        np.minimum(reach, np.minimum(extent, self.sizes), out=reach)
        return np.maximum(reach, 0, out=reach)

    def _distance(self, part: PlacedBoxes, extents: _Floats) -> npt.NDArray[np.float32]:
        """From the middle of each box to the nearest centre of each grid; infinite if none."""
        middle = (part.boxes[:, self.axis] + extents[:, self.axis] / 2)[:, None]
        padded = part.padded_sizes[part.owners, self.axis, None]
        first = np.zeros(1)
        last = np.ceil(padded / self.strides) - 1
        if self.reach is not None:
            # As MMDetection: the near side may be exactly on the border, the far side may not.
            image = part.image_sizes[part.owners, self.axis, None]
            first = np.maximum(np.ceil((self.reach - self.centres) / self.strides), 0)
            beyond = (image - self.reach - self.centres) / self.strides
            last = np.minimum(np.ceil(beyond) - 1, last)
        place = np.rint((middle - self.centres) / self.strides)
        np.minimum(np.maximum(place, first, out=place), last, out=place)
        distance = np.abs(middle - self.centres - place * self.strides)
        distance[last < first] = np.inf
        return distance.astype(np.float32)


def _chunks(count: int, anchors: int) -> Iterator[slice]:
    step = max(1, _PAIRS // max(1, anchors))
    for start in range(0, count, step):
        yield slice(start, start + step)
