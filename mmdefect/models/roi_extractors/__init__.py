"""Registered RoI extractors."""

from __future__ import annotations

from mmdefect.models.roi_extractors.multi_level_roi_extractor import MultiLevelRoIExtractor

__all__ = ['MultiLevelRoIExtractor']
