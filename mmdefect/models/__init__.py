"""Registered parts of detectors."""

from __future__ import annotations

from mmdefect.models.anchors import DefectAnchorGenerator
from mmdefect.models.assigners import CentreRegionAssigner
from mmdefect.models.coders import ClippedDeltaCoder
from mmdefect.models.detectors import (
    MultiViewDetector,
    MultiViewFasterRCNN,
    MultiViewRetinaNet,
    MultiViewSoftTeacher,
)
from mmdefect.models.fusion import CrossViewFusion
from mmdefect.models.heads import FocalBBoxHead, FocalRPNHead, SharedTowerHead
from mmdefect.models.pseudo_labels import (
    BoxJitter,
    CandidateSpread,
    ClassThresholds,
    MixtureThresholds,
    PseudoLabelPolicy,
    PseudoLabelStatistics,
    ViewConsensus,
)
from mmdefect.models.roi_extractors import MultiLevelRoIExtractor

__all__ = [
    'BoxJitter',
    'CandidateSpread',
    'CentreRegionAssigner',
    'ClassThresholds',
    'ClippedDeltaCoder',
    'CrossViewFusion',
    'DefectAnchorGenerator',
    'FocalBBoxHead',
    'FocalRPNHead',
    'MixtureThresholds',
    'MultiLevelRoIExtractor',
    'MultiViewDetector',
    'MultiViewFasterRCNN',
    'MultiViewRetinaNet',
    'MultiViewSoftTeacher',
    'PseudoLabelPolicy',
    'PseudoLabelStatistics',
    'SharedTowerHead',
    'ViewConsensus',
]
