"""Class names and counts: misspelt, unwanted, empty, few, absent from training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmdefect.datasets.audit.finding import Finding, FindingList
from mmdefect.datasets.audit.table import AuditTable
from mmdefect.errors import nearest_name
from mmdefect.wording import counted

__all__ = ['check_classes']

# The text of KINDS states it.
_FEW = 20


def check_classes(
    table: AuditTable, found: FindingList, wanted: Sequence[str] | None = None
) -> None:
    """Compare the class names with each other, with those wanted, and between splits.

    Args:
        table (AuditTable): The data set.
        found (FindingList): Where findings are added.
        wanted (Sequence[str] | None): Class names of a config. Default None: any name is good.

    Example:
        >>> table = AuditTable(['train'], ['Rust', 'rust '])
        >>> found = FindingList()
        >>> check_classes(table, found)
        >>> [finding.what for finding in found.of('similar-class-names')]
        ["'Rust' (0 boxes) and 'rust ' (0 boxes)"]
    """
    classes, splits = len(table.classes), len(table.splits)
    if not len(table.labels):
        found.add(
            Finding('no-box', 'the whole data set', f'{counted(len(table), "image")} and no box')
        )
    cells = table.labels.astype(np.int64) * splits + table.split_of[table.owners]
    counts = np.bincount(cells, minlength=classes * splits).reshape(classes, splits)
    totals = counts.sum(axis=1).tolist()
    known: dict[str, str] = {}
    for name, total in zip(table.classes, totals, strict=True):
        plain = ''.join(letter for letter in name.casefold() if letter not in ' -_')
        other = known.setdefault(plain, name)
        if other != name:
            before = totals[table.classes.index(other)]
            what = f'{other!r} ({_boxes(before)}) and {name!r} ({_boxes(total)})'
            found.add(Finding('similar-class-names', 'classes', what, classes=(other, name)))
        if wanted is not None and name not in wanted and total:
            near = nearest_name(name, wanted)
            hint = f'; did you mean {near!r}?' if near else f'; wanted: {", ".join(wanted)}'
            what = f'{_boxes(total)} of {name!r}{hint}'
            found.add(Finding('unknown-class', 'classes', what, classes=(name,)))
        if not total:
            what = f'no box of {name!r}'
            found.add(Finding('empty-class', 'classes', what, classes=(name,)))
        elif total < _FEW:
            what = f'{_boxes(total)} of {name!r}'
            found.add(Finding('tiny-class', 'classes', what, classes=(name,)))
    for label, name in enumerate(table.classes):
        for split in range(1, splits):
            if counts[label, split] and not counts[label, 0] and counts[:, 0].any():
                where = table.splits[split]
                what = f'{_boxes(counts[label, split])} of {name!r}, none in {table.splits[0]}'
                found.add(Finding('class-not-in-train', where, what, where, (name,)))


def _boxes(number: int) -> str:
    return counted(number, 'box', 'boxes')
