"""``mmdefect sample-data``: write a generated data set."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from mmdefect.cli.output_file import require_output_folder
from mmdefect.cli.progress import progress
from mmdefect.errors import InputError

__all__ = ['sample_data']


class Kind(str, Enum):
    """Data sets that can be generated."""

    drill = 'drill'
    shelf = 'shelf'
    steel = 'steel'


class Level(str, Enum):
    """How hard the objects are to see."""

    easy = 'easy'
    real = 'real'


# What the parts of each are.
_UNITS = {Kind.drill: 'parts', Kind.shelf: 'shelves', Kind.steel: 'coils'}


def sample_data(
    kind: Annotated[
        Kind,
        typer.Argument(
            help='drill: end views of drill bits, eight per part, five classes of defects. shelf: '
            'rows of 50 to 250 products that touch, one class, also as SKU-110K CSV. steel: '
            '1600 x 256 strips, four classes of defects, also as Severstal run-length CSV.'
        ),
    ],
    out: Annotated[Path, typer.Argument(help='Folder to write; made when absent.')],
    level: Annotated[Level, typer.Option(help='easy for demos, real for claims.')] = Level.easy,
    seed: Annotated[int, typer.Option(help='Same seed, same bytes.')] = 0,
    bit_depth: Annotated[
        int, typer.Option(help='drill: 8 is colour JPEG; 10, 12, 14, 16 grey 16-bit PNG.')
    ] = 8,
) -> None:
    """Write a generated data set: images and one COCO file per split."""
    from rich.console import Console

    from mmdefect.datasets.synthetic import write_drill, write_shelf, write_steel

    require_output_folder(out, 'OUT')
    if bit_depth != 8 and kind is not Kind.drill:
        raise InputError(f'--bit-depth does not go with {kind.value}; leave it out')
    write: Callable[..., object] = {
        Kind.drill: partial(write_drill, bit_depth=bit_depth),
        Kind.shelf: write_shelf,
        Kind.steel: write_steel,
    }[kind]
    unit = _UNITS[kind]
    with progress('drawing', unit=unit) as update:
        summary = write(out, level.value, seed=seed, progress=update)
    Console().print(str(summary), highlight=False, markup=False, soft_wrap=True)
