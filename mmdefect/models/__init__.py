"""Registered parts of detectors."""

from __future__ import annotations

from mmdefect.models.anchors import DefectAnchorGenerator
from mmdefect.models.heads import FocalBBoxHead, FocalRPNHead
from mmdefect.models.roi_extractors import MultiLevelRoIExtractor

__all__ = ['DefectAnchorGenerator', 'FocalBBoxHead', 'FocalRPNHead', 'MultiLevelRoIExtractor']
