"""Areas and overlaps of convex quadrilaterals, all pairs at once.

A box seen from another view is a quadrilateral: turned, sheared, in perspective. The hull of a
turned box is no substitute: 20x44 pixels turned by 45 degrees have a hull of 45x45, whose IoU
with the box is below one half.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = [
    'box_quadrilaterals',
    'clip_polygons',
    'hull_boxes',
    'intersection_areas',
    'intersection_over_smaller',
    'polygon_areas',
    'quadrilateral_ious',
    'shares_inside',
]

# About 1 KiB of work space each.
_PAIRS_AT_ONCE = 32_768


def box_quadrilaterals(boxes: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """List the corners of boxes, clockwise on the screen from the top left one.

    Args:
        boxes (np.ndarray): Boxes ``x1, y1, x2, y2``, shape (N, 4).

    Returns:
        np.ndarray: Corners ``x, y``, float64, shape (N, 4, 2).

    Example:
        >>> box_quadrilaterals(np.array([[1.0, 2, 5, 4]])).tolist()
        [[[1.0, 2.0], [5.0, 2.0], [5.0, 4.0], [1.0, 4.0]]]
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    return boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)


def hull_boxes(polygons: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Find the smallest upright box around each polygon.

    Args:
        polygons (np.ndarray): Corners ``x, y``, shape (N, K, 2).

    Returns:
        np.ndarray: Boxes ``x1, y1, x2, y2``, float64, shape (N, 4).

    Example:
        >>> hull_boxes(np.array([[[5.0, 0], [9, 4], [5, 8], [1, 4]]])).tolist()
        [[1.0, 0.0, 9.0, 8.0]]
    """
    polygons = np.asarray(polygons, np.float64)
    return np.concatenate([polygons.min(axis=1), polygons.max(axis=1)], axis=1)


def polygon_areas(polygons: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Measure polygons, whichever way round their corners are listed.

    Args:
        polygons (np.ndarray): Corners ``x, y``, shape (N, K, 2).

    Returns:
        np.ndarray: Areas, float64, shape (N,).

    Example:
        >>> polygon_areas(np.array([[[5.0, 0], [9, 4], [5, 8], [1, 4]]])).tolist()
        [32.0]
    """
    return np.abs(_signed_areas(np.asarray(polygons, np.float64)))


def clip_polygons(
    polygons: npt.NDArray[np.floating], windows: npt.NDArray[np.floating]
) -> npt.NDArray[np.float64]:
    """Cut convex polygons by convex windows, pair by pair.

    Args:
        polygons (np.ndarray): Corners ``x, y``, shape (P, K, 2).
        windows (np.ndarray): Corners ``x, y``, shape (P, L, 2) or (1, L, 2).

    Returns:
        np.ndarray: What they have in common, float64, shape (P, M, 2); the last corner is
        repeated where a result has fewer than M, and nothing in common is one point, repeated.

    Source:
        I. Sutherland and G. Hodgman, "Reentrant polygon clipping", CACM 17(1), 1974; all pairs
        advance together.

    Example:
        >>> square = box_quadrilaterals(np.array([[0.0, 0, 4, 4]]))
        >>> diamond = np.array([[[4.0, 0], [8, 4], [4, 8], [0, 4]]])
        >>> polygon_areas(clip_polygons(square, diamond)).tolist()
        [8.0]
    """
    clipped = np.asarray(polygons, np.float64)
    windows = _turned_alike(np.broadcast_to(windows, (len(clipped), *np.shape(windows)[1:])))
    for corner in range(windows.shape[1]):
        clipped = _clip_once(clipped, windows[:, corner - 1], windows[:, corner])
    return clipped


def intersection_areas(
    first: npt.NDArray[np.floating],
    second: npt.NDArray[np.floating],
    wanted: npt.NDArray[np.bool_] | None = None,
) -> npt.NDArray[np.float64]:
    """Measure what convex quadrilaterals have in common, for all pairs.

    Pairs whose hulls lie apart cost next to nothing. Work space: 32 MiB, besides the result.

    Args:
        first (np.ndarray): Corners ``x, y``, shape (N, K, 2).
        second (np.ndarray): Corners ``x, y``, shape (M, L, 2).
        wanted (np.ndarray | None): Pairs to look at, shape (N, M); the others are 0. Default
            None: all.

    Returns:
        np.ndarray: Areas, float64, shape (N, M); 0 for a quadrilateral with a corner that is NaN.

    Example:
        >>> squares = box_quadrilaterals(np.array([[0.0, 0, 4, 4], [2, 2, 6, 6]]))
        >>> intersection_areas(squares, squares).tolist()
        [[16.0, 4.0], [4.0, 16.0]]
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    areas = np.zeros((len(first), len(second)))
    if not areas.size:
        return areas
    (ax1, ay1, ax2, ay2), (bx1, by1, bx2, by2) = hull_boxes(first).T, hull_boxes(second).T
    near = (ax1[:, None] < bx2) & (ax2[:, None] > bx1) & (ay1[:, None] < by2)
    near &= ay2[:, None] > by1
    if wanted is not None:
        near &= wanted
    rows, columns = near.nonzero()
    for start in range(0, len(rows), _PAIRS_AT_ONCE):
        row, column = (x[start : start + _PAIRS_AT_ONCE] for x in (rows, columns))
        areas[row, column] = polygon_areas(clip_polygons(first[row], second[column]))
    return areas


def quadrilateral_ious(
    first: npt.NDArray[np.floating], second: npt.NDArray[np.floating]
) -> npt.NDArray[np.float64]:
    """Intersection over union of convex quadrilaterals, for all pairs.

    Args:
        first (np.ndarray): Corners ``x, y``, shape (N, 4, 2).
        second (np.ndarray): Corners ``x, y``, shape (M, 4, 2).

    Returns:
        np.ndarray: 0 to 1, float64, shape (N, M); 0 for two without area.

    Example:
        >>> squares = box_quadrilaterals(np.array([[0.0, 0, 4, 4], [0, 0, 4, 2]]))
        >>> quadrilateral_ious(squares, squares).tolist()
        [[1.0, 0.5], [0.5, 1.0]]
    """
    common = intersection_areas(first, second)
    union = polygon_areas(first)[:, None] + polygon_areas(second) - common
    return _share(common, union)


def intersection_over_smaller(
    first: npt.NDArray[np.floating], second: npt.NDArray[np.floating]
) -> npt.NDArray[np.float64]:
    """Intersection over the smaller area of convex quadrilaterals, for all pairs.

    The piece of a defect that one view shows lies inside the whole that another shows, and the
    hull of a turned box around the box: both give about 1 where the IoU would be small.

    Args:
        first (np.ndarray): Corners ``x, y``, shape (N, 4, 2).
        second (np.ndarray): Corners ``x, y``, shape (M, 4, 2).

    Returns:
        np.ndarray: 0 to 1, float64, shape (N, M); 0 where one has no area.

    Example:
        >>> squares = box_quadrilaterals(np.array([[0.0, 0, 4, 4], [2, 0, 6, 2]]))
        >>> intersection_over_smaller(squares[:1], squares[1:]).tolist()
        [[0.5]]
    """
    smaller = np.minimum(polygon_areas(first)[:, None], polygon_areas(second))
    return _share(intersection_areas(first, second), smaller)


def shares_inside(
    quadrilaterals: npt.NDArray[np.floating], width: float, height: float
) -> npt.NDArray[np.float64]:
    """Measure which share of each quadrilateral lies inside an image.

    Args:
        quadrilaterals (np.ndarray): Corners ``x, y`` in pixels, shape (N, 4, 2).
        width (float): Image width, pixels.
        height (float): Image height, pixels.

    Returns:
        np.ndarray: 0 to 1, float64, shape (N,); 0 for one without area or with a corner that is
        NaN.

    Example:
        >>> shares_inside(box_quadrilaterals(np.array([[-2.0, 0, 2, 4]])), 10, 10).tolist()
        [0.5]
    """
    areas = polygon_areas(quadrilaterals)
    # Most lie wholly inside.
    x1, y1, x2, y2 = hull_boxes(quadrilaterals).T
    inside = (x1 >= 0) & (y1 >= 0) & (x2 <= width) & (y2 <= height) & (areas > 0)
    shares = inside.astype(np.float64)
    image = box_quadrilaterals(np.array([[0.0, 0.0, width, height]]))
    common = intersection_areas(quadrilaterals[~inside], image)[:, 0]
    shares[~inside] = _share(common, areas[~inside])
    return shares


def _share(part: npt.NDArray[np.float64], whole: npt.NDArray[np.float64]) -> npt.NDArray:
    """Part of a whole, at most 1; 0 where the whole is nothing or unknown."""
    share = np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
    return np.minimum(share, 1.0)


def _signed_areas(polygons: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    # From the first corner: far from the origin products of coordinates lose digits.
    x, y = (polygons - polygons[:, :1]).transpose(2, 0, 1)
    # The first corner is 0 by now.
    return 0.5 * (x[:, :-1] * y[:, 1:] - y[:, :-1] * x[:, 1:]).sum(axis=1)


def _turned_alike(polygons: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """The same polygons with their corners in the order of positive area."""
    corners = np.asarray(polygons, np.float64)
    return np.where((_signed_areas(corners) < 0)[:, None, None], corners[:, ::-1], corners)


def _clip_once(
    polygons: npt.NDArray[np.float64], start: npt.NDArray, end: npt.NDArray
) -> npt.NDArray[np.float64]:
    """What lies to the inner side of the line from start to end, (P, 2) each."""
    along, away = (end - start)[:, None], polygons - start[:, None]
    side = along[..., 0] * away[..., 1] - along[..., 1] * away[..., 0]
    inside = side >= 0
    if inside.all():
        return polygons
    turn = np.append(np.arange(1, side.shape[1]), 0)
    following, next_side = polygons[:, turn], side[:, turn]
    crossing = inside != inside[:, turn]
    step = np.divide(side, side - next_side, out=np.zeros_like(side), where=crossing)
    cut = polygons + step[..., None] * (following - polygons)
    count, corners = side.shape
    points = np.stack([polygons, cut], axis=2).reshape(count, 2 * corners, 2)
    kept = np.stack([inside, crossing], axis=2).reshape(count, 2 * corners)
    # Kept ones to the front, in their order; then the last of them again and again.
    order = np.argsort(~kept, axis=1, kind='stable')
    number = kept.sum(axis=1)
    place = np.minimum(np.arange(max(1, number.max(initial=0))), np.maximum(number, 1)[:, None] - 1)
    row = np.arange(count)[:, None]
    return points[row, order[row, place]]
