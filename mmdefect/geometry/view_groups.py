"""Which boxes of different views show the same thing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from mmdefect.geometry.quadrilaterals import intersection_areas, polygon_areas

__all__ = ['group_views']


def group_views(
    quadrilaterals: npt.NDArray[np.floating],
    views: npt.NDArray[np.integer],
    labels: npt.NDArray[np.integer],
    min_overlap: float = 0.5,
) -> npt.NDArray[np.int64]:
    """Group boxes of one part so that each group is one thing, seen in several views.

    For each two views, boxes of the same class are matched one to one: a pair needs
    ``min_overlap`` of intersection over the smaller, and among the matchings of such pairs the one
    with the largest sum of that and of IoU is taken. Then pairs become groups, the ones that
    overlap most first; a pair that would put two boxes of one view into a group is left out.

    Args:
        quadrilaterals (np.ndarray): N boxes in part coordinates, corners ``x, y``, shape
            (N, 4, 2). One with a NaN stays alone.
        views (np.ndarray): View of each, integers, shape (N,).
        labels (np.ndarray): Class of each, integers, shape (N,).
        min_overlap (float): Lowest intersection over the smaller of a match, above 0, at most 1.
            Default 0.5.

    Returns:
        np.ndarray: Group of each box, from 0 in the order of their first boxes, int64, shape
        (N,). A group has one class and at most one box per view.

    Raises:
        ValueError: ``min_overlap`` is out of range.

    Example:
        >>> from mmdefect.geometry import box_quadrilaterals
        >>> boxes = box_quadrilaterals(np.array([[0., 0, 9, 9], [1, 1, 9, 9], [0, 0, 9, 9]]))
        >>> group_views(boxes, np.array([0, 1, 2]), np.array([0, 0, 1])).tolist()
        [0, 0, 1]
    """
    if not 0 < min_overlap <= 1:
        raise ValueError(f'min_overlap must be above 0 and at most 1, got {min_overlap}')
    corners = np.asarray(quadrilaterals, np.float64).reshape(-1, 4, 2)
    places = np.arange(len(corners))
    wanted = (labels[:, None] == labels) & (views[:, None] != views)
    # Both halves of the matrix are the same.
    common = intersection_areas(corners, corners, wanted & (places[:, None] < places))
    common += common.T
    areas = polygon_areas(corners)
    overlap, iou = (
        np.divide(common, whole, out=np.zeros_like(common), where=whole > 0)
        for whole in (
            np.minimum(areas[:, None], areas),
            areas[:, None] + areas - common,
        )
    )
    gain = np.where(overlap >= min_overlap, overlap + iou, 0)
    first, second = _match_each_two_views(gain, views)
    # A group's name is its lowest member, which stays as the group grows.
    groups = places.copy()
    for place in np.lexsort((second, first, -gain[first, second])):
        low, high = sorted((int(groups[first[place]]), int(groups[second[place]])))
        together = np.flatnonzero((groups == low) | (groups == high))
        if low != high and len(set(views[together].tolist())) == len(together):
            groups[together] = low
    return np.unique(groups, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _match_each_two_views(
    gain: npt.NDArray[np.float64], views: npt.NDArray[np.integer]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Pairs of boxes matched one to one between each two views."""
    members = [np.flatnonzero(views == view) for view in np.unique(views)]
    pairs = [np.zeros((2, 0), np.int64)]
    for number, rows in enumerate(members):
        for columns in members[number + 1 :]:
            between = gain[np.ix_(rows, columns)]
            if between.any():
                row, column = linear_sum_assignment(between, maximize=True)
                good = between[row, column] > 0
                pairs.append(np.stack([rows[row[good]], columns[column[good]]]))
    first, second = np.concatenate(pairs, axis=1)
    return first, second
