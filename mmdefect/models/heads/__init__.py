"""Registered heads of detectors."""

from __future__ import annotations

from mmdefect.models.heads.focal_bbox_head import FocalBBoxHead
from mmdefect.models.heads.focal_rpn_head import FocalRPNHead

__all__ = ['FocalBBoxHead', 'FocalRPNHead']
