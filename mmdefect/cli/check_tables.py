"""The report of ``mmdefect check``, as a line engineer reads it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mmdefect.wording import counted

if TYPE_CHECKING:
    from mmdefect.engine.check import CheckReport
    from mmdefect.engine.check.data_counts import DataFlow

__all__ = ['print_report']

_GIB = 2**30
# Proposals of an untrained RPN hit nothing yet; anchors and points must.
_NONE = {True: '[red]none[/]', False: 'none yet'}


def print_report(report: CheckReport, console: Console | None = None) -> None:
    """Print data, model input, positives, iterations, times, and what is wrong.

    Args:
        report (CheckReport): What a check has found.
        console (Console | None): Where to print. Default None: standard output.

    Example:
        >>> from mmdefect.engine.check import CheckReport
        >>> print_report(CheckReport('c.py', 'cpu'))
        c.py on cpu
        good: nothing is wrong with it
    """
    console = console or Console()
    _line(console, f'[bold]{escape(report.config)}[/] on {report.device}')
    if report.flows:
        console.print(_data(report.flows))
        for flow in report.flows:
            _line(console, _arrivals(flow))
    if report.inputs:
        shapes = ', '.join(dict.fromkeys(str(item) for item in report.inputs))
        _line(console, f'model input: {shapes}')
    if report.parameters is not None:
        _line(console, f'weights that train: {report.parameters / 1e6:.2f} million')
    if report.positives:
        console.print(_positives(report))
    if report.iterations:
        console.print(_iterations(report))
    _print_times(report, console)
    for kind, colour, findings in (
        ('warning', 'yellow', report.warnings),
        ('problem', 'red', report.problems),
    ):
        for finding in findings:
            _line(console, f'[{colour}]{kind}:[/] {escape(str(finding))}')
    if report.failure is not None:
        _line(console, f'[red]failed:[/] {escape(str(report.failure))}')
        for part in report.not_judged:
            _line(console, f'not judged: {escape(part)}')
    if report.passed:
        words = 'nothing is wrong with it' if not report.warnings else 'see the warnings'
        _line(console, f'[green]good[/]: {words}')
    else:
        count = len(report.problems) + (report.failure is not None)
        _line(console, f'[red]{counted(count, "problem")}[/]')


def _line(console: Console, text: str) -> None:
    """One line, however long, so that it can be copied."""
    console.print(text, soft_wrap=True, highlight=False)


def _right(table: Table, start: int = 1) -> Table:
    for column in table.columns[start:]:
        column.justify = 'right'
    return table


def _data(flows: Iterable[DataFlow]) -> Table:
    flows = list(flows)
    table = Table('data', *(flow.name for flow in flows))
    items = ' or '.join(dict.fromkeys(f'{flow.item}s' for flow in flows))
    table.add_row(items, *(str(flow.images) for flow in flows))
    good = (str(flow.good) if flow.labelled else 'no labels' for flow in flows)
    table.add_row(f'good {items}', *good)
    table.add_row('most boxes in one image', *(str(flow.densest) for flow in flows))
    table.add_section()
    for name in dict.fromkeys(name for flow in flows for name in flow.boxes):
        counts = (str(flow.boxes.get(name, '-')) if flow.labelled else '-' for flow in flows)
        table.add_row(escape(f'boxes: {name}'), *counts)
    return _right(table)


def _arrivals(flow: DataFlow) -> str:
    parts = []
    reach = f' reach{"es" if flow.good_arrived == 1 else ""} the model'
    if flow.images_before != flow.images:
        parts.append(f'filter_cfg keeps {flow.images} of {counted(flow.images_before, flow.item)}')
    if flow.good_tried and flow.labelled:
        parts.append(
            f'{flow.good_arrived} of {counted(flow.good_tried, f"good {flow.item}")} tried{reach}'
        )
    elif flow.good_tried:
        parts.append(f'{flow.good_arrived} of {counted(flow.good_tried, flow.item)} tried{reach}')
    if flow.boxes_tried:
        parts.append(
            f'{flow.boxes_arrived} of {counted(flow.boxes_tried, "box", "boxes")} of '
            f'{counted(flow.marked_tried, "other")}'
        )
    if flow.seconds_per_image is not None:
        parts.append(f'{1000 * flow.seconds_per_image:.1f} ms per {flow.item}')
    return f'{flow.name}: {", ".join(parts) or "nothing tried"}'


def _positives(report: CheckReport) -> Table:
    table = Table(
        'head',
        'class',
        'boxes',
        'without',
        'positives by level',
    )
    for head in report.positives:
        for index, name in enumerate(head.classes):
            counts = head.positives[index]
            boxes = int(head.boxes[index])
            levels = ', '.join(
                f'{level}: {count}'
                for level, count in zip(head.levels, counts.tolist(), strict=True)
                if count
            )
            missed = '?' if head.missed is None else str(int(head.missed[index]))
            table.add_row(
                escape(head.name) if index == 0 else '',
                escape(name),
                str(boxes) if boxes else 'none seen',
                missed if boxes else '',
                levels or (_NONE[head.kind == 'dense'] if boxes else ''),
            )
        table.add_section()
    return table


def _iterations(report: CheckReport) -> Table:
    several = len(report.iterations) > 1
    table = Table(
        'iteration',
        *(
            f'{number}{" (warm-up)" if several and number == 1 else ""}'
            for number in range(1, len(report.iterations) + 1)
        ),
    )
    for name in dict.fromkeys(name for item in report.iterations for name in item.losses):
        values = (item.losses.get(name) for item in report.iterations)
        table.add_row(escape(name), *('' if value is None else f'{value:.4g}' for value in values))
    table.add_section()
    table.add_row('waiting for data', *(f'{item.data_seconds:.2f} s' for item in report.iterations))
    table.add_row('training step', *(f'{item.step_seconds:.2f} s' for item in report.iterations))
    return _right(table)


def _print_times(report: CheckReport, console: Console) -> None:
    time = report.time
    if time is not None:
        if time.epoch_seconds is None:
            part = f'1,000 iterations {_span(1000 * time.iteration_seconds)}'
        else:
            part = f'one epoch of {counted(time.batches, "iteration")} {_span(time.epoch_seconds)}'
        total = '' if time.total_seconds is None else f', all of it {_span(time.total_seconds)}'
        _line(console, f'expected: {part}{total}, without validation; {time.precision}')
    if report.validation_seconds is not None and report.validation_batches is not None:
        whole = report.validation_seconds * report.validation_batches
        _line(console, f'expected: one validation {_span(whole)} and loading; from one batch')
    memory = [
        f'{value / _GIB:.2f} GiB {where}'
        for value, where in ((report.peak_bytes, 'main'), (report.peak_bytes_gpu, 'GPU'))
        if value is not None
    ]
    if memory:
        _line(console, f'memory at most: {", ".join(memory)} (this process, loaders not counted)')


def _span(seconds: float) -> str:
    """A time with two digits that matter."""
    if seconds < 100:
        return f'{seconds:.2g} s'
    if seconds < 6000:
        return f'{seconds / 60:.2g} min'
    if seconds < 48 * 3600:
        return f'{seconds / 3600:.2g} h'
    return f'{timedelta(seconds=seconds).days} days'
