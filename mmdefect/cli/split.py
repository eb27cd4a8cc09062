"""``mmdefect split``: one COCO file into several, by part and stratified by class."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from mmdefect.cli.output_file import require_output_folder
from mmdefect.cli.progress import progress
from mmdefect.errors import InputError

__all__ = ['split']


def split(
    source: Annotated[Path, typer.Argument(metavar='COCO.json', help='The file to split.')],
    out_dir: Annotated[
        Path, typer.Argument(metavar='OUT_DIR', help='Folder for one JSON file per split.')
    ],
    ratios: Annotated[
        str,
        typer.Option(
            help='Shares of the images, such as train=.8,val=.2 or labeled=.1,unlabeled=.9.'
        ),
    ],
    group: Annotated[
        str | None,
        typer.Option(
            help='Image key that names the part; id splits by image. Default: part_id if there.'
        ),
    ] = None,
    group_pattern: Annotated[
        str | None,
        typer.Option(help='Regular expression on file_name; its one group is the part.'),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help='Seed of the random choices.')] = 0,
) -> None:
    """Split a COCO file: parts stay together, classes are spread evenly, every image once."""
    from mmdefect.datasets.coco_file import load_coco, relocate_images
    from mmdefect.datasets.split import split_coco
    from mmdefect.fileio import write_json

    require_output_folder(out_dir, 'OUT_DIR')
    shares = _parse_ratios(ratios)
    for name in shares:
        if (out_dir / f'{name}.json').resolve() == source.resolve():
            raise InputError(
                f'{source}: split {name!r} would overwrite the file it comes from; choose '
                'another OUT_DIR'
            )
    with progress('splitting'):
        content = relocate_images(load_coco(source), source, out_dir)
        splits = split_coco(content, shares, group, group_pattern, seed, str(source))
        _check_targets(out_dir / f'{name}.json' for name in splits)
        for name, part in splits.items():
            write_json(out_dir / f'{name}.json', part)
    _print_table(splits, out_dir)


def _parse_ratios(text: str) -> dict[str, float]:
    shares: dict[str, float] = {}
    for item in text.split(','):
        name, equals, share = (word.strip() for word in item.partition('='))
        try:
            value = float(share)
        except ValueError:
            value = None
        if not equals or value is None:
            raise InputError(f'--ratios: {item!r} must be NAME=SHARE, such as train=.8,val=.2')
        if name in shares:
            raise InputError(f'--ratios: split {name!r} stands twice')
        shares[name] = value
    return shares


def _check_targets(paths: Iterable[Path]) -> None:
    """Refuse what would stop a later file once the first one is written."""
    for path in paths:
        reason = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(prefix=f'.{path.name}.', dir=path.parent):
                pass
            if path.is_dir():
                reason = 'is a folder'
            elif path.exists() and not os.access(path, os.W_OK):
                reason = 'is read-only'
        except OSError as error:
            reason = error.strerror or str(error)
        if reason is not None:
            raise InputError(
                f'{path}: cannot be written ({reason}), so no split is; choose another OUT_DIR '
                'or split name'
            )


def _print_table(splits: dict[str, dict[str, Any]], out_dir: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    names = {c['id']: c['name'] for part in splits.values() for c in part['categories']}
    boxes = {
        name: {key: sum(a['category_id'] == key for a in part['annotations']) for key in names}
        for name, part in splits.items()
    }
    table = Table(title=f'Splits in {out_dir}')
    table.add_column('')
    for name in splits:
        table.add_column(name, justify='right')
    images = {name: len(part['images']) for name, part in splits.items()}
    good = {
        name: images[name] - len({a['image_id'] for a in part['annotations']})
        for name, part in splits.items()
    }
    table.add_row('images', *_with_shares(list(images.values())))
    table.add_row('of them without boxes', *_with_shares(list(good.values())), end_section=True)
    for key, label in names.items():
        table.add_row(f'boxes {label}', *_with_shares([boxes[name][key] for name in splits]))
    Console().print(table)


def _with_shares(numbers: list[int]) -> list[str]:
    total = sum(numbers)
    return [f'{n} ({n / total:.1%})' if total else str(n) for n in numbers]
