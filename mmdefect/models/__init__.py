"""Registered parts of detectors."""

from __future__ import annotations

from mmdefect.models.roi_extractors import MultiLevelRoIExtractor

__all__ = ['MultiLevelRoIExtractor']
