"""Anchors of a config against the boxes that it trains on."""

from __future__ import annotations

from mmdefect.engine.anchors.anchor_report import AnchorReport, report_anchors
from mmdefect.engine.anchors.anchors_seen import ClassCoverage

__all__ = ['AnchorReport', 'ClassCoverage', 'report_anchors']
