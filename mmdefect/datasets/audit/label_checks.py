"""Suspicious boxes: twice drawn, cut, outside, giant, one pixel thin, very long."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from mmdefect.datasets.audit.finding import Finding, FindingList, Marked
from mmdefect.datasets.audit.neighbours import same_place_pairs
from mmdefect.datasets.audit.table import AuditTable
from mmdefect.datasets.audit.touching_boxes import connected_boxes, touching_pairs

__all__ = ['GIANT_SHARE', 'check_boxes']

# Limits; the texts of KINDS state them.
GIANT_SHARE = 0.9
_USUAL = 0.1
_SAME_IOU = 0.9
_BEYOND = 2.0
_THIN = 2.0
_LONG = 20.0
# Share of the boxes of a class in flush pairs from which they are laid out that way.
_LAID_OUT = 0.5


def check_boxes(table: AuditTable, found: FindingList) -> npt.NDArray[np.bool_]:
    """Look at every box and at every pair of neighbouring boxes.

    Ignored boxes (COCO ``iscrowd``, VOC ``difficult``) are looked at too, but not paired with
    others, which they may cover by design.

    Args:
        table (AuditTable): The data set.
        found (FindingList): Where findings are added.

    Returns:
        np.ndarray: Boxes that touch another of their class, bool, shape (M,).

    Example:
        >>> from pathlib import Path
        >>> table = AuditTable(['train'], ['rust'], [Path('a.png')], np.zeros(1, np.int32),
        ...     np.array([[64, 48]]), [None], np.array([0, 1]),
        ...     np.array([[10, 20, 11, 40]], np.float32), np.zeros(1, np.int32),
        ...     np.zeros(1, bool), [(7,)], [None])
        >>> found = FindingList()
        >>> _ = check_boxes(table, found)
        >>> [(finding.kind, finding.what) for finding in found.of('one-pixel-box')]
        [('one-pixel-box', 'rust: box of 1 x 20 pixels (w x h)')]
    """
    owners = table.owners
    _check_single(table, found, owners)
    limits = np.tile(table.sizes[owners], 2).astype(np.float32)
    inside = np.clip(table.boxes, 0, limits)
    has_area = (inside[:, 2:] > inside[:, :2]).all(axis=1)
    rows = np.flatnonzero(has_area & ~table.ignored)
    _check_twice(table, found, owners, rows, inside)
    return _check_touching(table, found, owners, rows, inside)


def _check_single(table: AuditTable, found: FindingList, owners: npt.NDArray[np.int64]) -> None:
    boxes = table.boxes.astype(np.float64)
    sizes = table.sizes[owners].astype(np.float64)
    extent = boxes[:, 2:] - boxes[:, :2]
    beyond = np.concatenate([-boxes[:, :2], boxes[:, 2:] - sizes], axis=1).max(axis=1, initial=0)
    thin = extent.min(axis=1, initial=np.inf)
    long = extent.max(axis=1, initial=0) / np.maximum(thin, 1e-6)

    def outside(row: int) -> str:
        corners = ', '.join(f'{value:.6g}' for value in boxes[row])
        width, height = table.sizes[owners[row]].tolist()
        return (
            f'box [{corners}] (xyxy) reaches {beyond[row]:.6g} pixels beyond the image of '
            f'{width} x {height} pixels (w x h)'
        )

    def measures(row: int) -> str:
        return f'box of {extent[row, 0]:.6g} x {extent[row, 1]:.6g} pixels (w x h)'

    def length(row: int) -> str:
        return f'{measures(row)}, {long[row]:.3g} times as long as wide'

    _add(table, found, owners, 'outside-image', beyond > _BEYOND, beyond, outside)
    _add(table, found, owners, 'one-pixel-box', thin <= _THIN, -thin, measures)
    _add(table, found, owners, 'extreme-ratio', (long >= _LONG) & (thin > _THIN), long, length)
    _check_giant(table, found, owners, extent.prod(axis=1) / np.maximum(sizes.prod(axis=1), 1))


def _check_giant(
    table: AuditTable,
    found: FindingList,
    owners: npt.NDArray[np.int64],
    share: npt.NDArray[np.float64],
) -> None:
    giant = share >= GIANT_SHARE
    totals = np.bincount(table.labels, minlength=len(table.classes))
    counts = np.bincount(table.labels[giant], minlength=len(table.classes))
    usual = counts >= np.maximum(_USUAL * totals, 2)
    for label in np.flatnonzero(usual).tolist():
        rows = np.flatnonzero(giant & (table.labels == label))
        rows = rows[np.argsort(-share[rows], kind='stable')[:4]]
        found.add(
            Finding(
                'giant-class',
                table.classes[label],
                f'{counts[label]} of {totals[label]} boxes of {table.classes[label]} cover '
                f'{GIANT_SHARE:.0%} of their image or more',
                classes=(table.classes[label],),
                marked=tuple(_mark(table, owners[row], [row]) for row in rows.tolist()),
            )
        )

    def cover(row: int) -> str:
        label = table.labels[row]
        alike = f'{counts[label]} of {totals[label]} boxes of its class'
        return f'box covers {share[row]:.0%} of its image; so do {alike}'

    _add(table, found, owners, 'giant-box', giant & ~usual[table.labels], share, cover)


def _add(
    table: AuditTable,
    found: FindingList,
    owners: npt.NDArray[np.int64],
    kind: str,
    bad: npt.NDArray[np.bool_],
    rank: npt.NDArray[np.float64],
    what: Callable[[int], str],
) -> None:
    """Findings of a kind that concern one box each."""
    rows = np.flatnonzero(bad)

    def make(number: int) -> Finding:
        row = int(rows[number])
        name = table.classes[table.labels[row]]
        return _finding(table, kind, int(owners[row]), [row], f'{name}: {what(row)}')

    found.add_ranked(kind, rank[rows], make, [table.labels[rows]], table.classes)


def _check_twice(
    table: AuditTable,
    found: FindingList,
    owners: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
    boxes: npt.NDArray[np.float32],
) -> None:
    first, second, iou = same_place_pairs(boxes[rows], owners[rows], _SAME_IOU)
    first, second = rows[first], rows[second]
    same = table.labels[first] == table.labels[second]
    for kind, chosen in (('same-box-twice', same), ('two-classes-one-box', ~same)):
        pairs = np.stack([first[chosen], second[chosen]])
        overlap = iou[chosen]

        def make(
            number: int,
            kind: str = kind,
            pairs: npt.NDArray[np.int64] = pairs,
            overlap: npt.NDArray[np.float64] = overlap,
        ) -> Finding:
            two = pairs[:, number].tolist()
            names = [table.classes[table.labels[row]] for row in two]
            text = f'two boxes of {names[0]}' if names[0] == names[1] else ' and '.join(names)
            what = f'{text} with IoU {overlap[number]:.3f}'
            return _finding(table, kind, int(owners[two[0]]), two, what)

        labels = [table.labels[pairs[0]], table.labels[pairs[1]]]
        found.add_ranked(kind, overlap, make, labels, table.classes)


def _check_touching(
    table: AuditTable,
    found: FindingList,
    owners: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
    boxes: npt.NDArray[np.float32],
) -> npt.NDArray[np.bool_]:
    classes = max(1, len(table.classes))
    pairs = touching_pairs(boxes[rows], owners[rows] * classes + table.labels[rows])
    first, second = rows[pairs.first], rows[pairs.second]
    touching = np.zeros(len(table.boxes), bool)
    touching[first] = touching[second] = True
    flush = np.zeros(len(table.boxes), bool)
    flush[first[pairs.cut]] = flush[second[pairs.cut]] = True
    totals = np.bincount(table.labels[rows], minlength=classes)
    share = np.bincount(table.labels[flush], minlength=classes) / np.maximum(totals, 1)
    # Where most boxes of a class lie edge to edge (goods on a shelf, pads), that is how they lie.
    laid_out = (share > _LAID_OUT) & (totals > 10)
    cut = pairs.cut & ~laid_out[table.labels[first]]
    for kind, chosen in (('cut-box', cut), ('touching-boxes', ~cut)):
        groups = connected_boxes(first[chosen], second[chosen])
        best = np.zeros(len(table.boxes))
        np.maximum.at(best, first[chosen], pairs.flush[chosen])

        def make(
            number: int,
            kind: str = kind,
            groups: Sequence[npt.NDArray[np.int64]] = groups,
            best: npt.NDArray[np.float64] = best,
        ) -> Finding:
            group = groups[number].tolist()
            name = table.classes[table.labels[group[0]]]
            what = f'{len(group)} boxes of {name} touch'
            if kind == 'cut-box':
                flush = f'flush to {_best(best, group):.0%}'
                what = f'{len(group)} boxes of {name} lie edge to edge, {flush}'
            return _finding(table, kind, int(owners[group[0]]), group, what)

        rank = np.array([len(group) + _best(best, group) for group in groups])
        labels = [table.labels[[int(group[0]) for group in groups]]]
        found.add_ranked(kind, rank, make, labels, table.classes)
    return touching


def _best(values: npt.NDArray[np.float64], rows: npt.ArrayLike) -> float:
    return float(values[rows].max())  # type: ignore[index]


def _finding(table: AuditTable, kind: str, image: int, rows: list[int], what: str) -> Finding:
    names = dict.fromkeys(table.classes[table.labels[row]] for row in rows)
    return Finding(
        kind,
        table.where(image, rows),
        what,
        split=table.split_name(image),
        classes=tuple(names),
        marked=(_mark(table, image, rows),),
    )


def _mark(table: AuditTable, image: int, rows: Sequence[int]) -> Marked:
    classes = tuple(table.classes[table.labels[row]] for row in rows)
    return Marked(int(image), table.boxes[list(rows)], classes, close=True)
