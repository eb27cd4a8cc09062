"""Registered heads of detectors."""

from __future__ import annotations

from mmdefect.models.heads.focal_bbox_head import FocalBBoxHead
from mmdefect.models.heads.focal_rpn_head import FocalRPNHead
from mmdefect.models.heads.shared_tower_head import SharedTowerHead

__all__ = ['FocalBBoxHead', 'FocalRPNHead', 'SharedTowerHead']
