"""The whole audit: read, check, count."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mmdefect.datasets.audit.class_checks import check_classes
from mmdefect.datasets.audit.corner_base import CornerGuess, check_corner_base
from mmdefect.datasets.audit.file_checks import FileSummary, check_files
from mmdefect.datasets.audit.finding import Finding, FindingList
from mmdefect.datasets.audit.image_files import inspect_images
from mmdefect.datasets.audit.kinds import KINDS
from mmdefect.datasets.audit.label_checks import check_boxes
from mmdefect.datasets.audit.near_duplicates import check_look_alikes
from mmdefect.datasets.audit.sources import split_by_folder
from mmdefect.datasets.audit.split_checks import check_splits
from mmdefect.datasets.audit.statistics import Statistics, compute_statistics
from mmdefect.datasets.audit.table import AuditTable, Source, Track, read_table
from mmdefect.errors import InputError

__all__ = ['AUDIT_FORMAT', 'Audit', 'run_audit']

# Value of the key `format`; another number, another meaning of the keys.
AUDIT_FORMAT = 'mmdefect-audit/1'


@dataclass(eq=False)
class Audit:
    """What an audit found.

    Args:
        name (str): What was audited.
        table (AuditTable): Images and boxes.
        found (FindingList): Problems and notes.
        statistics (Statistics): Counts and quantiles.
        corners (dict[str, CornerGuess]): Per split, from what corners seem to count.
        files (FileSummary | None): What the image files are; None when none was read.
        whole (bool): All pairs of look-alikes are there.
        unreadable (frozenset[int]): Images that could not be decoded. Default: none.
        model (dict | None): What a trained model that was asked is. Default None: none was.

    Example:
        >>> from mmdefect.datasets.audit import AuditTable, FindingList, compute_statistics
        >>> table = AuditTable(['train'], [])
        >>> audit = Audit('steel', table, FindingList(), compute_statistics(table), {}, None, True)
        >>> audit.problems, audit.as_dict()['format']
        (0, 'mmdefect-audit/1')
    """

    name: str
    table: AuditTable
    found: FindingList
    statistics: Statistics
    corners: dict[str, CornerGuess]
    files: FileSummary | None
    whole: bool
    unreadable: frozenset[int] = frozenset()
    model: dict[str, Any] | None = None

    @property
    def problems(self) -> int:
        """Number of problems found."""
        return self.found.total('problem')

    @property
    def notes(self) -> int:
        """Number of notes."""
        return self.found.total('note')

    def as_dict(self) -> dict[str, Any]:
        """What JSON shows of it.

        Returns:
            dict[str, Any]: ``format``, ``data``, ``problems``, ``notes``, ``kinds`` (severity,
            title, count of each and counts per class), ``statistics``, ``corners``, ``files``,
            ``model``, ``findings`` (the worst of each kind) and ``listed``, how many these are.
        """
        kinds = {
            kind: {
                'title': KINDS[kind].title,
                'severity': KINDS[kind].severity,
                'count': self.found.totals[kind],
                'classes': dict(self.found.per_class.get(kind, {})),
            }
            for kind in self.found.kinds()
        }
        findings = [item.as_dict() for kind in kinds for item in self.found.of(kind)]
        return {
            'format': AUDIT_FORMAT,
            'data': self.name,
            'problems': self.problems,
            'notes': self.notes,
            'kinds': kinds,
            'classes': self.table.classes,
            'statistics': self.statistics.as_dict(),
            'corners': {split: guess.as_dict() for split, guess in self.corners.items()},
            'files': None if self.files is None else self.files.as_dict(),
            'model': self.model,
            'listed': len(findings),
            'findings': findings,
        }


def run_audit(
    sources: Iterable[Source],
    name: str,
    wanted: Sequence[str] | None = None,
    check_images: bool = True,
    workers: int = 2,
    limit: int = 1000,
    track: Track | None = None,
) -> Audit:
    """Read a data set and look for what is wrong with it.

    Memory: about 60 MB per million boxes, 1.5 kB per image, and what the reader of the format
    needs (JSON files are read whole, one after the other).

    Args:
        sources (Iterable[Source]): Its splits, the training split first.
        name (str): What to call it.
        wanted (Sequence[str] | None): Class names of a config. Default None: any.
        check_images (bool): Decode the image files too. Default True.
        workers (int): Threads that decode. Default 2.
        limit (int): Findings kept of each kind; all are counted. Default 1000.
        track (Callable | None): Shows progress, as :func:`read_table` calls it. Default None.

    Returns:
        Audit: Findings and counts.

    Raises:
        InputError: A source cannot be read at all, or holds no image.

    Example:
        >>> import json, tempfile
        >>> from pathlib import Path
        >>> from mmdefect.datasets.readers import COCOReader
        >>> path = Path(tempfile.mkdtemp()) / 'train.json'
        >>> _ = path.write_text(json.dumps({
        ...     'images': [{'id': 0, 'file_name': 'a.png', 'width': 64, 'height': 48}],
        ...     'annotations': [{'image_id': 0, 'category_id': 0, 'bbox': [1, 2, 1, 20]}],
        ...     'categories': [{'id': 0, 'name': 'rust'}]}))
        >>> source = Source('train', lambda: COCOReader(path, on_error='drop'))
        >>> run_audit([source], 'steel', check_images=False).found.kinds()
        ['one-pixel-box', 'tiny-class']
    """
    table = read_table(sources, wanted or (), track)
    found = FindingList(limit)
    for split, problem in table.problems:
        found.add(Finding('unusable', problem.where, problem.what, split))
    if not len(table):
        first = table.problems[0][1] if table.problems else 'check the path'
        raise InputError(f'{name}: no image can be read ({first})')
    split_by_folder(table)
    check_classes(table, found, wanted)
    touching = check_boxes(table, found)
    statistics = compute_statistics(table, touching)
    corners = check_corner_base(table, found)
    repeated = check_splits(table, found)
    files, whole, unreadable = None, True, frozenset[int]()
    if check_images:
        start = time.perf_counter()
        facts = inspect_images(table.paths, workers)
        done = list(facts if track is None else track(facts, 'image checks', len(table)))
        files = check_files(table, done, found, time.perf_counter() - start)
        whole = check_look_alikes(table, done, repeated, found).whole
        unreadable = frozenset(image for image, fact in enumerate(done) if fact.problem)
    return Audit(name, table, found, statistics, corners, files, whole, unreadable)
