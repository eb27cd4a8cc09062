"""Small data classes that pass between the rooms, and what files between them are called."""

from __future__ import annotations

from mmdefect.structures.detections import Detections, InspectedImage
from mmdefect.structures.evaluation_record import EVALUATION_FORMAT, EVALUATION_MIN_SCORE
from mmdefect.structures.record import ImageRecord, Problem

__all__ = [
    'EVALUATION_FORMAT',
    'EVALUATION_MIN_SCORE',
    'Detections',
    'ImageRecord',
    'InspectedImage',
    'Problem',
]
