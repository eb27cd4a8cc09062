"""What ``mmdefect audit`` prints."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mmdefect.wording import counted

if TYPE_CHECKING:
    from rich.console import Console

    from mmdefect.datasets.audit import Audit

__all__ = ['print_audit']

_MOST_CLASSES = 40


def print_audit(audit: Audit, target: Path | None) -> None:
    """Print counts, classes, files and findings as tables.

    Args:
        audit (Audit): What was found.
        target (Path | None): HTML file that shows it; None when none was written.
    """
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    _print_splits(console, audit)
    _print_classes(console, audit)
    for line in _facts(audit):
        console.print(line, soft_wrap=True)
    for split, note in audit.table.notes:
        console.print(f'{split}: {note}' if split else note, soft_wrap=True)
    _print_findings(console, audit)
    where = ''
    if target is not None:
        size = target.stat().st_size / 1e6
        where = f'; look at {target} ({size:.1f} MB), all of it in {target.with_suffix(".json")}'
    problems, notes = counted(audit.problems, 'problem'), counted(audit.notes, 'note')
    console.print(f'{problems}, {notes}{where}', soft_wrap=True)


def _print_splits(console: Console, audit: Audit) -> None:
    from rich.table import Table

    rows = audit.statistics.splits
    table = Table('split', title=audit.name)
    for name in ('images', 'good', 'boxes', 'ignored', 'parts'):
        table.add_column(name, justify='right')
    for row in rows:
        numbers = (row.images, row.good, row.boxes, row.ignored, row.parts)
        table.add_row(row.name or 'all', *map(str, numbers))
    console.print(table)


def _print_classes(console: Console, audit: Audit) -> None:
    from rich.table import Table

    splits = [split.name or 'boxes' for split in audit.statistics.splits]
    table = Table('class')
    names = (*splits, 'images', 'touching', 'side px', 'ratio w/h')
    for name in names:
        table.add_column(name, justify='right')
    rows = audit.statistics.classes
    for row in [*rows[:_MOST_CLASSES], audit.statistics.total]:
        total = sum(row.boxes)
        table.add_row(
            row.name,
            *map(str, row.boxes),
            str(sum(row.images)),
            f'{row.touching / total:.0%}' if total and row is not audit.statistics.total else '',
            _spread(row.quantiles.get('side')),
            _spread(row.quantiles.get('ratio')),
        )
    console.print(table)
    if len(rows) > _MOST_CLASSES:
        more = counted(len(rows) - _MOST_CLASSES, 'more class', 'more classes')
        console.print(f'and {more}')
    console.print('side: root of the area; side and ratio: 5 %, 50 % and 95 % of the boxes')
    per_image = audit.statistics.total.quantiles.get('per_image')
    if per_image:
        console.print(f'boxes per image, likewise: {_spread(per_image)}; most: {per_image[-1]:.0f}')


def _spread(values: list[float] | None) -> str:
    """The quantiles at 5, 50 and 95 %."""
    if not values:
        return ''
    return ' '.join(
        f'{value:.0f}' if 100 <= value < 1e5 else f'{value:.2g}' for value in values[1:6:2]
    )


def _facts(audit: Audit) -> list[str]:
    lines = []
    if audit.files is not None and audit.files.formats:
        parts = [
            ', '.join(f'{count} {name}' for name, count in counts.items())
            for counts in (
                audit.files.formats,
                audit.files.channels,
                audit.files.depths,
                audit.files.sizes,
            )  # fmt: skip
        ]
        lines.append(f'image files: {"; ".join(parts)}')
        lines.append(
            f'image checks: {audit.files.images_per_second:.0f} images/s '
            f'({audit.files.seconds:.1f} s)'
        )
    if audit.model is not None:
        scores = ', '.join(
            f'{name} {score:.2f}' for name, score in audit.model['confident'].items()
        )
        lines.append(f'model: {audit.model["checkpoint"]}; confident from score {scores}')
        if audit.model['left_out']:
            lines.append(f'classes that only the model has: {", ".join(audit.model["left_out"])}')
    for split, guess in audit.corners.items():
        lines.append(f'corners{" of " + split if split else ""}: {guess.as_text()}')
    return lines


def _print_findings(console: Console, audit: Audit) -> None:
    from rich.text import Text

    from mmdefect.datasets.audit import KINDS

    root = f'{audit.table.shared_folder()}{os.sep}'
    width = len(str(max(audit.found.totals.values(), default=0)))
    for kind in audit.found.kinds():
        worst = audit.found.of(kind)[0]
        severity = KINDS[kind].severity
        line = Text(f'{severity:7} {audit.found.totals[kind]:{width}} ')
        line.stylize('red' if severity == 'problem' else 'cyan', 0, 7)
        line.append(KINDS[kind].title, 'bold')
        line.append(f' ({kind})')
        console.print(line, soft_wrap=True)
        example = f'{worst.where}: {worst.what}'.replace(root, '')
        console.print(f'{"":{width + 8}} {" ".join(example.split())}', soft_wrap=True)
