"""Fitted anchors as a JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.fileio import write_json

__all__ = ['ANCHOR_FORMAT', 'ANCHOR_KEYS', 'read_anchor_file', 'write_anchor_file']

ANCHOR_FORMAT = 'mmdefect.anchors'
_VERSION = 1
# Keys of DefectAnchorGenerator that a file states; the first four always.
ANCHOR_KEYS = ('strides', 'ratios', 'ratio_order', 'scales', 'base_sizes', 'centers')
_ALWAYS = 4


def write_anchor_file(
    path: str | Path, anchors: Mapping[str, Any], fitted_to: Mapping[str, Any]
) -> None:
    """Write anchors for ``DefectAnchorGenerator(anchor_file=...)``.

    Args:
        path (str | Path): Target file.
        anchors (Mapping): Keys of the generator, of ``ANCHOR_KEYS``.
        fitted_to (Mapping): What they were fitted to, for people; nothing reads it.

    Raises:
        InputError: The file cannot be written.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / 'anchors.json'
        >>> anchors = dict(strides=[16], ratios=[.5], ratio_order='w/h', scales=[4])
        >>> write_anchor_file(target, anchors, {'boxes': 120})
        >>> read_anchor_file(target) == anchors
        True
    """
    content = {'format': ANCHOR_FORMAT, 'version': _VERSION, **anchors, 'fitted_to': fitted_to}
    write_json(path, content, indent=1)


def read_anchor_file(path: str | Path) -> dict[str, Any]:
    """Read the anchors of a file that ``mmdefect anchors CONFIG --out`` has written.

    Args:
        path (str | Path): The file.

    Returns:
        dict[str, Any]: Keys of the generator; their values are not checked.

    Raises:
        InputError: There is no such file, it is another one, or keys are missing or unknown.

    Example:
        >>> read_anchor_file('none.json')
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: none.json: no such file; write one with `mmdefect anchors \
CONFIG --out none.json`
    """
    cure = f'write one with `mmdefect anchors CONFIG --out {path}`'
    try:
        content = json.loads(Path(path).read_text(encoding='utf-8'))
    except FileNotFoundError:
        raise InputError(f'{path}: no such file; {cure}') from None
    except (OSError, ValueError) as error:
        raise InputError(f'{path}: not a readable JSON file ({error}); {cure}') from None
    if not isinstance(content, dict) or content.get('format') != ANCHOR_FORMAT:
        raise InputError(
            f'{path}: not a file of anchors; `mmdefect anchors CONFIG --out NEW.json` writes one'
        )
    if content.get('version') != _VERSION:
        raise InputError(
            f'{path}: version must be {_VERSION}, got {content.get("version")!r}; {cure}'
        )
    keys = content.keys() - {'format', 'version', 'fitted_to'}
    reject_unknown_keys(f'{path}', sorted(keys), ANCHOR_KEYS)
    missing = [key for key in ANCHOR_KEYS[:_ALWAYS] if key not in keys]
    if missing:
        raise InputError(f'{path}: key {missing[0]!r} is missing; {cure}')
    return {key: content[key] for key in ANCHOR_KEYS if key in keys}
