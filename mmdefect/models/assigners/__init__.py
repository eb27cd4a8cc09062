"""Registered assigners: which prior learns which box."""

from __future__ import annotations

from mmdefect.models.assigners.centre_region_assigner import CentreRegionAssigner

__all__ = ['CentreRegionAssigner']
