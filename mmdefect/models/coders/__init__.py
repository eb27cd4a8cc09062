"""Registered coders: boxes as offsets from priors."""

from __future__ import annotations

from mmdefect.models.coders.clipped_delta_coder import ClippedDeltaCoder

__all__ = ['ClippedDeltaCoder']
