"""JSON files of annotations, read strictly: one line says what is wrong with a file."""

from __future__ import annotations

import gc
import json
import math
import re
from pathlib import Path
from typing import Any, NoReturn

from mmdefect.errors import InputError

__all__ = ['read_json']

_MAX_BYTES = 1024**3
# The largest float64 has 309 digits.
_MAX_DIGITS = 308
# A number of any size has one form after this.
_TO_FORM = bytes.maketrans(b'123456789E', b'0' * 9 + b'e')
_LARGE_FORMS = (b'0' * (_MAX_DIGITS + 1), b'0e000', b'0e+000')
_MAX_DEPTH = 50
_NO_BRACKETS = bytes(set(range(256)).difference(b'"[]{}'))
_TO_SQUARE = bytes.maketrans(b'{}', b'[]')
_SURROGATE_ESCAPES = (b'\\ud', b'\\uD')


def read_json(path: str | Path, kind: str, max_bytes: int = _MAX_BYTES) -> Any:
    """Read a JSON file strictly (RFC 8259).

    UTF-8, UTF-16 or UTF-32, with or without a byte order mark. Refused are names that stand
    twice in one object, of which JSON readers silently take one or the other; ``NaN`` and
    ``Infinity``, which are no JSON; numbers beyond the range of floats; more than 50 levels;
    half surrogate pairs, which no file name can hold. The content takes about seven times the
    memory of the file.

    Args:
        path (str | Path): The JSON file.
        kind (str): What messages call it, such as ``COCO``.
        max_bytes (int): Larger files are refused, bytes. Default 1 GiB.

    Returns:
        Any: The content: dicts, lists, texts, finite floats, ints that a float can hold,
        booleans and None.

    Raises:
        InputError: The file is missing, too large or no strict JSON; the message names it.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / 'a.json'
        >>> _ = path.write_text('{"id": 1, "id": 2}')
        >>> read_json(path, 'COCO')
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: a.json: not strict JSON: name "id" stands twice in one object;
        keep one
    """
    path = Path(path)
    data = _read_bytes(path, kind, max_bytes)
    collects = gc.isenabled()
    # Nothing here is garbage; looking for it takes as long as the parsing.
    gc.disable()
    try:
        return _parse(data)
    except UnicodeDecodeError as error:
        raise InputError(
            f'{path}: not a JSON file (not in UTF-8 or UTF-16: {error.reason} at byte '
            f'{error.start}); save it as UTF-8'
        ) from error
    except _Refused as error:
        raise InputError(f'{path}: not strict JSON: {error}') from error
    except (RecursionError, ValueError) as error:
        deep = isinstance(error, RecursionError)
        reason = 'nested too deep' if deep else ' '.join(str(error).split())
        reason = reason if data else 'the file is empty'
        raise InputError(f'{path}: not a JSON file ({reason}); give a {kind} JSON file') from error
    finally:
        if collects:
            gc.enable()


def _parse(data: bytes) -> Any:
    encoding = json.detect_encoding(data)
    text = data.decode(encoding)
    if not encoding.startswith('utf-8'):
        data = text.encode()
    if _depth_is_above(data, _MAX_DEPTH):
        raise _Refused(f'nested more than {_MAX_DEPTH} deep; give the right file')
    keys: dict[str, Any] = {'object_pairs_hook': _object, 'parse_constant': _refuse_constant}
    forms = data.translate(_TO_FORM)
    if any(form in forms for form in _LARGE_FORMS):
        # Asked only where there can be one too large: a call for every number takes time.
        keys.update(parse_int=_integer, parse_float=_float)
    del forms
    content = json.loads(text, **keys)
    if any(escape in data for escape in _SURROGATE_ESCAPES):
        try:
            json.dumps(content, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise _Refused('a text holds half a surrogate pair; export it again') from error
    return content


class _Refused(Exception):
    """Valid for Python's parser, but not here."""


def _read_bytes(path: Path, kind: str, max_bytes: int) -> bytes:
    try:
        if not path.is_file():
            missing = not path.exists()
            what = 'annotation file is missing' if missing else f'is a folder, not a {kind} file'
            raise InputError(f'{path}: {what}; check the path')
        size = path.stat().st_size
        if size > max_bytes:
            raise InputError(
                f'{path}: the file has {size / 1024**2:,.0f} MiB, and {max_bytes / 1024**2:,.0f} '
                f'MiB is the most for one {kind} file; split it'
            )
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f'{path}: cannot be read ({error.strerror or error}); check its permissions'
        ) from error


def _depth_is_above(data: bytes, limit: int) -> bool:
    """Whether brackets are nested deeper; of broken JSON it may say no.

    What is deep but not too deep for the parser would be so for whoever writes or prints it.
    """
    if b'\\' in data:
        data = data.replace(b'\\\\', b'').replace(b'\\"', b'')
    brackets = data.translate(None, _NO_BRACKETS).replace(b'""', b'')
    if b'"' in brackets:
        # Texts with brackets in them.
        brackets = re.sub(rb'"[^"]*"', b'', brackets)
    brackets = brackets.translate(_TO_SQUARE)
    # Each round takes the innermost brackets away.
    for _ in range(limit):
        size = len(brackets)
        brackets = brackets.replace(b'[]', b'')
        if len(brackets) == size:
            break
    return b'[]' in brackets


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _Refused(f'name {json.dumps(name)} stands twice in one object; keep one')
            seen.add(name)
    return content


def _refuse_constant(text: str) -> NoReturn:
    raise _Refused(f'{text} is no JSON number; write a number, or null where there is none')


def _float(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise _Refused(f'the number {text[:40]} is beyond what a float can hold; correct it')
    return value


def _integer(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise _Refused(f'a number with {len(text)} digits; correct it')
    return int(text)
