"""Boxes found in several views of a part become one each, in part coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmdefect.geometry.quadrilaterals import intersection_over_smaller, quadrilateral_ious
from mmdefect.geometry.view_groups import group_views

__all__ = ['MERGE_METHODS', 'MergedBoxes', 'merge_views']

MERGE_METHODS = ('nms', 'soft_nms', 'wbf', 'voting')
# Degrees; quadrilaterals turned by less against each other have sides to average.
_SAME_TURN = 15.0
# The eight ways to list four corners.
_ORDERS = np.array([np.roll(way, -k) for way in ([0, 1, 2, 3], [0, 3, 2, 1]) for k in range(4)])


@dataclass(frozen=True, slots=True)
class MergedBoxes:
    """What :func:`merge_views` returns.

    Args:
        places (np.ndarray): M boxes in part coordinates, corners ``x, y``, float64, shape
            (M, 4, 2), in descending order of score.
        scores (np.ndarray): Their scores, float64, shape (M,).
        labels (np.ndarray): Their classes, int64, shape (M,).
        leaders (np.ndarray): Given box that each one comes from, int64, shape (M,).
        members (np.ndarray): Box that each of the N given ones went into, -1 for none, int64,
            shape (N,).

    Example:
        >>> no_boxes = np.zeros((0, 4, 2)), np.zeros(0), np.zeros(0, int), np.zeros(0, int)
        >>> merge_views(*no_boxes).members.shape
        (0,)
    """

    places: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]
    labels: npt.NDArray[np.int64]
    leaders: npt.NDArray[np.int64]
    members: npt.NDArray[np.int64]


def merge_views(
    places: npt.NDArray[np.floating],
    scores: npt.NDArray[np.floating],
    labels: npt.NDArray[np.integer],
    views: npt.NDArray[np.integer],
    method: str = 'nms',
    min_overlap: float = 0.5,
    shown: npt.NDArray[np.integer] | None = None,
    min_votes: int = 2,
    sigma: float = 0.5,
    min_score: float = 1e-3,
) -> MergedBoxes:
    """Merge the boxes of a part's views.

    Two boxes of different views overlap by their intersection over the smaller, two of the same
    view by IoU: a view has both in the same pixels.

    ``'nms'`` drops a box that overlaps a better one of its class. ``'soft_nms'`` multiplies its
    score by ``exp(-overlap ** 2 / sigma)`` instead, once for each better one. ``'wbf'`` joins it
    to the better one: the score becomes the mean of the members, times the share of the views
    that show the place which have a member; the corners are the score-weighted mean of those
    members whose sides are turned like the best one's and whose IoU with it is at least one half
    (the hull of a turned defect says where it is, not how large). ``'voting'`` groups boxes one
    to one (:func:`mmdefect.geometry.group_views`) and keeps the best of each group that has
    ``min_votes`` views, or as many as show the place, if fewer.

    Args:
        places (np.ndarray): N boxes in part coordinates, corners ``x, y``, shape (N, 4, 2).
        scores (np.ndarray): Scores >= 0, shape (N,). Of equal scores the lower index goes first.
        labels (np.ndarray): Classes, integers, shape (N,).
        views (np.ndarray): View of each box, integers, shape (N,).
        method (str): ``'nms'``, ``'soft_nms'``, ``'wbf'`` or ``'voting'``. Default ``'nms'``.
        min_overlap (float): Overlap from which boxes are merged, above 0, at most 1; not for
            ``'soft_nms'``. Default 0.5.
        shown (np.ndarray | None): Number of views that show the place of each box, its own
            included, shape (N,); for ``'wbf'`` and ``'voting'``. Default None: all views that
            have a box.
        min_votes (int): For ``'voting'``, at least 1. Default 2.
        sigma (float): For ``'soft_nms'``, above 0. Default 0.5.
        min_score (float): For ``'soft_nms'``: boxes below are dropped. Default 1e-3.

    Returns:
        MergedBoxes: The boxes of the part.

    Raises:
        ValueError: An unknown method or a value out of range.

    Source:
        N. Bodla et al., "Soft-NMS", ICCV 2017; R. Solovyev et al., "Weighted boxes fusion",
        Image and Vision Computing 107, 2021. Both for upright boxes; the rest is this project's.

    Example:
        >>> from mmdefect.geometry import box_quadrilaterals
        >>> places = box_quadrilaterals(np.array([[0., 0, 10, 10], [1, 0, 11, 10], [30, 0, 40, 9]]))
        >>> scores, labels, views = np.array([.9, .6, .4]), np.zeros(3, int), np.array([0, 1, 1])
        >>> merge_views(places, scores, labels, views).members.tolist()
        [0, 0, 1]
        >>> merge_views(places, scores, labels, views, 'wbf').scores.tolist()
        [0.75, 0.2]
        >>> merge_views(places, scores, labels, views, 'voting').leaders.tolist()
        [0]
    """
    _check(method, min_overlap, min_votes, sigma)
    corners = np.asarray(places, np.float64).reshape(-1, 4, 2)
    values = np.asarray(scores, np.float64)
    if shown is None:
        shown = np.full(len(values), len(np.unique(views)))
    if method == 'voting':
        groups = group_views(corners, views, labels, min_overlap)
        leaders, members = _lead(groups, values)
        votes = np.bincount(members, minlength=len(leaders))
        kept = votes >= np.minimum(min_votes, shown[leaders])
        return _sorted(corners[leaders], values[leaders], labels, leaders, members, kept)
    overlap = _overlaps(corners, labels, views)
    if method == 'soft_nms':
        lowered = _soften(overlap, values, sigma)
        everyone = np.arange(len(values))
        return _sorted(corners, lowered, labels, everyone, everyone, lowered >= min_score)
    leaders, members = _suppress(overlap >= min_overlap, values)
    kept = np.ones(len(leaders), bool)
    if method == 'nms':
        return _sorted(corners[leaders], values[leaders], labels, leaders, members, kept)
    fused = _fuse_corners(corners, values, leaders, members)
    mean = np.bincount(members, values, len(leaders)) / np.bincount(members, minlength=len(leaders))
    pairs = np.unique(np.stack([members, views]), axis=1)[0]
    seen = np.minimum(np.bincount(pairs, minlength=len(leaders)), shown[leaders])
    return _sorted(fused, mean * seen / shown[leaders], labels, leaders, members, kept)


def _check(method: str, min_overlap: float, min_votes: int, sigma: float) -> None:
    if method not in MERGE_METHODS:
        raise ValueError(f'method must be one of {", ".join(MERGE_METHODS)}, got {method!r}')
    if not 0 < min_overlap <= 1:
        raise ValueError(f'min_overlap must be above 0 and at most 1, got {min_overlap}')
    if min_votes < 1:
        raise ValueError(f'min_votes must be at least 1, got {min_votes}')
    if not sigma > 0:
        raise ValueError(f'sigma must be above 0, got {sigma}')


def _overlaps(
    places: npt.NDArray[np.float64],
    labels: npt.NDArray[np.integer],
    views: npt.NDArray[np.integer],
) -> npt.NDArray[np.float64]:
    """How much boxes of one class overlap, shape (N, N); 0 for those of different classes."""
    overlap = np.zeros((len(places), len(places)))
    for label in np.unique(labels):
        chosen = np.flatnonzero(labels == label)
        corners, view = places[chosen], views[chosen]
        overlap[np.ix_(chosen, chosen)] = np.where(
            view[:, None] == view,
            quadrilateral_ious(corners, corners),
            intersection_over_smaller(corners, corners),
        )
    return overlap


def _lead(
    groups: npt.NDArray[np.int64], scores: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The best box of each group, and the group of each box."""
    order = np.argsort(-scores, kind='stable')
    _, first = np.unique(groups[order], return_index=True)
    return order[first], groups


