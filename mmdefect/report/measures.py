"""The measures in an evaluation file, read and checked."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from mmdefect.evaluation.score_table import ScoreTable

__all__ = [
    'ErrorType', 'IoUHistogram', 'OperatingPoint', 'PartResults', 'ScoreCounts', 'SizeRecall',
]  # fmt: skip

Counts = list[Annotated[int, Field(ge=0)]]
ThresholdCounts = Annotated[Counts, Field(min_length=101, max_length=101)]
Share = Annotated[FiniteFloat, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra='ignore', frozen=True)


class ScoreCounts(_Part):
    """Counts for the score thresholds 0.00, 0.01 ... 1.00 over all images.

    Args:
        truth (list[int]): Boxes that count, per class.
        found (list[list[int]]): Boxes found, per class and threshold.
        false (list[list[int]]): Detections without a box, per class and threshold.
        images_defect (int): Images with a box that counts.
        images_good (int): Images without any box.
        flagged_defect (list[int]): Images with a box and any detection, per threshold.
        flagged_good (list[int]): Good images with a detection, per threshold.
        false_on_good (list[int]): Detections on good images, per threshold.
        lowest (float): Lowest threshold to look at, 0.01 to 1.

    Raises:
        ValidationError: A key is missing or of another type, or a list has another length than
            101 (a ``ValueError`` of pydantic).

    Example:
        >>> none = [0] * 101
        >>> ScoreCounts(truth=[3], found=[none], false=[none], images_defect=2, images_good=0,
        ...     flagged_defect=none, flagged_good=none, false_on_good=none,
        ...     lowest=0.01).table().best_threshold()
        0.5
    """

    truth: Counts
    found: list[ThresholdCounts]
    false: list[ThresholdCounts]
    images_defect: int = Field(ge=0)
    images_good: int = Field(ge=0)
    flagged_defect: ThresholdCounts
    flagged_good: ThresholdCounts
    false_on_good: ThresholdCounts
    lowest: float = Field(ge=0.01, le=1)

    def table(self) -> ScoreTable:
        """The same counts as arrays, with what follows from them.

        Returns:
            ScoreTable: The table.
        """
        values = self.model_dump()
        lists = {key: np.array(value) for key, value in values.items() if isinstance(value, list)}
        return ScoreTable(**{**values, **lists})


class OperatingPoint(_Part):
    """Results at the threshold of the highest F1 on these images; no calibrated threshold.

    Args:
        threshold (float): Score from which a detection counts, 0 to 1.
        precision (float | None): Share of the detections that found a box.
        recall (float | None): Share of the boxes found.
        f1 (float | None): Harmonic mean of the two.
        specificity (float | None): Share of the good images without a detection.
        prevalence (float | None): Share of the images with defects.
        false_alarms_per_good_image (float | None): Detections on good images over their number.

    Raises:
        ValidationError: A key is missing or of another type, or a share is not within 0 to 1 (a
            ``ValueError`` of pydantic).

    Example:
        >>> OperatingPoint(threshold=0.5, precision=None, recall=0.5, f1=None, specificity=1,
        ...     prevalence=0.2, false_alarms_per_good_image=0).specificity
        1.0
    """

    threshold: Share
    precision: Share | None
    recall: Share | None
    f1: Share | None
    specificity: Share | None
    prevalence: Share | None
    false_alarms_per_good_image: Annotated[FiniteFloat, Field(ge=0)] | None


class IoUHistogram(_Part):
    """IoU of ground-truth boxes with the detection that belongs to them.

    For a box that is found, its detection; for one that is not, the tightest of the detections
    that found nothing and have it as the best box of their class. Below 0.1 nothing is counted.

    Args:
        edges (list[float]): Edges of B bins, rising; a value on an edge is in the upper bin.
        counts (list[list[int]]): Boxes per class and bin.
        mean_iou (float | None): Mean over the boxes found (IoU 0.5 or more) of all classes.

    Raises:
        ValidationError: A key is missing or of another type, or there is not one count per bin
            (a ``ValueError`` of pydantic).

    Example:
        >>> IoUHistogram(edges=[0.1, 0.5, 1], counts=[[1, 2]], mean_iou=0.7).counts
        [[1, 2]]
    """

    edges: list[FiniteFloat]
    counts: list[Counts]
    mean_iou: Share | None

    @model_validator(mode='after')
    def _one_count_per_bin(self) -> IoUHistogram:
        _check_bins(self.counts, self.edges)
        return self


class SizeRecall(_Part):
    """Boxes, and boxes found, by the square root of their area in pixels.

    Args:
        edges (list[float | None]): Edges of B bins, rising; None ends an open bin. A size on an
            edge is in the upper bin.
        boxes (list[list[int]]): Boxes per class and bin.
        found (list[list[int]]): Those of them that are found.

    Raises:
        ValidationError: A key is missing or of another type, or there is not one count per bin
            (a ``ValueError`` of pydantic).

    Example:
        >>> SizeRecall(edges=[0, 32, None], boxes=[[4, 1]], found=[[3, 1]]).found
        [[3, 1]]
    """

    edges: list[FiniteFloat | None]
    boxes: list[Counts]
    found: list[Counts]

    @model_validator(mode='after')
    def _one_count_per_bin(self) -> SizeRecall:
        _check_bins([*self.boxes, *self.found], self.edges)
        return self


class ErrorType(_Part):
    """How often one type of error occurs and what it costs.

    Args:
        counts (list[int]): Errors per class.
        dAP50 (float | None): AP50 that would be gained without it, mean over the classes.
        dAP50_per_class (list[float | None]): The same per class.

    Raises:
        ValidationError: A key is missing or of another type (a ``ValueError`` of pydantic).

    Example:
        >>> ErrorType(counts=[3], dAP50=0.1, dAP50_per_class=[0.1]).counts
        [3]
    """

    counts: Counts
    dAP50: FiniteFloat | None
    dAP50_per_class: list[FiniteFloat | None]


class PartResults(_Part):
    """Results per part, after the boxes of its views have been merged.

    Args:
        merge (str): How: ``nms``, ``soft_nms``, ``wbf`` or ``voting``.
        images_total (int): Parts evaluated.
        metrics (dict[str, float | None]): As of images.
        operating (OperatingPoint): As of images, at the threshold of the highest F1 of parts.
        score_table (ScoreCounts): As of images.

    Raises:
        ValidationError: A key is missing or of another type (a ``ValueError`` of pydantic).

    Example:
        >>> PartResults.model_construct(merge='nms', images_total=4).images_total
        4
    """

    merge: str
    images_total: int = Field(ge=0)
    metrics: dict[str, FiniteFloat | None]
    operating: OperatingPoint
    score_table: ScoreCounts

    @property
    def flagged(self) -> tuple[int, int]:
        """Parts with defects and good parts that have a detection at the operating threshold."""
        at, counts = round(100 * self.operating.threshold), self.score_table
        return counts.flagged_defect[at], counts.flagged_good[at]


def _check_bins(rows: list[Counts], edges: list[float] | list[float | None]) -> None:
    for row in rows:
        if len(row) != len(edges) - 1:
            raise ValueError(f'there must be {len(edges) - 1} counts for the bins, got {len(row)}')
