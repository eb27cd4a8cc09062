"""Registered parts of detectors."""

from __future__ import annotations

from mmdefect.models.anchors import DefectAnchorGenerator
from mmdefect.models.detectors import (
    MultiViewDetector,
    MultiViewFasterRCNN,
    MultiViewRetinaNet,
)
from mmdefect.models.fusion import CrossViewFusion
from mmdefect.models.heads import FocalBBoxHead, FocalRPNHead
from mmdefect.models.roi_extractors import MultiLevelRoIExtractor

__all__ = [
    'CrossViewFusion',
    'DefectAnchorGenerator',
    'FocalBBoxHead',
    'FocalRPNHead',
    'MultiLevelRoIExtractor',
    'MultiViewDetector',
    'MultiViewFasterRCNN',
    'MultiViewRetinaNet',
]