def _suppress(
    overlaps: npt.NDArray[np.bool_], scores: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Boxes without a better one that overlaps them, and the place of each box's among those."""
    members = np.full(len(scores), -1)
    leaders: list[int] = []
    for index in np.argsort(-scores, kind='stable').tolist():
        if members[index] < 0:
            members[overlaps[index] & (members < 0)] = len(leaders)
            members[index] = len(leaders)
            leaders.append(index)
    return np.array(leaders, np.int64), members


def _soften(
    overlap: npt.NDArray[np.float64], scores: npt.NDArray[np.float64], sigma: float
) -> npt.NDArray[np.float64]:
    """Scores lowered by all better boxes, best first."""
    factors = np.exp(-(overlap**2) / sigma)
    lowered, left = scores.copy(), np.ones(len(scores), bool)
    for _ in range(len(scores)):
        best = int(np.argmax(np.where(left, lowered, -1)))
        left[best] = False
        lowered[left] *= factors[best, left]
    return lowered


def _fuse_corners(
    places: npt.NDArray[np.float64],
    scores: npt.NDArray[np.float64],
    leaders: npt.NDArray[np.int64],
    members: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64]:
    """Score-weighted mean of the corners of members that resemble their leader."""
    own = places[leaders[members]]
    # Another view may list the same corners from another one on, or the other way round.
    listed = places[:, _ORDERS]
    nearest = ((listed - own[:, None]) ** 2).sum(axis=(2, 3)).argmin(axis=1)
    aligned = listed[np.arange(len(places)), nearest]
    side, own_side = aligned[:, 1] - aligned[:, 0], own[:, 1] - own[:, 0]
    turn = np.degrees(
        np.arctan2(side[:, 1], side[:, 0]) - np.arctan2(own_side[:, 1], own_side[:, 0])
    )
    alike = np.abs((turn + 180) % 360 - 180) < _SAME_TURN
    for leader in range(len(leaders)):
        chosen = np.flatnonzero((members == leader) & alike)
        corners = places[chosen]
        alike[chosen] = quadrilateral_ious(places[leaders[[leader]]], corners)[0] >= 0.5
    alike[leaders] = True
    # Boxes of score 0 alone weigh the same instead of nothing.
    weights = np.where(alike, np.maximum(scores, np.finfo(np.float64).tiny), 0)
    total = np.zeros((len(leaders), 4, 2))
    np.add.at(total, members, aligned * weights[:, None, None])
    return total / np.bincount(members, weights, len(leaders))[:, None, None]


def _sorted(
    places: npt.NDArray[np.float64],
    scores: npt.NDArray[np.float64],
    labels: npt.NDArray[np.integer],
    leaders: npt.NDArray[np.int64],
    members: npt.NDArray[np.int64],
    kept: npt.NDArray[np.bool_],
) -> MergedBoxes:
    """The kept ones, best first."""
    order = np.lexsort((leaders, -scores))
    order = order[kept[order]]
    place = np.full(len(leaders) + 1, -1)
    place[order] = np.arange(len(order))
    return MergedBoxes(
        places=places[order],
        scores=scores[order],
        labels=np.asarray(labels)[leaders[order]].astype(np.int64),
        leaders=leaders[order],
        members=place[members],
    )
