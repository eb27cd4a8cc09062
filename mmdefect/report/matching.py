"""Which detections found which boxes, and what every score threshold would mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from mmdefect.report.evaluation import EvaluatedImage
from mmdefect.structures import EVALUATION_MIN_SCORE

__all__ = ['IGNORED', 'UNMATCHED', 'ThresholdTable', 'match_image', 'threshold_table']

UNMATCHED = -1
IGNORED = -2
_IOU = 0.5
# Scores are compared as printed, so that page and table agree on a score on the threshold.
SCORE_DECIMALS = 4


def match_image(image: EvaluatedImage) -> npt.NDArray[np.int64]:
    """Match detections to ground truth of the same class at IoU 0.5 or more.

    Greedy by descending score, each box taken once, as COCO does it; so the match also holds for
    every score threshold. A detection that has only an ignored box counts neither way.

    Args:
        image (EvaluatedImage): Boxes of one image.

    Returns:
        np.ndarray: ``(detections,)`` int64: index of the box found, ``UNMATCHED`` for a false
        alarm, ``IGNORED``.

    Source:
        Lin et al., "Microsoft COCO: Common Objects in Context", 2014 (evaluation protocol).

    Example:
        >>> image = EvaluatedImage(path='a.png', width=9, height=9,
        ...     ground_truth=[(0, 0, 4, 4, 0, 0)],
        ...     detections=[(0, 0, 4, 4, 0, 0.4), (0, 0, 4, 5, 0, 0.9)])
        >>> match_image(image).tolist()
        [-1, 0]
    """
    truth = np.asarray(image.ground_truth, dtype=np.float64).reshape(-1, 6)
    found = np.asarray(image.detections, dtype=np.float64).reshape(-1, 6)
    matches = np.full(len(found), UNMATCHED, dtype=np.int64)
    overlap = _overlap(found, truth)
    ignored = truth[:, 5] != 0
    free = ~ignored
    candidates = np.flatnonzero((overlap >= _IOU).any(axis=1))
    for index in candidates[np.argsort(-found[candidates, 5], kind='stable')]:
        row = np.where(free, overlap[index], 0)
        best = int(row.argmax())
        if row[best] >= _IOU:
            matches[index] = best
            free[best] = False
        elif (overlap[index][ignored] >= _IOU).any():
            matches[index] = IGNORED
    return matches


def _overlap(
    found: npt.NDArray[np.float64], truth: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """IoU of equal classes; for ignored boxes the share of the detection that lies inside."""
    low = np.maximum(found[:, None, :2], truth[None, :, :2])
    high = np.minimum(found[:, None, 2:4], truth[None, :, 2:4])
    common = np.clip(high - low, 0, None).prod(axis=2)
    area_found = (found[:, 2:4] - found[:, :2]).prod(axis=1)[:, None]
    area_truth = (truth[:, 2:4] - truth[:, :2]).prod(axis=1)[None]
    whole = np.where(truth[None, :, 5] != 0, area_found, area_found + area_truth - common)
    share = np.divide(common, whole, out=np.zeros_like(common), where=whole > 0)
    return share * (found[:, None, 4] == truth[None, :, 4])


@dataclass
class ThresholdTable:
    """Counts for the score thresholds 0.00, 0.01 ... 1.00; a score >= threshold counts.

    Args:
        truth (np.ndarray): Boxes that count, int64, shape (classes,).
        found (np.ndarray): Boxes found, int64, shape (classes, 101).
        false (np.ndarray): Detections without a box, int64, shape (classes, 101).
        images_defect (int): Images with a box.
        images_good (int): Images without one.
        flagged_defect (np.ndarray): Images with a box and any detection, int64, shape (101,).
        flagged_good (np.ndarray): Images without a box but with a detection, int64, shape
            (101,).
        lowest (float): Lowest threshold whose counts are whole, 0.01 to 1; the detections that
            the columns below it would count were not all kept.
        start (float): Threshold, from ``lowest`` on, of the highest F1 on these images; 0.5 or
            ``lowest``, whichever is higher, when nothing is found.

    Example:
        >>> table = threshold_table([], [], 2, min_score=0.05)
        >>> table.found.shape, table.lowest, table.start
        ((2, 101), 0.05, 0.5)
    """

    truth: npt.NDArray[np.int64]
    found: npt.NDArray[np.int64]
    false: npt.NDArray[np.int64]
    images_defect: int
    images_good: int
    flagged_defect: npt.NDArray[np.int64]
    flagged_good: npt.NDArray[np.int64]
    lowest: float
    start: float

    def youden_interval(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None:
        """95 % interval of image recall + specificity - 1, for every threshold.

        Returns:
            tuple[np.ndarray, np.ndarray] | None: ``(101,)`` lower and upper ends; None when
            there are no images with boxes or none without.

        Source:
            Newcombe, "Interval estimation for the difference between independent proportions",
            1998, method 10.

        Example:
            >>> table = threshold_table([], [], 1)
            >>> table.youden_interval() is None
            True
        """
        if not self.images_defect or not self.images_good:
            return None
        recall, low1, high1 = _wilson(self.flagged_defect, self.images_defect)
        alarm, low2, high2 = _wilson(self.flagged_good, self.images_good)
        centre = recall - alarm
        lower = centre - np.sqrt((recall - low1) ** 2 + (high2 - alarm) ** 2)
        upper = centre + np.sqrt((high1 - recall) ** 2 + (alarm - low2) ** 2)
        return lower, upper


def _wilson(
    hits: npt.NDArray[np.int64], total: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Share and the ends of its 95 % score interval."""
    z = float(norm.ppf(0.975))
    share = hits / total
    centre = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * np.sqrt(share * (1 - share) / total + z * z / (4 * total**2))
    return share, centre - half, centre + half


