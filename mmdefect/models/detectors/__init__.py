"""Registered detectors."""

from __future__ import annotations

from mmdefect.models.detectors.multi_view_detector import MultiViewDetector
from mmdefect.models.detectors.multi_view_faster_rcnn import MultiViewFasterRCNN
from mmdefect.models.detectors.multi_view_retinanet import MultiViewRetinaNet
from mmdefect.models.detectors.multi_view_soft_teacher import MultiViewSoftTeacher

__all__ = [
    'MultiViewDetector', 'MultiViewFasterRCNN', 'MultiViewRetinaNet', 'MultiViewSoftTeacher',
]  # fmt: skip
