"""The report of ``mmdefect anchors``, as a line engineer reads it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mmdefect.wording import counted

if TYPE_CHECKING:
    from mmdefect.engine.anchors.anchor_report import AnchorReport
    from mmdefect.evaluation.anchors import Coverage, ShapeStatistics

__all__ = ['print_anchors']

_SHOWN = 10
# A class of which this share of boxes falls below the threshold is named.
_LESS = 0.01


def print_anchors(
    report: AnchorReport, target: Path | None, console: Console | None = None
) -> None:
    """Print shapes of the boxes, coverage now and proposed, its price, and the config fragment.

    Args:
        report (AnchorReport): What was found.
        target (Path | None): File of the proposal; None where none was written.
        console (Console | None): Where to print. Default None: standard output.
    """
    console = console or Console()
    boxes = report.boxes
    _line(
        console,
        f'[bold]{escape(report.config)}[/]: {escape(report.generator)} ({escape(report.kind)}), '
        f'{counted(len(boxes.placed), "box", "boxes")} on {counted(report.images, "image")}, in '
        f'pixels of the input of '
        f'{boxes.input_size[0]} x {boxes.input_size[1]}',
    )
    console.print(_shapes(report.statistics))
    console.print(_coverage(report))
    console.print(_classes(report))
    for name, seen in (('now', report.now), ('proposed', report.proposed)):
        shares = ', '.join(
            f'stride {stride:g}: {share:.1%}'
            for stride, share in zip(report.strides, seen.levels, strict=True)
        )
        _line(console, f'boxes by the level that covers them best, {name}: {shares}')
    _print_unreached(report, console)
    for note in report.notes:
        _line(console, f'note: {escape(note)}')
    for warning in report.warnings:
        _line(console, f'[yellow]warning:[/] {escape(warning)}')
    _print_proposal(report, target, console)


def _line(console: Console, text: str) -> None:
    """One line, however long, so that it can be copied."""
    console.print(text, soft_wrap=True, highlight=False)


def _right(table: Table, start: int = 1) -> Table:
    for column in table.columns[start:]:
        column.justify = 'right'
    return table


def _shapes(statistics: Iterable[ShapeStatistics]) -> Table:
    levels = 'P5 P25 P50 P75 P95'
    table = Table('class', 'boxes', f'w/h\n{levels}', f'size\n{levels}')
    for item in statistics:
        cells = [' '.join(map(_short, values)) for values in (item.ratio, item.size)]
        table.add_row(escape(item.name), str(item.boxes), *cells)
    return _right(table)


def _short(value: float) -> str:
    """Two digits, so that ten such numbers stand in a line; whole numbers as they are."""
    return f'{value:.2g}' if value < 99.5 else f'{value:.0f}'


def _coverage(report: AnchorReport) -> Table:
    table = Table(
        '', 'mean\nIoU', *(f'>= {level:g}' for level in _levels(report)), 'not\nreached',
        'anchors\n/ place', 'anchors\n/ image',
    )  # fmt: skip
    for name, seen in (('now', report.now), ('proposed', report.proposed)):
        counts = '-'.join(map(str, sorted({min(seen.per_location), max(seen.per_location)})))
        shape, grid = (_cells(report, one) for one in (seen.total.shape, seen.total.grid))
        table.add_row(f'{name}: shape only', *shape, '', '', '')
        table.add_row(
            f'{name}: real grid', *grid, str(seen.unreached), counts, str(seen.per_image),
            end_section=True,
        )  # fmt: skip
    return _right(table)


def _classes(report: AnchorReport) -> Table:
    table = Table(
        'now -> proposed', 'mean IoU\nshape only', 'mean IoU\nreal grid',
        f'>= {report.positive:g}\nreal grid',
    )  # fmt: skip
    for now, proposed in zip(report.now.classes, report.proposed.classes, strict=True):
        pairs = (
            (now.shape.mean, proposed.shape.mean),
            (now.grid.mean, proposed.grid.mean),
            (now.grid.at_threshold, proposed.grid.at_threshold),
        )
        cells = (' -> '.join(map(_number, pair)) for pair in pairs)
        table.add_row(escape(now.name), *cells)
    return _right(table)


def _levels(report: AnchorReport) -> Sequence[float]:
    """The assigner's threshold, .5 and .7, none of them twice."""
    return list(dict.fromkeys((report.positive, 0.5, 0.7)))


def _cells(report: AnchorReport, coverage: Coverage) -> Sequence[str]:
    shares = {0.7: coverage.at_70, 0.5: coverage.at_50, report.positive: coverage.at_threshold}
    return [_number(value) for value in (coverage.mean, *map(shares.get, _levels(report)))]


def _number(value: float | None) -> str:
    return '-' if value is None else f'{value:.3f}'


def _print_unreached(report: AnchorReport, console: Console) -> None:
    count = report.now.unreached
    share = report.now.total.grid.at_threshold or 0.0
    learned = f'{share:.1%} of the boxes have an anchor of IoU {report.positive:g} or more'
    if not count:
        every = f'{learned}, and all have one of {report.reach:g} or more'
        if report.reach == report.positive:
            every = f'all boxes have an anchor of IoU {report.positive:g} or more'
        _line(console, every)
        return
    _line(
        console,
        f'{learned}; {count} have none of {report.reach:g}: all anchors on them learn background, '
        'but for the nearest one where the assigner saves it; worst first:',
    )
    for item in report.unreached[:_SHOWN]:
        box = ', '.join(f'{value:g}' for value in item['box'])
        _line(
            console,
            f'  {escape(item["file"])}: {escape(item["class"])} at ({box}), IoU {item["iou"]:.2f}',
        )
    if count > _SHOWN:
        _line(console, f'  and {count - _SHOWN} more; --json lists up to 1,000')


def _print_losses(report: AnchorReport, console: Console) -> None:
    """Name what has fewer boxes at the assigner's threshold than before."""
    rows = [('all together', report.now.total, report.proposed.total)] + [
        (escape(before.name), before, after)
        for before, after in zip(report.now.classes, report.proposed.classes, strict=True)
    ]
    shares = [
        (name, before.grid.at_threshold or 0, after.grid.at_threshold or 0)
        for name, before, after in rows
    ]
    worse = [
        f'{name} ({before:.3f} -> {after:.3f})'
        for name, before, after in shares
        if after < before - _LESS
    ]
    if worse:
        _line(console, f'fewer boxes at {report.positive:g} or above: {", ".join(worse)}')


def _print_proposal(report: AnchorReport, target: Path | None, console: Console) -> None:
    kept = not report.worthwhile
    _line(
        console,
        f'proposed: mean best IoU {report.gain:+.3f} on the real grid for '
        + ('as many anchors' if report.price == 1 else f'{report.price:.2f} times the anchors'),
    )
    if not kept:
        _print_losses(report, console)
    if kept:
        rank = 'about as good as any' if report.gain > 0 else 'better'
        _line(console, f'[bold]your anchors are {rank}; keep them[/]')
    else:
        _line(
            console,
            'fitted anchors buy recall and can cost precision, so compare both after training:',
        )
        by_hand = (
            f'{report.generator} lies in a list, of which a config cannot change one item: set '
            'anchor_file there by hand'
        )
        fragment = report.fragment or by_hand
        console.print(fragment, markup=False, highlight=False, soft_wrap=True)
    if target is not None:
        _line(
            console,
            f"written: {escape(str(target))} (anchor_file='{escape(str(target))}' instead of the "
            f'anchor keys of a DefectAnchorGenerator) and '
            f'{escape(str(target.with_suffix(".png")))}',
        )
