"""``mmdefect sample-data``: write a generated data set."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from mmdefect.cli.progress import progress

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
    bit_depth: Annotated[
        int, typer.Option(help='8: colour JPEG; 10, 12, 14, 16: grey 16-bit PNG.')
    ] = 8,
) -> None:
    """Write a generated data set: images and one COCO file per split."""
    from rich.console import Console

    from mmdefect.datasets.synthetic import write_drill

    with progress(f'{kind.value} parts', unit='parts') as update:
        summary = write_drill(out, level.value, seed=seed, bit_depth=bit_depth, progress=update)
    Console().print(str(summary), highlight=False, markup=False)
