"""Which detections overlap which boxes, and which found them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mmdefect.evaluation.flat_boxes import FlatBoxes, flatten_images
from mmdefect.evaluation.image_result import ImageResult

__all__ = [
    'FOUND_IOU',
    'IGNORED',
    'UNMATCHED',
    'Overlaps',
    'collect_overlaps',
    'find_overlaps',
    'match_detections',
    'match_greedily',
    'match_image',
]

UNMATCHED = -1
IGNORED = -2
# From this IoU on a box counts as found.
FOUND_IOU = 0.5
_PAIRS_AT_ONCE = 500_000
# Detection, box and IoU of overlapping pairs.
_Pairs: TypeAlias = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Overlaps:
    """How M detections lie over the ground truth of their images.

    Args:
        pair_found (np.ndarray): Detection of each of P overlapping pairs, rising, int64, shape
            (P,). Ignored boxes are in no pair.
        pair_truth (np.ndarray): Ground-truth box of each pair, int64, shape (P,).
        pair_iou (np.ndarray): IoU of each pair, falling within a detection, shape (P,).
        own_truth (np.ndarray): Box of the same class with the highest IoU, -1 where none
            overlaps, int64, shape (M,).
        own_iou (np.ndarray): That IoU, shape (M,).
        other_truth (np.ndarray): The same among boxes of other classes, int64, shape (M,).
        other_iou (np.ndarray): That IoU, shape (M,).
        ignored_share (np.ndarray): Largest share of the detection inside an ignored box of its
            class, 0 to 1, shape (M,).

    Example:
        >>> find_overlaps(flatten_images([])).pair_iou.shape
        (0,)
    """

    pair_found: npt.NDArray[np.int64]
    pair_truth: npt.NDArray[np.int64]
    pair_iou: npt.NDArray[np.float64]
    own_truth: npt.NDArray[np.int64]
    own_iou: npt.NDArray[np.float64]
    other_truth: npt.NDArray[np.int64]
    other_iou: npt.NDArray[np.float64]
    ignored_share: npt.NDArray[np.float64]


def find_overlaps(boxes: FlatBoxes, lowest: float = FOUND_IOU) -> Overlaps:
    """Compute the IoU of every detection with the boxes of its image.

    Memory: half a million pairs are held at a time (more only where one image has more boxes),
    and of these only the pairs from ``lowest`` on are kept.

    Args:
        boxes (FlatBoxes): All boxes.
        lowest (float): Lowest IoU of the pairs kept, 0 to 1; best overlaps are found whatever it
            is. Default ``FOUND_IOU``.

    Returns:
        Overlaps: Arrays over pairs and detections.

    Example:
        >>> box, label = np.array([[0., 0., 10., 10.]]), np.array([0])
        >>> image = ImageResult('a.png', 20, 20, box, label, np.array([False]), box / 2, label,
        ...                     np.array([.9]))
        >>> find_overlaps(flatten_images([image])).own_iou.tolist()
        [0.25]
    """
    truths = np.diff(boxes.truth_start)[boxes.image]
    return collect_overlaps(boxes, _portions(boxes, truths.cumsum()), lowest)


def collect_overlaps(
    boxes: FlatBoxes,
    portions: Iterable[_Pairs],
    lowest: float = FOUND_IOU,
) -> Overlaps:
    """Sort pairs of detections and boxes into the form that the matching takes.

    Args:
        boxes (FlatBoxes): All boxes.
        portions (Iterable[tuple]): Overlapping pairs: detection, rising, also from portion to
            portion, and never in two of them; box; and their IoU, or with an ignored box the
            share of the detection inside it. Shape (P,) each.
        lowest (float): Lowest IoU of the pairs kept, 0 to 1. Default ``FOUND_IOU``.

    Returns:
        Overlaps: Arrays over pairs and detections.

    Example:
        >>> collect_overlaps(flatten_images([]), []).own_iou.shape
        (0,)
    """
    count = len(boxes.scores)
    own_truth, other_truth = np.full((2, count), -1, np.int64)
    own_iou, other_iou, ignored_share = np.zeros((3, count))
    kept = []
    for found, truth, share in portions:
        ignored = boxes.truth_ignored[truth]
        same = boxes.labels[found] == boxes.truth_labels[truth]
        _keep_best(found, truth, share, same & ~ignored, own_iou, own_truth)
        _keep_best(found, truth, share, ~same & ~ignored, other_iou, other_truth)
        _keep_best(found, truth, share, same & ignored, ignored_share, None)
        wanted = (share >= lowest) & ~ignored
        kept.append((found[wanted], truth[wanted], share[wanted]))
    nothing = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    found, truth, share = (np.concatenate(parts) for parts in zip(nothing, *kept, strict=True))
    # Of equal IoUs COCO takes the later box.
    order = np.lexsort((-truth, -share, found))
    return Overlaps(
        pair_found=found[order],
        pair_truth=truth[order],
        pair_iou=share[order],
        own_truth=own_truth,
        own_iou=own_iou,
        other_truth=other_truth,
        other_iou=other_iou,
        ignored_share=ignored_share,
    )


def _portions(boxes: FlatBoxes, ends: npt.NDArray[np.int64]) -> Iterator[_Pairs]:
    """Overlapping pairs, half a million pairs looked at at a time."""
    count, start = len(boxes.scores), 0
    while start < count:
        done = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + _PAIRS_AT_ONCE, side='right')))
        yield _overlapping(boxes, start, stop)
        start = stop


def _overlapping(boxes: FlatBoxes, start: int, stop: int) -> _Pairs:
    """Pairs with common area and their IoU; with ignored boxes the share of the detection."""
    first = boxes.truth_start[boxes.image[start:stop]]
    counts = boxes.truth_start[boxes.image[start:stop] + 1] - first
    found = np.repeat(np.arange(start, stop), counts)
    truth = np.arange(len(found)) + np.repeat(first - (counts.cumsum() - counts), counts)
    common = np.ones(len(found))
    for axis in (0, 1):
        low = np.maximum(boxes.boxes[:, axis][found], boxes.truth[:, axis][truth])
        high = np.minimum(boxes.boxes[:, axis + 2][found], boxes.truth[:, axis + 2][truth])
        near = high > low
        common = common[near] * (high - low)[near]
        found, truth = found[near], truth[near]
    area_found = _areas(boxes.boxes[start:stop])[found - start]
    together = area_found + _areas(boxes.truth)[truth] - common
    return found, truth, common / np.where(boxes.truth_ignored[truth], area_found, together)


def _areas(boxes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _keep_best(
    found: npt.NDArray[np.int64],
    truth: npt.NDArray[np.int64],
    share: npt.NDArray[np.float64],
    wanted: npt.NDArray[np.bool_],
    best: npt.NDArray[np.float64],
    best_truth: npt.NDArray[np.int64] | None,
) -> None:
    """Write the largest share of each detection, and the box it belongs to, the later of equals."""
    found, truth, share = found[wanted], truth[wanted], share[wanted]
    if not len(found):
        return
    starts = np.flatnonzero(np.diff(found, prepend=-1))
    best[found[starts]] = np.maximum.reduceat(share, starts)
    if best_truth is not None:
        top = share == best[found]
        best_truth[found[top]] = truth[top]


def match_detections(
    boxes: FlatBoxes, overlaps: Overlaps, threshold: float = FOUND_IOU
) -> npt.NDArray[np.int64]:
    """Match detections to ground truth of the same class.

    Greedy by descending score, each box taken once, as COCO does it; so the match also holds for
    every score threshold. A detection that has only an ignored box counts neither way.

    Args:
        boxes (FlatBoxes): N ground-truth boxes and M detections.
        overlaps (Overlaps): Their overlaps, kept from ``threshold`` or lower on.
        threshold (float): Lowest IoU of a match, above 0, at most 1. Default ``FOUND_IOU``.

    Returns:
        np.ndarray: int64, shape (M,): index of the box found, ``UNMATCHED`` for a false alarm,
        ``IGNORED``.

    Source:
        Lin et al., "Microsoft COCO: Common Objects in Context", 2014 (evaluation protocol).

    Example:
        >>> box, label = np.array([[0., 0., 10., 10.]]), np.array([0])
        >>> image = ImageResult('a.png', 20, 20, box, label, np.array([False]), box, label,
        ...                     np.array([.9]))
        >>> flat = flatten_images([image])
        >>> match_detections(flat, find_overlaps(flat)).tolist()
        [0]
    """
    usable = overlaps.pair_iou >= threshold
    usable &= boxes.labels[overlaps.pair_found] == boxes.truth_labels[overlaps.pair_truth]
    pairs = overlaps.pair_found[usable], overlaps.pair_truth[usable]
    matches = match_greedily(*pairs, len(boxes.scores), len(boxes.truth))
    matches[(matches < 0) & (overlaps.ignored_share >= threshold)] = IGNORED
    return matches


def match_greedily(
    found: npt.NDArray[np.int64], truth: npt.NDArray[np.int64], detections: int, truths: int
) -> npt.NDArray[np.int64]:
    """Give each detection in turn the box it likes best of those still free.

    All turns are taken at once: every detection asks for its best box, a box keeps the first of
    those that ask, the others ask for their next one, until nobody asks. As all boxes prefer the
    lower index, the only stable outcome is that of the turns.

    Args:
        found (np.ndarray): Detection of each pair, rising; a detection's pairs from best to
            worst. int64, shape (P,).
        truth (np.ndarray): Box of each pair, int64, shape (P,).
        detections (int): Number of detections M; a lower index chooses earlier.
        truths (int): Number of boxes.

    Returns:
        np.ndarray: Box of each detection or ``UNMATCHED``, int64, shape (M,).

    Source:
        Gale and Shapley, "College admissions and the stability of marriage", 1962.

    Example:
        >>> match_greedily(np.array([0, 1, 1]), np.array([0, 0, 1]), 3, 2).tolist()
        [0, 1, -1]
    """
    counts = np.bincount(found, minlength=detections)
    ends = counts.cumsum()
    turn = ends - counts
    holder = np.full(truths, detections, np.int64)
    asking = np.flatnonzero(turn < ends)
    while len(asking):
        wanted = truth[turn[asking]]
        before = holder[wanted]
        np.minimum.at(holder, wanted, asking)
        lost = asking[holder[wanted] != asking]
        ousted = before[(before < detections) & (holder[wanted] != before)]
        asking = np.unique(np.concatenate([lost, ousted]))
        turn[asking] += 1
        asking = asking[turn[asking] < ends[asking]]
    matches = np.full(detections, UNMATCHED, np.int64)
    taken = np.flatnonzero(holder < detections)
    matches[holder[taken]] = taken
    return matches


def match_image(image: ImageResult) -> npt.NDArray[np.int64]:
    """Match the detections of one image at IoU 0.5, as :func:`match_detections` does.

    Args:
        image (ImageResult): N ground-truth boxes and M detections.

    Returns:
        np.ndarray: int64, shape (M,): index of the box found, ``UNMATCHED`` for a false alarm,
        ``IGNORED``.

    Raises:
        ValueError: A score is not finite.

    Example:
        >>> boxes, labels = np.array([[0., 0., 4., 4.], [0., 0., 4., 5.]]), np.array([0, 0])
        >>> image = ImageResult('a.png', 9, 9, boxes[:1], labels[:1], np.array([False]), boxes,
        ...                     labels, np.array([0.4, 0.9]))
        >>> match_image(image).tolist()
        [-1, 0]
    """
    flat = flatten_images([image])
    matches = np.empty(len(flat.scores), np.int64)
    matches[flat.position] = match_detections(flat, find_overlaps(flat))
    return matches
