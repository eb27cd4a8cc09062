"""``mmdefect audit``: what is wrong with a data set?"""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmdefect.cli.output_file import require_output_file
from mmdefect.cli.progress import track
from mmdefect.cli.reader_options import (
    UnlabelledOption,
    class_names,
    class_values,
    name_options,
)
from mmdefect.datasets.format_names import FORMATS
from mmdefect.errors import InputError, nearest_name
from mmdefect.fileio import refuse_other_file

if TYPE_CHECKING:
    from mmdefect.datasets.audit import Audit, Source

__all__ = ['audit']

_OUT = Path('work_dirs/audit/audit.html')


def audit(
    data: Annotated[
        list[Path],
        typer.Argument(
            metavar='DATA...',
            help='A folder or annotation file of any format, or a CONFIG.py; several are splits.',
        ),
    ],
    source_format: Annotated[
        str | None,
        typer.Option('--format', help=f'One of {", ".join(FORMATS)}. Default: told by looking.'),
    ] = None,
    splits: Annotated[
        list[str] | None,
        typer.Option(
            '--split',
            metavar='NAME=LIST',
            help='A split of the folder and the text file of its images; once per split. Default: '
            'train.txt, val.txt, test.txt in the folder, COCO files or folders of these names.',
        ),
    ] = None,
    list_file: Annotated[
        Path | None, typer.Option('--list', help='Text file of the only images to read.')
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            help='Class names wanted, with commas; others are a problem. yolo: the names of '
            'classes 0, 1, ...; mask: of values 1, 2, ..., or 50=rust,100=chip.'
        ),
    ] = None,
    unlabelled: Annotated[
        UnlabelledOption | None,
        typer.Option(
            help='voc, yolo, labelme, label-studio, mask: an image without annotation is an '
            'error, a good part, or left out.'
        ),
    ] = None,
    image_root: Annotated[
        Path | None,
        typer.Option(
            help='coco, labelme, label-studio, cvat, sku110k, severstal: folder of the images. '
            'Default: near DATA.'
        ),
    ] = None,
    zero_based: Annotated[
        bool, typer.Option('--zero-based', help='voc: corners are 0-based, as LabelImg writes.')
    ] = False,
    no_images: Annotated[
        bool, typer.Option('--no-images', help='Read no image file: no image checks, no pictures.')
    ] = False,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar='RUN',
            help='Work dir of a training, or a checkpoint in one: also list where it contradicts '
            'the labels.',
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help='HTML file to write; a JSON file of that name is put beside it.',
            show_default=f'{_OUT}, with --json nothing',
        ),
    ] = None,
    max_thumbnails: Annotated[
        int, typer.Option(min=0, help='Findings of each kind shown in the HTML file.')
    ] = 24,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar='KIND',
            help='A kind of problem that has been looked at and gives no exit code 1; repeatable.',
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option('--json', help='Print one JSON object and nothing else.')
    ] = False,
) -> None:
    """Look for what is wrong with a data set; exit 1 when there are problems.

    Unreadable and odd images, leaks between splits, suspicious boxes and classes. Nothing is
    written beside the data.
    """
    from mmdefect.datasets.audit import AUDIT_FORMAT, KINDS, run_audit

    target = out or (None if as_json else _OUT)
    if target is not None:
        require_output_file(target, '.html', '.htm')
        refuse_other_file(target.with_suffix('.json'), AUDIT_FORMAT)
    for kind in allow or ():
        if kind not in KINDS:
            near = nearest_name(kind, KINDS)
            hint = f'did you mean {near!r}?' if near else f'known: {", ".join(KINDS)}'
            raise InputError(f'--allow: no kind {kind!r}; {hint}')
    if model is not None and no_images:
        raise InputError('--model needs the images; leave out --no-images')
    # Standard output is for the result, whatever upstream prints on the way.
    with contextlib.redirect_stdout(sys.stderr):
        options = {
            '--unlabelled': ('unlabelled', unlabelled and unlabelled.value),
            '--image-root': ('image_root', image_root),
            '--zero-based': ('one_based', False if zero_based else None),
        }
        try:
            sources, wanted = _sources(data, source_format, splits, list_file, classes, options)
            name = ', '.join(map(str, data))
            result = run_audit(
                sources, name, wanted=wanted, check_images=not no_images, track=track
            )
        except InputError as error:
            raise InputError(name_options(str(error))) from error
        if model is not None:
            _ask_model(result, model)
    content = result.as_dict()
    if target is not None:
        _write(result, content, target, max_thumbnails, not no_images)
    if as_json:
        print(json.dumps(content, ensure_ascii=False, allow_nan=False))
    else:
        from mmdefect.cli.audit_tables import print_audit

        print_audit(result, target)
    left = [kind for kind in result.found.kinds() if KINDS[kind].severity == 'problem']
    raise typer.Exit(1 if set(left) - set(allow or ()) else 0)


