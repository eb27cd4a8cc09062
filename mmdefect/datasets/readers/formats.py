"""The annotation formats by name: which reader reads one, and which one a source is in."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

from mmdefect.datasets.format_names import FORMATS
from mmdefect.datasets.readers.base import BaseReader
from mmdefect.datasets.readers.detection import formats_found
from mmdefect.errors import InputError, nearest_name, reject_unknown_keys

__all__ = ['FORMATS', 'detect_format', 'open_reader', 'reader_class']


def detect_format(source: str | Path) -> str:
    """Say which annotation format a folder or a file is in.

    Names of files are looked through, and the first 64 kB of a few of each kind are read.

    Args:
        source (str | Path): A data set: its folder, or its annotation file.

    Returns:
        str: A key of :data:`FORMATS`.

    Raises:
        InputError: There is no such source, no format fits, or several do; the message names
            what was found.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / 'train.json'
        >>> _ = path.write_text('{"images": [], "annotations": [], "categories": []}')
        >>> detect_format(path.parent)
        'coco'
    """
    source = Path(source)
    found, kinds = formats_found(source)
    if len(found) == 1:
        return next(iter(found))
    known = ', '.join(FORMATS)
    if found:
        evidence = ', '.join(f'{name} ({path})' for name, path in found.items())
        raise InputError(f'{source}: several formats fit: {evidence}; name one with --format')
    shown = ', '.join(f'{count} {suffix}' for suffix, count in kinds.most_common(5))
    raise InputError(
        f'{source}: no annotation format fits (found {shown or "no files"}); check the path or '
        f'name one with --format ({known})'
    )


def reader_class(source_format: str) -> type[BaseReader]:
    """Look up the reader of a format.

    Args:
        source_format (str): A key of :data:`FORMATS`.

    Returns:
        type[BaseReader]: The class; its first parameter is the source.

    Raises:
        InputError: The format is not known; the message names the nearest one.

    Example:
        >>> reader_class('voc').__name__
        'VOCReader'
    """
    source_format = source_format.lower()
    if source_format not in FORMATS:
        near = nearest_name(source_format, FORMATS)
        hint = f'did you mean {near!r}?' if near else f'known formats: {", ".join(FORMATS)}'
        raise InputError(f'unknown annotation format {source_format!r}; {hint}')
    # Imported here: the package imports this module.
    readers = importlib.import_module('mmdefect.datasets.readers')
    found: type[BaseReader] = getattr(readers, FORMATS[source_format])
    return found


def open_reader(source: str | Path, source_format: str | None = None, **options: Any) -> BaseReader:
    """Open a data set with the reader of its format.

    Args:
        source (str | Path): A data set: its folder, or its annotation file.
        source_format (str | None): A key of :data:`FORMATS`. Default None: as
            :func:`detect_format` finds.
        **options: Further arguments of the reader, such as ``on_error`` and ``list_file``.

    Returns:
        BaseReader: The reader; nothing of the annotations is read yet.

    Raises:
        InputError: The format is not known or cannot be told, or an option is not one of its
            reader; the message names the nearest one.

    Example:
        >>> open_reader('steel', 'voc', on_eror='drop')
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: VOCReader: unknown key 'on_eror'; did you mean 'on_error'?
    """
    found = reader_class(source_format or detect_format(source))
    _, *known = (
        name
        for name, parameter in inspect.signature(found).parameters.items()
        if parameter.kind is not parameter.VAR_KEYWORD
    )
    reject_unknown_keys(found.__name__, options, known)
    return found(source, **options)  # type: ignore[arg-type]
