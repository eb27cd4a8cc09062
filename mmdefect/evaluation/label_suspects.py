"""Where a trained model contradicts the labels: ranked lists for somebody to look at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mmdefect.datasets.audit import AuditTable, Finding, FindingList, Marked
from mmdefect.datasets.audit.neighbours import same_place_pairs
from mmdefect.evaluation.flat_boxes import FlatBoxes, flatten_images
from mmdefect.evaluation.image_result import ImageResult
from mmdefect.evaluation.matching import FOUND_IOU, find_overlaps

__all__ = ['confident_scores', 'find_suspects']

# Below this IoU a box and a detection have nothing to do with each other; the texts of KINDS
# state it.
_APART = 0.1
# A detection of which this much lies in labelled boxes has been labelled.
_INSIDE = 0.5
_LEAST_FOUND = 5
_DEFAULT = 0.5


def confident_scores(
    labels: npt.NDArray[np.int64], scores: npt.NDArray[np.float64], classes: int
) -> npt.NDArray[np.float64]:
    """The score from which a detection of each class is confident: the mean of those right.

    Args:
        labels (np.ndarray): Classes of detections that found a box of their class, shape (N,).
        scores (np.ndarray): Their scores, shape (N,).
        classes (int): Number of classes C.

    Returns:
        np.ndarray: float64, shape (C,). A class with fewer than 5 takes the mean of all; without
        any it is 0.5.

    Source:
        The per-class thresholds of Northcutt, Jiang, Chuang, "Confident Learning: Estimating
        Uncertainty in Dataset Labels", 2021, taken over the boxes that were found at all.

    Example:
        >>> confident_scores(np.zeros(5, int), np.array([.9, .8, .9, .8, .6]), 2).round(2).tolist()
        [0.8, 0.8]
    """
    counts = np.bincount(labels, minlength=classes)
    sums = np.bincount(labels, weights=scores, minlength=classes)
    overall = float(scores.mean()) if len(scores) else _DEFAULT
    return np.where(counts >= _LEAST_FOUND, sums / np.maximum(counts, 1), overall)


def find_suspects(
    table: AuditTable,
    images: Sequence[int],
    results: Sequence[ImageResult],
    known: npt.NDArray[np.bool_],
    found: FindingList,
) -> npt.NDArray[np.float64]:
    """Compare labels with detections.

    * **class-confusion**: on a labelled box (IoU 0.5 or more) a confident detection of another
      class, and none of its own that is confident or better scored;
    * **unlabelled-defect**: a confident detection with an IoU below 0.1 with every labelled box
      and at most half of it inside one; of several in one place the best;
    * **unseen-box**: a labelled box with an IoU below 0.1 with every detection.

    Ranked by score, by how far the other class is ahead, by size. Boxes of classes that the
    model does not know are never suspects.

    Args:
        table (AuditTable): The data set.
        images (Sequence[int]): Rows of the images that were predicted.
        results (Sequence[ImageResult]): Their labels and detections, class indices of the table;
            all boxes as if none were ignored.
        known (np.ndarray): Classes of the table that the model knows, bool, shape (C,).
        found (FindingList): Where findings are added.

    Returns:
        np.ndarray: Scores from which the classes counted as confident, float64, shape (C,).

    Source:
        The kinds of label errors (swapped, overlooked) of Tkachenko, Thyagarajan, Mueller,
        "ObjectLab: Automated Diagnosis of Mislabeled Images in Object Detection Data", 2023; the
        ranking is simpler.

    Example:
        >>> find_suspects(AuditTable(['train'], ['rust']), [], [], np.ones(1, bool), FindingList())
        array([0.5])
    """
    flat = flatten_images(results)
    overlaps = find_overlaps(flat, lowest=np.finfo(float).tiny)
    pairs = _Pairs(flat, overlaps.pair_found, overlaps.pair_truth, overlaps.pair_iou)
    classes = len(table.classes)
    own = pairs.best(pairs.same & (pairs.iou >= FOUND_IOU), pairs.truth, len(flat.truth))
    seen = own >= 0
    confident = confident_scores(flat.truth_labels[seen], flat.scores[own[seen]], classes)
    _confusions(table, images, flat, pairs, own, confident, known, found)
    _unlabelled(table, images, flat, pairs, confident, found)
    _unseen(table, images, flat, pairs, known, found)
    return confident


class _Pairs:
    """Overlapping pairs of detections and labelled boxes."""

    def __init__(
        self,
        flat: FlatBoxes,
        found: npt.NDArray[np.int64],
        truth: npt.NDArray[np.int64],
        iou: npt.NDArray[np.float64],
    ) -> None:
        self.found, self.truth, self.iou = found, truth, iou
        self.scores = flat.scores[found]
        self.same = flat.labels[found] == flat.truth_labels[truth]

    def best(
        self, wanted: npt.NDArray[np.bool_], of: npt.NDArray[np.int64], count: int
    ) -> npt.NDArray[np.int64]:
        """Best-scored detection of each ``of`` among the wanted pairs; -1 where there is none."""
        chosen = np.full(count, -1, np.int64)
        rows = np.flatnonzero(wanted)
        rows = rows[np.argsort(self.scores[rows], kind='stable')]
        # Of equal indices the last assignment stays: the highest score.
        chosen[of[rows]] = self.found[rows]
        return chosen


def _confusions(
    table: AuditTable,
    images: Sequence[int],
    flat: FlatBoxes,
    pairs: _Pairs,
    own: npt.NDArray[np.int64],
    confident: npt.NDArray[np.float64],
    known: npt.NDArray[np.bool_],
    found: FindingList,
) -> None:
    sure = pairs.scores >= confident[flat.labels[pairs.found]]
    other = pairs.best(~pairs.same & (pairs.iou >= FOUND_IOU) & sure, pairs.truth, len(flat.truth))
    own_score = np.zeros(len(flat.truth))
    own_score[own >= 0] = flat.scores[own[own >= 0]]
    rows = np.flatnonzero((other >= 0) & known[flat.truth_labels])
    rows = rows[
        (own_score[rows] < confident[flat.truth_labels[rows]])
        & (own_score[rows] < flat.scores[other[rows]])
    ]
    owners = flat.truth_image()

    def make(number: int) -> Finding:
        row = int(rows[number])
        seen = int(other[row])
        names = (table.classes[flat.truth_labels[row]], table.classes[flat.labels[seen]])
        what = (
            f'labelled {names[0]}, the model sees {names[1]} with score {flat.scores[seen]:.2f}'
            + (f' and {names[0]} with {own_score[row]:.2f}' if own[row] >= 0 else '')
        )
        boxes = np.stack([flat.truth[row], flat.boxes[seen]])
        image = int(images[owners[row]])
        score = float(flat.scores[seen])
        return _finding(table, 'class-confusion', image, what, boxes, names, score)

    labels = [flat.truth_labels[rows], flat.labels[other[rows]]]
    ahead = flat.scores[other[rows]] - own_score[rows]
    found.add_ranked('class-confusion', ahead, make, labels, table.classes)


def _unlabelled(
    table: AuditTable,
    images: Sequence[int],
    flat: FlatBoxes,
    pairs: _Pairs,
    confident: npt.NDArray[np.float64],
    found: FindingList,
) -> None:
    area = (flat.boxes[:, 2:] - flat.boxes[:, :2]).prod(axis=1)
    truth_area = (flat.truth[:, 2:] - flat.truth[:, :2]).prod(axis=1)
    common = pairs.iou / (1 + pairs.iou) * (area[pairs.found] + truth_area[pairs.truth])
    inside = common / np.maximum(area[pairs.found], 1e-9)
    free = (flat.scores >= confident[flat.labels]) & (area > 0)
    free[pairs.found[(pairs.iou >= _APART) | (inside > _INSIDE)]] = False
    rows = np.flatnonzero(free)
    boxes = flat.boxes[rows].astype(np.float32)
    first, second, _ = same_place_pairs(boxes, flat.image[rows], FOUND_IOU)
    scores = flat.scores[rows]
    # Sorted by image and falling score: of two in one place the earlier is the better.
    worse = np.where(scores[second] <= scores[first], second, first)
    rows = np.delete(rows, worse)

    def make(number: int) -> Finding:
        row = int(rows[number])
        name, score = table.classes[flat.labels[row]], float(flat.scores[row])
        size = flat.boxes[row, 2:] - flat.boxes[row, :2]
        what = (
            f'the model sees {name} with score {score:.2f} in {size[0]:.0f} x {size[1]:.0f} pixels '
            '(w x h) without a box'
        )
        image = int(images[flat.image[row]])
        return _finding(
            table, 'unlabelled-defect', image, what, flat.boxes[row : row + 1], (name,), score
        )

    ahead = flat.scores[rows] - confident[flat.labels[rows]]
    found.add_ranked('unlabelled-defect', ahead, make, [flat.labels[rows]], table.classes)


def _unseen(
    table: AuditTable,
    images: Sequence[int],
    flat: FlatBoxes,
    pairs: _Pairs,
    known: npt.NDArray[np.bool_],
    found: FindingList,
) -> None:
    near = np.zeros(len(flat.truth))
    np.maximum.at(near, pairs.truth, pairs.iou)
    rows = np.flatnonzero((near < _APART) & known[flat.truth_labels])
    extent = flat.truth[rows, 2:] - flat.truth[rows, :2]
    owners = flat.truth_image()

    def make(number: int) -> Finding:
        row = int(rows[number])
        name = table.classes[flat.truth_labels[row]]
        what = (
            f'{name} of {extent[number, 0]:.0f} x {extent[number, 1]:.0f} pixels (w x h): the '
            f'best IoU of any detection is {near[row]:.2f}'
        )
        boxes = flat.truth[row : row + 1]
        return _finding(table, 'unseen-box', int(images[owners[row]]), what, boxes, (name,))

    area = extent.prod(axis=1)
    found.add_ranked('unseen-box', area, make, [flat.truth_labels[rows]], table.classes)


def _finding(
    table: AuditTable,
    kind: str,
    image: int,
    what: str,
    boxes: npt.NDArray[np.float64],
    classes: tuple[str, ...],
    score: float | None = None,
) -> Finding:
    marked = Marked(image, boxes.astype(np.float32), classes, close=True, score=score)
    names = tuple(dict.fromkeys(classes))
    return Finding(kind, table.where(image), what, table.split_name(image), names, (marked,))