def _sources(
    data: list[Path],
    source_format: str | None,
    splits: list[str] | None,
    list_file: Path | None,
    classes: str | None,
    options: dict[str, tuple[str, Any]],
) -> tuple[list[Source], list[str] | None]:
    """``options``: what the readers call each option, and its value, None where not given."""
    from mmdefect.datasets.audit import data_sources

    by_value = None if classes is None else class_values(classes)
    names = None if classes is None else list((by_value or {}).values()) or class_names(classes)
    given = {option: value for option, (_, value) in options.items() if value is not None}
    if any(path.suffix == '.py' for path in data):
        others = {'--format': source_format, '--split': splits, '--list': list_file}
        return _config(data, names, [*(key for key in others if others[key]), *given])
    lists = _lists(splits, list_file)
    if source_format is not None and source_format not in FORMATS:
        from mmdefect.datasets.readers import reader_class

        reader_class(source_format)
    keys = {options[option][0]: value for option, value in given.items()}
    return data_sources(data, source_format, lists, keys, by_value or names), names


def _config(
    data: list[Path], names: list[str] | None, others: list[str]
) -> tuple[list[Source], list[str] | None]:
    from mmengine.config import Config

    from mmdefect.datasets.audit import config_sources

    if len(data) > 1:
        raise InputError(f'{data[0]}: a config names all its splits; give it alone')
    if others:
        raise InputError(f'{others[0]} does not go with a config, which says it itself')
    if not data[0].is_file():
        raise InputError(f'{data[0]}: no such file; give an existing config file')
    try:
        config = Config.fromfile(str(data[0]))
    # A config is executed, so it can raise anything.
    except Exception as error:
        raise InputError(
            f'{data[0]}: not a readable config ({type(error).__name__}: {error}); correct it'
        ) from None
    sources, known = config_sources(config, str(data[0]))
    return sources, names or known


def _lists(splits: list[str] | None, list_file: Path | None) -> dict[str, Path]:
    lists: dict[str, Path] = {}
    for text in splits or ():
        name, equals, path = (word.strip() for word in text.partition('='))
        if not (name and equals and path):
            raise InputError(f'--split: {text!r} must be NAME=LIST, such as train=train.txt')
        if name in lists:
            raise InputError(f'--split: split {name!r} stands twice')
        lists[name] = Path(path)
    if list_file is not None:
        if lists:
            raise InputError('--list and --split: give one of them')
        lists[list_file.stem] = list_file
    return lists


def _write(
    result: Audit, content: dict[str, Any], target: Path, most: int, with_pictures: bool
) -> None:
    from mmdefect.fileio import write_json
    from mmdefect.report.audit_page import write_audit

    write_audit(result, target, most=most, with_pictures=with_pictures, track=track)
    write_json(target.with_suffix('.json'), content, indent=1)


def _ask_model(result: Audit, run: Path) -> None:
    from mmdefect.cli.config_command import quiet
    from mmdefect.engine.ask_model import ask_model
    from mmdefect.engine.predict import find_run, load_model

    config, checkpoint = find_run(run)
    with quiet():
        model = load_model(config, checkpoint)
    ask_model(result, model, str(checkpoint), track)
