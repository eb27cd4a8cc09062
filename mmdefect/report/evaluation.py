"""The file that an evaluation leaves behind, read and checked."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from mmdefect.errors import InputError

__all__ = ['ClassResult', 'Evaluation', 'EvaluatedImage', 'PRCurve', 'load_evaluation']

FORMAT = 'mmdefect-evaluation/1'
_CURE = 'tools/test.py CONFIG CHECKPOINT --work-dir {} writes it'

# x1, y1, x2, y2 in pixels, class index, 1 when the box is left out of the count.
TruthRow = tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat, int, int]
# x1, y1, x2, y2 in pixels, class index, score.
DetectionRow = tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat, int, FiniteFloat]


class _Part(BaseModel):
    model_config = ConfigDict(extra='ignore', frozen=True)


class ClassResult(_Part):
    """Results of one class; a value is None where it is not defined."""

    name: str
    AP: FiniteFloat | None = None
    AP50: FiniteFloat | None = None
    AP75: FiniteFloat | None = None
    AR: FiniteFloat | None = None
    boxes: int
    images: int


class PRCurve(_Part):
    """Precision over recall of one class at IoU 0.5."""

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
    """Ground truth and detections of one image, boxes xyxy in pixels."""

    path: str
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    ground_truth: list[TruthRow]
    detections: list[DetectionRow]


class Evaluation(_Part):
    """What one evaluation found: metrics, curves, and boxes image by image."""

    created: str | None = None
    epoch: int | None = None
    checkpoint: str | None = None
    config: str | None = None
    classes: list[str]
    max_dets: int
    metrics: dict[str, FiniteFloat | None]
    per_class: list[ClassResult]
    images_total: int
    images_good: int
    pr_curves: list[PRCurve]
    images: list[EvaluatedImage]

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
            ``mmdefect-evaluation/1``.

    Example:
        >>> load_evaluation(Path('no-such-folder'))
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: no-such-folder: no such work directory; \
tools/test.py CONFIG CHECKPOINT --work-dir no-such-folder writes it
    """
    if not work_dir.is_dir():
        raise InputError(f'{work_dir}: no such work directory; {_CURE.format(work_dir)}')
    path = work_dir / 'evaluation.json'
    cure = _CURE.format(work_dir)
    try:
        raw = json.loads(path.read_text(encoding='utf-8'))
    except FileNotFoundError as error:
        raise InputError(f'{work_dir}: no evaluation.json in it; {cure}') from error
    except OSError as error:
        raise InputError(
            f'{path}: cannot be read ({error.strerror}); make it readable, or {cure}'
        ) from error
    except ValueError as error:
        raise InputError(f'{path}: is not whole JSON ({error}); {cure} anew') from error
    found = raw.get('format') if isinstance(raw, dict) else None
    if found != FORMAT:
        raise InputError(
            f'{path}: format must be {FORMAT!r}, got {found!r}; with this version of mmdefect '
            f'{cure} anew'
        )
    try:
        return Evaluation.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = '.'.join(str(part) for part in first['loc'])
        place = f'key {where!r}: ' if where else ''
        raise InputError(f'{path}: {place}{first["msg"]}; {cure} anew') from error
