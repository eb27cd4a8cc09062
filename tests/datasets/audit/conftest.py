"""Tables of a few boxes, without files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from mmdefect.datasets.audit import AuditTable, Source, read_table
from mmdefect.datasets.readers import BaseReader
from mmdefect.structures import ImageRecord


class ListReader(BaseReader):
    """Yields the records it is given."""

    def __init__(self, records, classes=(), one_based=None):
        super().__init__('list', 'drop')
        self.records = records
        self.declares_classes = bool(classes)
        self._names = tuple(classes)
        if one_based is not None:
            self.one_based = one_based

    @property
    def classes(self):
        return self._names

    def read(self) -> Iterator[ImageRecord]:
        yield from self.records


def record(name, rows=(), size=(200, 100), ignored=(), **extra) -> ImageRecord:
    """``rows``: (class, x1, y1, x2, y2)."""
    boxes = np.array([row[1:] for row in rows], np.float32).reshape(-1, 4)
    flags = np.zeros(len(rows), bool)
    flags[list(ignored)] = True
    return ImageRecord(
        Path(name), name, *size, boxes, tuple(row[0] for row in rows), flags,
        tuple(range(1, len(rows) + 1)), extra,
    )  # fmt: skip


@pytest.fixture
def make_table() -> Callable[..., AuditTable]:
    """``make_table(train=[record(...)], val=[...], classes=(), one_based=None)``."""

    def make(classes=(), one_based=None, **splits) -> AuditTable:
        return read_table(
            [
                Source(name, lambda records=records: ListReader(records, classes, one_based))
                for name, records in splits.items()
            ]
        )

    return make


@pytest.fixture
def make_record() -> Callable[..., ImageRecord]:
    return record
