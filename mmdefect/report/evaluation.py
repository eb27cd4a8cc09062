"""The file that an evaluation leaves behind, read and checked."""

from __future__ import annotations

import json
from collections.abc import Sized
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from mmdefect.errors import InputError
from mmdefect.evaluation.error_types import ERROR_TYPES
from mmdefect.geometry import TileGrid
from mmdefect.report.measures import (
    ErrorType,
    IoUHistogram,
    OperatingPoint,
    PartResults,
    ScoreCounts,
    SizeRecall,
)
from mmdefect.structures import EVALUATION_FORMAT, EVALUATION_MIN_SCORE

__all__ = [
    'ClassResult', 'Evaluation', 'EvaluatedImage', 'PRCurve', 'Tiles', 'load_evaluation',
]  # fmt: skip

_CURE = 'tools/test.py CONFIG CHECKPOINT --work-dir {} writes it'

# x1, y1, x2, y2 in pixels, class index, 1 when the box is left out of the count.
TruthRow = tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat, int, int]
# x1, y1, x2, y2 in pixels, class index, score.
DetectionRow = tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat, int, FiniteFloat]


class _Part(BaseModel):
    model_config = ConfigDict(extra='ignore', frozen=True)


class ClassResult(_Part):
    """Results of one class; a value is None where it is not defined.

    Args:
        name (str): Class name.
        AP (float | None): Average precision over IoU 0.50 to 0.95, 0 to 1. Default None.
        AP50 (float | None): The same at IoU 0.5. Default None.
        AP75 (float | None): The same at IoU 0.75. Default None.
        AR (float | None): Average recall over IoU 0.50 to 0.95, 0 to 1. Default None.
        precision (float | None): Share of the detections that found a box, at the operating
            threshold. Default None.
        recall (float | None): Share of the boxes found there. Default None.
        f1 (float | None): Harmonic mean of the two. Default None.
        mean_iou (float | None): Mean IoU of the boxes found there, 0.5 to 1. Default None.
        share_of_boxes (float | None): Boxes of this class over all boxes. Default None.
        efficiency (float | None): AP over the share of boxes: how much the class earns from its
            share; 1 or more in balanced sets. Default None.
        boxes (int): Ground-truth boxes that count.
        images (int): Images with such a box.

    Raises:
        ValidationError: A key is missing or of another type, or a number is not finite (a
            ``ValueError`` of pydantic).

    Example:
        >>> ClassResult(name='scratch', AP50=0.5, boxes=3, images=2).AP50
        0.5
    """

    name: str
    AP: FiniteFloat | None = None
    AP50: FiniteFloat | None = None
    AP75: FiniteFloat | None = None
    AR: FiniteFloat | None = None
    precision: FiniteFloat | None = None
    recall: FiniteFloat | None = None
    f1: FiniteFloat | None = None
    mean_iou: FiniteFloat | None = None
    share_of_boxes: FiniteFloat | None = None
    efficiency: FiniteFloat | None = None
    boxes: int
    images: int


class PRCurve(_Part):
    """Precision over recall of one class at IoU 0.5.

    Args:
        name (str): Class name.
        recall (list[float]): P recalls, ascending, 0 to 1.
        precision (list[float | None]): P precisions, 0 to 1; None where not defined.
        score (list[float | None]): P scores from which detections count to reach the recall;
            None where it is not reached.

    Raises:
        ValidationError: The lists differ in length, or a key is missing or of another type (a
            ``ValueError`` of pydantic).

    Example:
        >>> PRCurve(name='scratch', recall=[0, 1], precision=[1, 0.5], score=[0.9, 0.2]).recall
        [0.0, 1.0]
    """

    name: str
    recall: list[FiniteFloat]
    precision: list[FiniteFloat | None]
    score: list[FiniteFloat | None]

    @model_validator(mode='after')
    def _same_length(self) -> PRCurve:
        lengths = {len(self.recall), len(self.precision), len(self.score)}
        if len(lengths) > 1:
            raise ValueError(f'recall, precision and score must be equally long, got {lengths}')
        return self


