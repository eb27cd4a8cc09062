"""Whole-file writes that never leave half a file behind."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mmdefect.errors import InputError

__all__ = [
    'PART', 'file_sha256', 'refuse_other_file', 'replacing', 'write_bytes', 'write_json',
    'write_text',
]  # fmt: skip

# How temporary names of `replacing` end.
PART = '.part'


@contextmanager
def replacing(path: str | Path, cure: str = 'choose a writable path') -> Iterator[Path]:
    """Give a temporary name for a file that others write; then flush it and rename it.

    Whatever ends the process meanwhile leaves the old file as it was, and perhaps one under the
    temporary name, ``.NAME.part`` in the same folder. For one writer at a time.

    Args:
        path (str | Path): Target file; its folder exists or is made by who writes.
        cure (str): How to mend a path that cannot be written, for the error.

    Yields:
        Path: The temporary name.

    Raises:
        InputError: The path cannot be written, or the disk is full.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / 'a.bin'
        >>> with replacing(target) as part:
        ...     _ = part.write_bytes(b'abc')
        >>> target.read_bytes(), part.name, part.exists()
        (b'abc', '.a.bin.part', False)
    """
    path = Path(path)
    part = path.with_name(f'.{path.name}{PART}')
    try:
        yield part
        # Windows flushes only what is open for writing.
        with part.open('r+b') as file:
            os.fsync(file.fileno())
        os.replace(part, path)
        _flush_folder(path.parent)
    except OSError as error:
        raise InputError(
            f'{path}: cannot be written ({error.strerror or error}); {cure}'
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _flush_folder(folder: Path) -> None:
    """Let the rename, too, outlast a power cut; Windows has no such call, NFS may refuse it."""
    if os.name == 'nt':
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)


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


def file_sha256(path: str | Path) -> str:
    """Hash the content of a file.

    Args:
        path (str | Path): The file.

    Returns:
        str: Its SHA-256, 64 hexadecimal digits.

    Raises:
        OSError: It cannot be read.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / 'a.txt'
        >>> write_text(target, 'steel')
        >>> file_sha256(target)[:12]
        'b86262f9bc89'
    """
    digest = hashlib.sha256()
    with Path(path).open('rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def refuse_other_file(path: str | Path, file_format: str) -> None:
    """Stop before a file of another kind is replaced by one of ours.

    Args:
        path (str | Path): Where a JSON file is to be written.
        file_format (str): Its key ``format``; a file with the same one may be replaced.

    Raises:
        InputError: Something else is there.

    Example:
        >>> import tempfile
        >>> labels = Path(tempfile.mkdtemp()) / 'val.json'
        >>> refuse_other_file(labels, 'mmdefect.anchors')
        >>> write_json(labels, {'images': []})
        >>> refuse_other_file(labels, 'mmdefect.anchors')
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: ...val.json: holds something else already; choose another --out
    """
    path = Path(path)
    if not path.exists():
        return
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict) or content.get('format') != file_format:
        raise InputError(f'{path}: holds something else already; choose another --out')
