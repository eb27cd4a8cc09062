"""Metrics with evidence: COCO average precision, matching and what the misses have in common.

Importing this package loads neither torch nor OpenMMLab; only the classes
``...Metric`` need them.
"""

from __future__ import annotations

import importlib
from typing import Any

__all__ = [
    'CalibrationMetric',
    'DefectMetric',
    'DetectionScores',
    'ImageResult',
    'MultiViewMetric',
    'PartMetric',
    'ScoreTable',
    'describe_errors',
    'match_image',
    'score_detections',
]

_HOMES = {
    'CalibrationMetric': 'mmdefect.evaluation.calibration_metric',
    'DefectMetric': 'mmdefect.evaluation.defect_metric',
    'DetectionScores': 'mmdefect.evaluation.coco_scores',
    'ImageResult': 'mmdefect.evaluation.image_result',
    'MultiViewMetric': 'mmdefect.evaluation.multi_view_metric',
    'PartMetric': 'mmdefect.evaluation.part_metric',
    'ScoreTable': 'mmdefect.evaluation.score_table',
    'describe_errors': 'mmdefect.evaluation.image_errors',
    'match_image': 'mmdefect.evaluation.matching',
    'score_detections': 'mmdefect.evaluation.coco_scores',
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
