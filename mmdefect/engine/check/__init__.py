"""A dry run of a config: what is wrong with it, and how to mend that, before a long training."""

from __future__ import annotations

from mmdefect.engine.check.check_report import CheckReport
from mmdefect.engine.check.dry_run import check_config
from mmdefect.engine.check.findings import Finding

__all__ = ['CheckReport', 'Finding', 'check_config']
