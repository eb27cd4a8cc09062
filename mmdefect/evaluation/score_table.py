"""What every score threshold finds, misses and flags wrongly."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from mmdefect.decision.intervals import youden_interval
from mmdefect.decision.reaches import reaches as score_reaches
from mmdefect.evaluation.flat_boxes import FlatBoxes
from mmdefect.evaluation.matching import UNMATCHED
from mmdefect.structures import EVALUATION_MIN_SCORE

__all__ = ['SCORE_DECIMALS', 'ScoreTable', 'count_scores', 'reaches']

# Scores are compared as printed, so that page and table agree on a score on the threshold.
SCORE_DECIMALS = 4
_GRID = np.arange(101) / 100


def reaches(scores: npt.ArrayLike, threshold: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Which scores count at a threshold: those >= it, compared to four decimals.

    Args:
        scores (np.ndarray): Scores, 0 to 1, any shape.
        threshold (float | np.ndarray): Threshold, 0 to 1, or one for each score.

    Returns:
        np.ndarray: True where the score counts, same shape.

    Example:
        >>> reaches(np.float32([0.29, 0.28996, 0.2899]), 0.29).tolist()
        [True, True, False]
    """
    return score_reaches(np.asarray(scores, np.float64).round(SCORE_DECIMALS), threshold)


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """Counts for the score thresholds 0.00, 0.01 ... 1.00; a score >= threshold counts.

    Ignored boxes, and detections that have only such a box, count nowhere. An image whose boxes
    are all ignored is neither one with defects nor a good one.

    Args:
        truth (np.ndarray): Boxes that count, int64, shape (C,).
        found (np.ndarray): Boxes found, int64, shape (C, 101).
        false (np.ndarray): Detections without a box, int64, shape (C, 101).
        images_defect (int): Images with a box that counts.
        images_good (int): Images without any box.
        flagged_defect (np.ndarray): Images with a box and any detection, int64, shape (101,).
        flagged_good (np.ndarray): Good images with a detection, int64, shape (101,).
        false_on_good (np.ndarray): Detections on good images, int64, shape (101,).
        lowest (float): Lowest threshold whose counts can be retraced from the boxes kept, 0.01
            to 1.

    Example:
        >>> from mmdefect.evaluation.flat_boxes import flatten_images
        >>> table = count_scores(flatten_images([]), np.zeros(0, int), 2, min_score=0.05)
        >>> table.found.shape, table.lowest, table.best_threshold()
        ((2, 101), 0.05, 0.5)
    """

    truth: npt.NDArray[np.int64]
    found: npt.NDArray[np.int64]
    false: npt.NDArray[np.int64]
    images_defect: int
    images_good: int
    flagged_defect: npt.NDArray[np.int64]
    flagged_good: npt.NDArray[np.int64]
    false_on_good: npt.NDArray[np.int64]
    lowest: float

    def precision(self) -> npt.NDArray[np.float64]:
        """Share of the detections that found a box.

        Returns:
            np.ndarray: Per class, then over all classes, at every threshold; NaN without any
            detection. Shape (C + 1, 101).
        """
        found, false, _ = self._with_total()
        return _share(found, found + false)

    def recall(self) -> npt.NDArray[np.float64]:
        """Share of the boxes that are found.

        Returns:
            np.ndarray: Per class, then over all classes, at every threshold; NaN without any
            box. Shape (C + 1, 101).
        """
        found, _, truth = self._with_total()
        return _share(found, truth)

    def f1(self) -> npt.NDArray[np.float64]:
        """Harmonic mean of precision and recall: 2 found / (detections + boxes).

        Returns:
            np.ndarray: Per class, then over all classes, at every threshold; NaN without any
            box. Shape (C + 1, 101).
        """
        found, false, truth = self._with_total()
        return np.where(truth > 0, _share(2 * found, found + false + truth), np.nan)

    def image_recall(self) -> npt.NDArray[np.float64]:
        """Share of the images with defects that are flagged.

        Returns:
            np.ndarray: At every threshold; NaN without any such image. Shape (101,).
        """
        return _share(self.flagged_defect, np.array(self.images_defect))

    def specificity(self) -> npt.NDArray[np.float64]:
        """Share of the good images that are not flagged.

        Returns:
            np.ndarray: At every threshold; NaN without any good image. Shape (101,).
        """
        return 1 - _share(self.flagged_good, np.array(self.images_good))

    def prevalence(self) -> float:
        """Share of the images that have defects.

        Returns:
            float: 0 to 1; NaN without any image that counts.
        """
        total = self.images_defect + self.images_good
        return self.images_defect / total if total else float('nan')

    def false_alarms_per_good_image(self) -> npt.NDArray[np.float64]:
        """Detections on good images over their number.

        Returns:
            np.ndarray: At every threshold; NaN without any good image. Shape (101,).
        """
        return _share(self.false_on_good, np.array(self.images_good))

    def best_threshold(self) -> float:
        """Threshold of the highest F1 over all classes on these images.

        It is a place to start looking, not a calibrated threshold.

        Returns:
            float: From ``lowest`` on, below 1, the middle one of equals; 0.5 or ``lowest``,
            whichever is higher, when nothing is found.
        """
        lowest = round(100 * self.lowest)
        # Index 100 would let hardly any detection through: no place to start.
        values = np.nan_to_num(self.f1()[-1, lowest:100])
        if values.max(initial=0) <= 0:
            return max(50, lowest) / 100
        ties = np.flatnonzero(values >= values.max() - 1e-12) + lowest
        return float(_GRID[ties[len(ties) // 2]])

    def youden_interval(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None:
        """95 % interval of image recall + specificity - 1, for every threshold.

        Returns:
            tuple[np.ndarray, np.ndarray] | None: ``(101,)`` lower and upper ends; None when
            there are no images with boxes or none without.

        Source:
            Newcombe, "Interval estimation for the difference between independent proportions",
            1998, method 10.
        """
        if not self.images_defect or not self.images_good:
            return None
        return youden_interval(
            self.flagged_defect, self.images_defect, self.flagged_good, self.images_good
        )

    def to_dict(self) -> dict[str, Any]:
        """The table as ``evaluation.json`` holds it.

        Returns:
            dict[str, Any]: Every argument under its name, arrays as lists.
        """
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in values.items()
        }

    def _with_total(self) -> tuple[npt.NDArray[np.int64], ...]:
        found, false, truth = self.found, self.false, self.truth[:, None]
        return tuple(
            np.concatenate([x, x.sum(axis=0, keepdims=True)]) for x in (found, false, truth)
        )


def _share(part: npt.NDArray[np.int64], whole: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    whole = np.broadcast_to(whole, part.shape)
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def count_scores(
    boxes: FlatBoxes,
    matches: npt.NDArray[np.int64],
    classes: int,
    min_score: float = EVALUATION_MIN_SCORE,
) -> ScoreTable:
    """Count what each score threshold finds, misses and flags wrongly.

    Args:
        boxes (FlatBoxes): All boxes.
        matches (np.ndarray): What ``match_detections`` gave for them, int64, shape (M,).
        classes (int): Number of classes C.
        min_score (float): Score below which the boxes of single images are not kept, 0 to 1.
            Default ``EVALUATION_MIN_SCORE``.

    Returns:
        ScoreTable: Counts per class and per image.

    Example:
        >>> from mmdefect.evaluation import ImageResult
        >>> from mmdefect.evaluation.flat_boxes import flatten_images
        >>> box, label = np.array([[0., 0., 4., 4.]]), np.array([0])
        >>> image = ImageResult('a.png', 9, 9, box, label, np.array([False]), box, label,
        ...                     np.array([.5]))
        >>> table = count_scores(flatten_images([image]), np.array([0]), 1)
        >>> table.found[0, [50, 51]].tolist()
        [1, 0]
    """
    # Detections fall into the bin of the highest threshold they reach, plus 1.
    bins = np.searchsorted(_GRID, boxes.scores.round(SCORE_DECIMALS), side='right')
    truth_image, counted = boxes.truth_image(), ~boxes.truth_ignored
    has_truth = np.bincount(truth_image, minlength=boxes.images) > 0
    has_defect = np.bincount(truth_image[counted], minlength=boxes.images) > 0
    counts = matches >= UNMATCHED
    best = np.zeros(boxes.images, np.int64)
    np.maximum.at(best, boxes.image[counts], bins[counts])
    on_good = ~has_truth[boxes.image]
    # Threshold 0 would let every detection through: no place to look from.
    lowest = max(1, int(np.searchsorted(_GRID, min_score)))
    return ScoreTable(
        truth=np.bincount(boxes.truth_labels[counted], minlength=classes),
        found=_at_thresholds(bins[matches >= 0], boxes.labels[matches >= 0], classes),
        false=_at_thresholds(
            bins[matches == UNMATCHED], boxes.labels[matches == UNMATCHED], classes
        ),
        images_defect=int(has_defect.sum()),
        images_good=int((~has_truth).sum()),
        flagged_defect=_at_thresholds(best[has_defect])[0],
        flagged_good=_at_thresholds(best[~has_truth])[0],
        false_on_good=_at_thresholds(bins[on_good])[0],
        lowest=float(_GRID[lowest]),
    )


def _at_thresholds(
    bins: npt.NDArray[np.int64], rows: npt.NDArray[np.int64] | int = 0, count: int = 1
) -> npt.NDArray[np.int64]:
    """How many reach each threshold, per row, shape (rows, 101)."""
    exactly = np.bincount(bins + 102 * rows, minlength=102 * count).reshape(count, 102)
    return exactly[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]
