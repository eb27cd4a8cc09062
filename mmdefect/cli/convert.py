"""``mmdefect convert``: any annotation format that has a reader into COCO JSON."""

from __future__ import annotations

import inspect
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmdefect.cli.output_file import require_output_file
from mmdefect.cli.progress import progress, track
from mmdefect.cli.reader_options import (
    UnlabelledOption,
    class_names,
    class_values,
    name_options,
)
from mmdefect.datasets.format_names import FORMATS
from mmdefect.errors import InputError
from mmdefect.wording import counted

if TYPE_CHECKING:
    from mmdefect.datasets.readers import BaseReader

__all__ = ['convert']


class _OfSeveral(str, Enum):
    """Which of several annotations of an image counts."""

    newest = 'newest'
    first = 'first'
    error = 'raise'


_PANEL = 'Options of some formats'


def convert(
    source_format: Annotated[
        str, typer.Argument(metavar='FORMAT', help=f'One of {", ".join(FORMATS)}.')
    ],
    source: Annotated[
        Path,
        typer.Argument(metavar='SRC', help='A folder or a file; all that is found there is read.'),
    ],
    out: Annotated[Path, typer.Argument(metavar='OUT.json', help='The COCO file to write.')],
    list_file: Annotated[
        Path | None,
        typer.Option('--list', help='Text file of the images to read, below SRC or here.'),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            help='Class names in category order, with commas. Default: as declared, else sorted. '
            'yolo: the names of classes 0, 1, ...; severstal: of 1, 2, ...; mask: of values 1, 2, '
            '..., or 50=rust,100=chip.'
        ),
    ] = None,
    drop_bad: Annotated[
        bool,
        typer.Option(
            '--drop-bad',
            help='Drop and list bad boxes and images. No image is decoded: see audit.',
        ),
    ] = False,
    unlabelled: Annotated[
        UnlabelledOption | None,
        typer.Option(
            rich_help_panel=_PANEL,
            help='voc, yolo, labelme, label-studio, mask: an image without annotation is an '
            'error, a good part, or left out.',
        ),
    ] = None,
    image_root: Annotated[
        Path | None,
        typer.Option(
            rich_help_panel=_PANEL,
            help='coco, labelme, label-studio, cvat, sku110k, severstal: folder of the images. '
            'Default: near SRC.',
        ),
    ] = None,
    zero_based: Annotated[
        bool,
        typer.Option(
            '--zero-based',
            rich_help_panel=_PANEL,
            help='voc: corners are 0-based, as LabelImg writes.',
        ),
    ] = False,
    keep_difficult: Annotated[
        bool,
        typer.Option(
            '--keep-difficult',
            rich_help_panel=_PANEL,
            help='voc: difficult boxes are like any other.',
        ),
    ] = False,
    images: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_PANEL, help='voc: image folder below SRC. Default: found by looking.'
        ),
    ] = None,
    annotations: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_PANEL, help='voc: XML folder below SRC. Default: found by looking.'
        ),
    ] = None,
    of_several: Annotated[
        _OfSeveral | None,
        typer.Option(
            rich_help_panel=_PANEL,
            help='label-studio: which of several annotations counts. Default: newest.',
        ),
    ] = None,
    image_key: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_PANEL,
            help='label-studio: key of data that names the image. Default: found by looking.',
        ),
    ] = None,
    class_name: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_PANEL,
            help='mask: class of binary masks. Default: their folder, else defect.',
        ),
    ] = None,
    min_area: Annotated[
        int | None,
        typer.Option(
            rich_help_panel=_PANEL,
            help='mask, severstal: leave out components of fewer pixels. Default: 9.',
        ),
    ] = None,
    masks: Annotated[
        bool,
        typer.Option(
            '--masks',
            rich_help_panel=_PANEL,
            help='coco, mask, severstal: write the masks of the boxes too.',
        ),
    ] = False,
    size: Annotated[
        tuple[int, int] | None,
        typer.Option(
            rich_help_panel=_PANEL,
            metavar='W H',
            help='severstal: size of all images in pixels. Default: 1600 256.',
        ),
    ] = None,
) -> None:
    """Convert annotations to COCO JSON with ids from 1 and paths relative to the new file."""
    from mmdefect.datasets.coco_file import records_to_coco
    from mmdefect.datasets.readers import open_reader, reader_class
    from mmdefect.fileio import write_json

    require_output_file(out, '.json', option='OUT.json')
    known = inspect.signature(reader_class(source_format)).parameters
    # What the reader calls an option, the option, and its value where it is given.
    given: tuple[tuple[str, str, Any], ...] = (
        ('list_file', '--list', list_file),
        ('unlabelled', '--unlabelled', unlabelled and unlabelled.value),
        ('image_root', '--image-root', image_root),
        ('one_based', '--zero-based', False if zero_based else None),
        ('difficult', '--keep-difficult', 'keep' if keep_difficult else None),
        ('images', '--images', images),
        ('annotations', '--annotations', annotations),
        ('annotation', '--of-several', of_several and of_several.value),
        ('image_key', '--image-key', image_key),
        ('class_name', '--class-name', class_name),
        ('min_area', '--min-area', min_area),
        ('masks', '--masks', masks or None),
        ('size', '--size', size),
    )
    options = {key: value for key, _, value in given if value is not None}
    for key, option, _ in given:
        if key in options and key not in known:
            raise InputError(f'{option} does not go with the format {source_format}')
    order = None if classes is None else class_names(classes)
    if classes is not None and 'classes' in known:
        options['classes'] = (class_values(classes) if source_format == 'mask' else None) or order
        order = None
    options['on_error'] = 'drop' if drop_bad else 'raise'
    if out.exists() and source.exists() and out.samefile(source):
        raise InputError(f'{out}: is what is to be converted; choose another OUT.json')
    try:
        with progress('opening'):
            reader = open_reader(source, source_format, **options)
            order = order or (list(reader.classes) if reader.declares_classes else None)
        content = records_to_coco(track(reader, 'reading'), order, out.parent)
    except InputError as error:
        raise InputError(name_options(str(error))) from error
    if not content['images']:
        why = f'dropped {len(reader.problems)}: {reader.problems[0]}' if reader.problems else ''
        raise InputError(f'{reader.name}: no images; {why or "check the path"}')
    with progress('writing'):
        write_json(out, content)
    _print_summary(reader, content, out)


def _print_summary(reader: BaseReader, content: dict[str, Any], out: Path) -> None:
    names = ', '.join(category['name'] for category in content['categories'])
    good = len(content['images']) - len({box['image_id'] for box in content['annotations']})
    typer.echo(
        f'{out}: {counted(len(content["images"]), "image")}, {good} of them without a box, '
        f'{counted(len(content["annotations"]), "box", "boxes")}, '
        f'{f"classes {names}" if names else "no classes"}'
    )
    for note in reader.notes:
        typer.echo(name_options(note), err=True)
    if reader.problems:
        what = (
            'images with something wrong are left out'
            if reader.drops_images
            else 'an image that lost all its boxes counts as good: mend its annotation, or leave '
            'it out'
        )
        typer.echo(f'dropped: {len(reader.problems)}; {what}', err=True)
    for problem in reader.problems[:10]:
        typer.echo(f'  {name_options(str(problem))}', err=True)
    if len(reader.problems) > 10:
        typer.echo(f'  ... and {len(reader.problems) - 10} more', err=True)