def threshold_table(
    images: Sequence[EvaluatedImage],
    matches: Sequence[npt.NDArray[np.int64]],
    classes: int,
    min_score: float = EVALUATION_MIN_SCORE,
) -> ThresholdTable:
    """Count what each score threshold finds, misses and flags wrongly.

    Args:
        images (Sequence[EvaluatedImage]): All images.
        matches (Sequence[np.ndarray]): What :func:`match_image` gave for each.
        classes (int): Number of classes.
        min_score (float): Score below which detections were left out of the images, 0 to 1.
            Default ``EVALUATION_MIN_SCORE``.

    Returns:
        ThresholdTable: Counts per class and per image.

    Example:
        >>> image = EvaluatedImage(path='a.png', width=9, height=9,
        ...     ground_truth=[(0, 0, 4, 4, 0, 0)], detections=[(0, 0, 4, 4, 0, 0.5)])
        >>> table = threshold_table([image], [match_image(image)], 1)
        >>> table.found[0, [50, 51]].tolist()
        [1, 0]
    """
    grid = np.arange(101) / 100
    truth = np.zeros(classes, dtype=np.int64)
    # Detections fall into the bin of the highest threshold they reach.
    found_bins = np.zeros((classes, 102), dtype=np.int64)
    false_bins = np.zeros((classes, 102), dtype=np.int64)
    image_bins = np.zeros((2, 102), dtype=np.int64)
    totals = [0, 0]
    for image, match in zip(images, matches, strict=True):
        boxes = np.asarray(image.ground_truth, dtype=np.float64).reshape(-1, 6)
        rows = np.asarray(image.detections, dtype=np.float64).reshape(-1, 6)
        labels = rows[:, 4].astype(np.int64)
        bins = np.searchsorted(grid, rows[:, 5].round(SCORE_DECIMALS), side='right')
        truth += np.bincount(boxes[boxes[:, 5] == 0, 4].astype(np.int64), minlength=classes)
        np.add.at(found_bins, (labels[match >= 0], bins[match >= 0]), 1)
        np.add.at(false_bins, (labels[match == UNMATCHED], bins[match == UNMATCHED]), 1)
        kind = 0 if len(boxes) else 1
        totals[kind] += 1
        image_bins[kind, bins.max(initial=0)] += 1
    found, false, flagged = (
        bins[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]
        for bins in (found_bins, false_bins, image_bins)
    )
    # Threshold 0 would let every detection through: no place to look from.
    lowest = max(1, int(np.searchsorted(grid, min_score)))
    return ThresholdTable(
        truth=truth,
        found=found,
        false=false,
        images_defect=totals[0],
        images_good=totals[1],
        flagged_defect=flagged[0],
        flagged_good=flagged[1],
        lowest=float(grid[lowest]),
        start=_best_f1(found.sum(axis=0), false.sum(axis=0), int(truth.sum()), lowest),
    )


def _best_f1(
    found: npt.NDArray[np.int64], false: npt.NDArray[np.int64], truth: int, lowest: int
) -> float:
    # Index 100 would let hardly any detection through: no place to start.
    values = (2 * found / np.maximum(1, found + false + truth))[lowest:100]
    if values.max(initial=0) <= 0:
        return max(50, lowest) / 100
    ties = np.flatnonzero(values >= values.max() - 1e-12) + lowest
    return float(ties[len(ties) // 2]) / 100