class EvaluatedImage(_Part):
    """Ground truth and detections of one image.

    Args:
        path (str): Image file, as the dataset named it.
        width (int): Pixels, upright, above 0.
        height (int): Pixels, upright, above 0.
        ground_truth (list[tuple]): Boxes ``(x1, y1, x2, y2, class index, ignored)`` in pixels;
            ``ignored`` is 1 for a box that does not count, else 0.
        detections (list[tuple]): Boxes ``(x1, y1, x2, y2, class index, score)`` in pixels.

    Raises:
        ValidationError: A key is missing or of another type, or a number is not finite (a
            ``ValueError`` of pydantic).

    Example:
        >>> EvaluatedImage(path='a.png', width=9, height=9, ground_truth=[(0, 0, 4, 4, 0, 0)],
        ...     detections=[]).ground_truth
        [(0.0, 0.0, 4.0, 4.0, 0, 0)]
    """

    path: str
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    ground_truth: list[TruthRow]
    detections: list[DetectionRow]


class Tiles(_Part):
    """The tiles through which a model saw the images.

    Args:
        size (tuple[int, int]): ``(w, h)`` of a tile, pixels.
        overlap (tuple[float, float]): Shares of both that neighbours have in common.
        edge (str): Edge rule.

    Raises:
        ValidationError: A key is missing or of another type, or the values are those of no tiles
            (a ``ValueError`` of pydantic).

    Example:
        >>> len(Tiles(size=(256, 256), overlap=(0.5, 0.5), edge='shift').grid().boxes(1600, 256))
        12
    """

    size: tuple[int, int]
    overlap: tuple[FiniteFloat, FiniteFloat]
    edge: str

    @model_validator(mode='after')
    def _possible(self) -> Tiles:
        self.grid()
        return self

    def grid(self) -> TileGrid:
        """The geometry of these tiles.

        Returns:
            TileGrid: The grid.
        """
        return TileGrid(self.size, self.overlap, self.edge)


class Evaluation(_Part):
    """What one evaluation found: metrics, curves, and boxes image by image.

    Args:
        created (str | None): Time, ISO 8601. Default None.
        epoch (int | None): Epochs trained; None outside training. Default None.
        checkpoint (str | None): File name of the weights. Default None.
        config (str | None): File name of the config. Default None.
        classes (list[str]): Class names by index.
        max_dets (int): Best-scored detections that the metrics count per image and class.
        min_score (float): Lowest score of the detections in ``images``, 0 to 1; below it nothing
            can be counted. Default ``EVALUATION_MIN_SCORE``.
        metrics (dict[str, float | None]): ``AP``, ``AP50``, ``AP75`` and ``AR`` over all
            classes, 0 to 1; None where not defined.
        per_class (list[ClassResult]): Results per class.
        images_total (int): Images evaluated.
        pr_curves (list[PRCurve]): One curve per class.
        score_table (ScoreCounts): Counts at every score threshold, over all images.
        operating (OperatingPoint): Results at the threshold of the highest F1.
        iou_histogram (IoUHistogram): How tightly boxes are found, at that threshold.
        recall_by_size (SizeRecall): Boxes found by their size, at that threshold.
        error_types (dict[str, ErrorType]): Errors by type, at that threshold; the types are
            ``mmdefect.evaluation.error_types.ERROR_TYPES``.
        confusion (list[list[int]]): C + 1 by C + 1 counts at that threshold: rows are true
            classes, then detections without a box; columns are detected classes, then boxes
            without a detection.
        images (list[EvaluatedImage]): Boxes; may stop short of ``images_total``.
        tiles (Tiles | None): How the model cut the images; None where it saw them whole. Default
            None.
        parts (PartResults | None): Results per part, where parts have several views. Default None.

    Raises:
        ValidationError: A key is missing or of another type, or a class index has no name (a
            ``ValueError`` of pydantic).

    Example:
        >>> from mmdefect.evaluation.evidence import make_evidence
        >>> Evaluation(**make_evidence([], ['scratch'], max_dets=100)).operating.threshold
        0.5
    """

    created: str | None = None
    epoch: int | None = None
    checkpoint: str | None = None
    config: str | None = None
    classes: list[str]
    max_dets: int
    min_score: float = Field(default=EVALUATION_MIN_SCORE, ge=0, le=1)
    metrics: dict[str, FiniteFloat | None]
    per_class: list[ClassResult]
    images_total: int
    pr_curves: list[PRCurve]
    score_table: ScoreCounts
    operating: OperatingPoint
    iou_histogram: IoUHistogram
    recall_by_size: SizeRecall
    error_types: dict[str, ErrorType]
    confusion: list[list[int]]
    images: list[EvaluatedImage]
    tiles: Tiles | None = None
    parts: PartResults | None = None

    @property
    def images_good(self) -> int:
        """Images without any ground truth."""
        return self.score_table.images_good

    @model_validator(mode='after')
    def _one_row_per_class(self) -> Evaluation:
        classes = len(self.classes)
        rows: dict[str, Sized] = {
            'score_table.truth': self.score_table.truth,
            'score_table.found': self.score_table.found,
            'score_table.false': self.score_table.false,
            'iou_histogram.counts': self.iou_histogram.counts,
            'recall_by_size.boxes': self.recall_by_size.boxes,
            'recall_by_size.found': self.recall_by_size.found,
        }
        for name, values in self.error_types.items():
            rows[f'error_types.{name}.counts'] = values.counts
            rows[f'error_types.{name}.dAP50_per_class'] = values.dAP50_per_class
        for name, value in rows.items():
            if len(value) != classes:
                raise ValueError(f'{name} must have {classes} rows, got {len(value)}')
        if lacking := [name for name in ERROR_TYPES if name not in self.error_types]:
            raise ValueError(f'error_types must have all types, lacks {", ".join(lacking)}')
        for key in ('per_class', 'pr_curves'):
            if [row.name for row in getattr(self, key)] != self.classes:
                raise ValueError(f'{key} must have one row for each of classes, in this order')
        if {len(self.confusion), *map(len, self.confusion)} != {classes + 1}:
            raise ValueError(f'confusion must be {classes + 1} by {classes + 1}')
        return self

    @model_validator(mode='after')
    def _known_classes(self) -> Evaluation:
        for image in self.images:
            for row in (*image.ground_truth, *image.detections):
                if not 0 <= row[4] < len(self.classes):
                    raise ValueError(
                        f'image {image.path}: class index must be 0 to {len(self.classes) - 1}, '
                        f'got {row[4]}'
                    )
        return self


