"""What is wrong with a data set: images, boxes, classes, splits. No model, no torch."""

from __future__ import annotations

from mmdefect.datasets.audit.audit import AUDIT_FORMAT, Audit, run_audit
from mmdefect.datasets.audit.finding import Finding, FindingList, Marked
from mmdefect.datasets.audit.kinds import KINDS, Kind
from mmdefect.datasets.audit.sources import config_sources, data_sources
from mmdefect.datasets.audit.split_checks import mark_image
from mmdefect.datasets.audit.statistics import (
    QUANTILES,
    ClassStatistics,
    Statistics,
    compute_statistics,
)
from mmdefect.datasets.audit.table import AuditTable, Source, read_table

__all__ = [
    'AUDIT_FORMAT',
    'KINDS',
    'QUANTILES',
    'Audit',
    'AuditTable',
    'ClassStatistics',
    'Finding',
    'FindingList',
    'Kind',
    'Marked',
    'Source',
    'Statistics',
    'compute_statistics',
    'config_sources',
    'data_sources',
    'mark_image',
    'read_table',
    'run_audit',
]
