"""Registered anchor generators."""

from __future__ import annotations

from mmdefect.models.anchors.defect_anchor_generator import DefectAnchorGenerator

__all__ = ['DefectAnchorGenerator']
