"""Anchors of a config against the boxes that it trains on."""

from __future__ import annotations

from mmdefect.engine.anchors.anchor_report import AnchorReport, ClassCoverage, report_anchors

__all__ = ['AnchorReport', 'ClassCoverage', 'report_anchors']
