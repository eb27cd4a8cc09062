"""Whole-file writes that never leave half a file behind."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from mmdefect.errors import InputError

__all__ = ['write_bytes', 'write_json', 'write_text']


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write a file under a temporary name in the same folder, then rename it.

    Args:
        path (str | Path): Target file; missing parent folders are made.
        data (bytes): The content.

    Raises:
        InputError: The path cannot be written.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / 'a' / 'b.bin'
        >>> write_bytes(target, b'abc')
        >>> target.read_bytes()
        b'abc'
    """
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f'.{path.name}.', dir=path.parent)
        with os.fdopen(handle, 'wb') as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes the file private; give it the mode an ordinary new file would have.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        raise InputError(
            f'{path}: cannot be written ({error.strerror or error}); choose a writable path'
        ) from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text through :func:`write_bytes`.

    Args:
        path (str | Path): Target file.
        text (str): The content.

    Raises:
        InputError: The path cannot be written.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / 'a.txt'
        >>> write_text(target, 'steel')
        >>> target.read_text(encoding='utf-8')
        'steel'
    """
    write_bytes(path, text.encode('utf-8'))


def write_json(path: str | Path, value: Any, indent: int | None = None) -> None:
    """Write JSON through :func:`write_bytes`; NaN and infinity are refused, not written.

    Args:
        path (str | Path): Target file.
        value (Any): A JSON-serialisable value.
        indent (int | None): Spaces per level; None writes one line. Default None.

    Raises:
        InputError: The path cannot be written.
        ValueError: The value holds NaN or infinity, which JSON lacks.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / 'a.json'
        >>> write_json(target, {'AP50': 0.5})
        >>> target.read_text(encoding='utf-8')
        '{"AP50": 0.5}'
    """
    write_text(path, json.dumps(value, indent=indent, allow_nan=False, ensure_ascii=False))
