"""Metrics with evidence: COCO average precision per class and the curves behind it."""

from __future__ import annotations

from mmdefect.evaluation.coco_scores import DetectionScores, ImageResult, score_detections
from mmdefect.evaluation.defect_metric import DefectMetric

__all__ = ['DefectMetric', 'DetectionScores', 'ImageResult', 'score_detections']
