"""``mmdefect convert``: any annotation format that has a reader into COCO JSON."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmdefect.cli.progress import track
from mmdefect.errors import InputError

if TYPE_CHECKING:
    from mmdefect.datasets.readers import BaseReader

__all__ = ['SourceFormat', 'convert']


class SourceFormat(str, Enum):
    """Formats that ``mmdefect convert`` reads.

    Example:
        >>> SourceFormat('voc').name
        'voc'
    """

    voc = 'voc'
    coco = 'coco'


class WithoutXml(str, Enum):
    """What an image without an XML file is."""

    error = 'raise'
    good = 'good'
    skip = 'skip'


def convert(
    source_format: Annotated[
        SourceFormat,
        typer.Argument(metavar='FORMAT', help='voc: a folder; coco: a JSON file.'),
    ],
    source: Annotated[Path, typer.Argument(metavar='SRC', help='What to read.')],
    out: Annotated[Path, typer.Argument(metavar='OUT.json', help='The COCO file to write.')],
    list_file: Annotated[
        Path | None,
        typer.Option('--list', help='voc: text file below SRC with one stem per line.'),
    ] = None,
    zero_based: Annotated[
        bool, typer.Option('--zero-based', help='voc: corners are 0-based, as LabelImg writes.')
    ] = False,
    keep_difficult: Annotated[
        bool, typer.Option('--keep-difficult', help='voc: difficult boxes are like any other.')
    ] = False,
    images_without_xml: Annotated[
        WithoutXml, typer.Option(help='voc: an error, good parts, or left out.')
    ] = WithoutXml.error,
    images: Annotated[str, typer.Option(help='voc: image folder below SRC.')] = 'images',
    annotations: Annotated[str, typer.Option(help='voc: XML folder below SRC.')] = 'annotations',
    image_root: Annotated[
        Path | None,
        typer.Option(help='coco: folder that file_name is relative to. Default: that of SRC.'),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(help='Class names in category order, with commas. Default: as found.'),
    ] = None,
    drop_bad: Annotated[
        bool, typer.Option('--drop-bad', help='Drop and list bad boxes and images.')
    ] = False,
) -> None:
    """Convert annotations to COCO JSON with ids from 1 and paths relative to the new file."""
    from mmdefect.datasets.coco_file import records_to_coco
    from mmdefect.datasets.readers import COCOReader, VOCReader
    from mmdefect.fileio import write_json

    on_error = 'drop' if drop_bad else 'raise'
    only_voc = {
        '--list': list_file is not None,
        '--zero-based': zero_based,
        '--keep-difficult': keep_difficult,
        '--images-without-xml': images_without_xml is not WithoutXml.error,
        '--images': images != 'images',
        '--annotations': annotations != 'annotations',
    }
    reader: BaseReader
    if source_format is SourceFormat.voc:
        _refuse({'--image-root': image_root is not None}, source_format)
        reader = VOCReader(
            source,
            images=images,
            annotations=annotations,
            list_file=None if list_file is None else str(list_file),
            one_based=not zero_based,
            difficult='keep' if keep_difficult else 'ignore',
            images_without_xml=images_without_xml.value,  # type: ignore[arg-type]
            on_error=on_error,  # type: ignore[arg-type]
        )
    else:
        _refuse(only_voc, source_format)
        reader = COCOReader(source, image_root, on_error=on_error)  # type: ignore[arg-type]
    records = track(reader, 'reading')
    order = _class_names(classes) or (reader.classes if reader.declares_classes else None)
    content = records_to_coco(records, order, out.parent)
    if not content['images']:
        raise InputError(f'{reader.name}: no images; check the path')
    write_json(out, content)
    _print_summary(reader, content, out)


def _refuse(given: dict[str, bool], source_format: SourceFormat) -> None:
    for option, is_given in given.items():
        if is_given:
            raise InputError(f'{option} does not go with the format {source_format.value}')


def _class_names(text: str | None) -> list[str] | None:
    if text is None:
        return None
    names = [name.strip() for name in text.split(',')]
    for name in names:
        if not name or names.count(name) > 1:
            raise InputError(f'--classes: {name!r} must be a name that stands once')
    return names


def _print_summary(reader: BaseReader, content: dict[str, Any], out: Path) -> None:
    names = ', '.join(category['name'] for category in content['categories'])
    typer.echo(
        f'{out}: {len(content["images"])} images, {len(content["annotations"])} boxes, '
        f'classes {names}'
    )
    for note in reader.notes:
        typer.echo(note, err=True)
    if reader.problems:
        typer.echo(f'dropped: {len(reader.problems)}', err=True)
    for problem in reader.problems[:10]:
        typer.echo(f'  {problem}', err=True)
