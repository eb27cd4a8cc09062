"""Registered fusion of the views of one part."""

from __future__ import annotations

from mmdefect.models.fusion.cross_view_fusion import CrossViewFusion
from mmdefect.models.fusion.part_views import PartViews, images_to_inspect

__all__ = ['CrossViewFusion', 'PartViews', 'images_to_inspect']
