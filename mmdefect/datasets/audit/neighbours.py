"""Pairs of boxes that lie near each other, found by sorting instead of comparing all with all."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

__all__ = ['box_iou', 'pairs_in_windows', 'same_place_pairs']

# Pairs handled at once; about 100 bytes each.
_CHUNK = 500_000
# Following boxes that a box is compared with: bounds the time in an image of very many boxes.
_MOST = 1000


def pairs_in_windows(
    groups: npt.NDArray[np.int64],
    starts: npt.NDArray[np.float64],
    ends: npt.NDArray[np.float64],
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Pairs of one group whose second member starts inside the window of the first.

    The starts are sorted; the partners of a box are then the rows behind it up to the end of its
    window, found by binary search. Of those at most 1,000 are taken, so time and memory grow
    with the number of boxes, not with its square.

    Args:
        groups (np.ndarray): Group of each box, int64 from 0, shape (N,); only members of one
            group are paired.
        starts (np.ndarray): Where each window starts, float64, shape (N,).
        ends (np.ndarray): Where it ends, float64, shape (N,), not below ``starts``.

    Yields:
        tuple[np.ndarray, np.ndarray]: Rows of the first and of the second members, int64, shape
        (P,) each, P about 500,000 at most.

    Example:
        >>> groups = np.zeros(3, np.int64)
        >>> starts = np.array([0., 5., 20.])
        >>> [(a.tolist(), b.tolist()) for a, b in pairs_in_windows(groups, starts, starts + 6)]
        [([0], [1])]
    """
    if not len(starts):
        return
    low = float(starts.min())
    span = float(ends.max()) - low + 1.0
    keys = groups * span + (starts - low)
    order = np.argsort(keys, kind='stable')
    keys = keys[order]
    last = np.searchsorted(keys, groups[order] * span + (ends[order] - low), side='right')
    first = np.arange(1, len(keys) + 1)
    counts = np.minimum(np.maximum(last - first, 0), _MOST)
    total = np.cumsum(counts)
    begin = 0
    while begin < len(counts):
        before = total[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(total, before + _CHUNK, side='right')))
        chunk = counts[begin:end]
        left = np.repeat(np.arange(begin, end), chunk)
        within = np.arange(len(left)) - np.repeat(np.cumsum(chunk) - chunk, chunk)
        right = left + 1 + within
        if len(left):
            yield order[left], order[right]
        begin = end


def same_place_pairs(
    boxes: npt.NDArray[np.float32], groups: npt.NDArray[np.int64], least_iou: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Pairs of boxes of one group that cover nearly the same place.

    An IoU of t or more leaves the left edges apart by at most (1 - t) / t of the width of either
    box, since they part on the union, and that is at most 1 / t times as wide as each. So only
    that window behind each left edge is searched.

    Args:
        boxes (np.ndarray): ``xyxy``, float32, shape (N, 4), with positive areas.
        groups (np.ndarray): Group of each box, such as its image, int64 from 0, shape (N,).
        least_iou (float): Lowest IoU of a pair, above 0.

    Returns:
        tuple[np.ndarray, np.ndarray, np.ndarray]: Rows of the first and the second members,
        int64, the first below the second, and their IoU, float64; shape (P,) each.

    Raises:
        ValueError: ``least_iou`` is not above 0 and at most 1.

    Example:
        >>> boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9.5], [40, 0, 50, 10]], np.float32)
        >>> first, second, iou = same_place_pairs(boxes, np.zeros(3, np.int64), 0.9)
        >>> first.tolist(), second.tolist(), iou.round(2).tolist()
        ([0], [1], [0.95])
    """
    if not 0 < least_iou <= 1:
        raise ValueError(f'least_iou must be above 0 and at most 1, got {least_iou}')
    corners = boxes.astype(np.float64)
    width = corners[:, 2] - corners[:, 0]
    slack = width * (1 - least_iou) / least_iou
    found = []
    for first, second in pairs_in_windows(groups, corners[:, 0], corners[:, 0] + slack):
        iou = box_iou(corners[first], corners[second])
        keep = iou >= least_iou
        rows = np.sort(np.stack([first[keep], second[keep]]), axis=0)
        found.append((rows, iou[keep]))
    if not found:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    rows = np.concatenate([pair for pair, _ in found], axis=1)
    return rows[0], rows[1], np.concatenate([iou for _, iou in found])


def box_iou(
    first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """IoU of boxes row by row.

    Args:
        first (np.ndarray): ``xyxy``, shape (P, 4).
        second (np.ndarray): ``xyxy``, shape (P, 4).

    Returns:
        np.ndarray: IoU, 0 to 1, shape (P,); 0 where both are without area.

    Example:
        >>> box_iou(np.array([[0., 0., 2., 2.]]), np.array([[1., 0., 3., 2.]])).round(3).tolist()
        [0.333]
    """
    low = np.maximum(first[:, :2], second[:, :2])
    high = np.minimum(first[:, 2:], second[:, 2:])
    common = np.clip(high - low, 0, None).prod(axis=1)
    area = (first[:, 2:] - first[:, :2]).prod(axis=1) + (second[:, 2:] - second[:, :2]).prod(axis=1)
    union = area - common
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)
