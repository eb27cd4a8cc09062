"""``mmdefect sample-data``: write a generated data set."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

__all__ = ['sample_data']


class Kind(str, Enum):
    """Data sets that can be generated."""

    drill = 'drill'


class Level(str, Enum):
    """How hard the defects are to see."""

    easy = 'easy'
    real = 'real'


def sample_data(
    kind: Annotated[Kind, typer.Argument(help='Which data set.')],
    out: Annotated[Path, typer.Argument(help='Folder to write; made when absent.')],
    level: Annotated[Level, typer.Option(help='easy for demos, real for claims.')] = Level.easy,
    seed: Annotated[int, typer.Option(help='Same seed, same bytes.')] = 0,
) -> None:
    """Write a generated data set: images and one COCO file per split."""
    from rich.console import Console
    from rich.progress import Progress

    from mmdefect.datasets.synthetic import write_drill

    console = Console()
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(f'{kind.value} parts', total=None)

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        summary = write_drill(out, level.value, seed=seed, progress=show)
    console.print(str(summary), highlight=False, markup=False)
