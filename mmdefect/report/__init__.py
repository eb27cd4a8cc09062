"""One-file HTML reports from a work directory."""

from __future__ import annotations

from mmdefect.report.page import write_report

__all__ = ['write_report']