def load_evaluation(work_dir: Path) -> Evaluation:
    """Read ``evaluation.json`` of a work directory.

    Args:
        work_dir (Path): Folder that a test or training run wrote to.

    Returns:
        Evaluation: The checked content.

    Raises:
        InputError: The folder or file is missing, is not JSON, or is not of format
            ``mmdefect-evaluation/2``.

    Example:
        >>> load_evaluation(Path('no-such-folder'))
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: no-such-folder: no such work directory; \
tools/test.py CONFIG CHECKPOINT --work-dir no-such-folder writes it
    """
    if work_dir.is_file():
        raise InputError(f'{work_dir}: is a file; give its folder, {work_dir.parent}')
    if not work_dir.is_dir():
        raise InputError(f'{work_dir}: no such work directory; {_CURE.format(work_dir)}')
    path = work_dir / 'evaluation.json'
    cure = _CURE.format(work_dir)
    try:
        raw = json.loads(path.read_text(encoding='utf-8'))
    except FileNotFoundError as error:
        raise InputError(
            f'{work_dir}: no evaluation.json in it; {cure} for a detector; a classifier has no '
            'boxes to report: tools/test.py CONFIG CHECKPOINT --out FILE.jsonl and `mmdefect '
            'thresholds FILE.jsonl --figure FILE.png` show what it finds'
        ) from error
    except OSError as error:
        raise InputError(
            f'{path}: cannot be read ({error.strerror}); make it readable, or {cure}'
        ) from error
    except ValueError as error:
        raise InputError(f'{path}: is not whole JSON ({error}); {cure} anew') from error
    found = raw.get('format') if isinstance(raw, dict) else None
    if found != EVALUATION_FORMAT:
        raise InputError(
            f'{path}: format must be {EVALUATION_FORMAT!r}, got {found!r}; run test again: {cure}'
        )
    try:
        return Evaluation.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = '.'.join(str(part) for part in first['loc'])
        place = f'key {where!r}: ' if where else ''
        raise InputError(f'{path}: {place}{first["msg"]}; {cure} anew') from error
