"""Label files of plain text: one box per line, numbers with blanks or commas between."""

from __future__ import annotations

import codecs
from pathlib import Path

from mmdefect.errors import InputError

__all__ = ['is_label_row', 'numbers', 'read_head', 'read_rows', 'read_text']

# A file of 200,000 boxes is smaller; its words take fifty times as much.
_MAX_BYTES = 8 * 1024 * 1024
_HEAD_BYTES = 64 * 1024


def read_text(path: Path, kind: str, max_bytes: int = _MAX_BYTES) -> str:
    """Read a UTF-8 text file, up to a size.

    Args:
        path (Path): The file, with or without a byte order mark.
        kind (str): What messages call it.
        max_bytes (int): A larger file is refused. Default 8 MiB.

    Returns:
        str: Its text.

    Raises:
        InputError: The file cannot be read, is too large or is not UTF-8.

    Example:
        >>> read_text(Path('none.txt'), 'label file')
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: none.txt: label file cannot be read (...); check the path
    """
    try:
        with path.open('rb') as file:
            data = file.read(max_bytes + 1)
        if len(data) > max_bytes:
            size = f'{max_bytes // 1024} KiB'
            raise InputError(f'{path}: {kind} has more than {size}; give the right file')
        return data.decode('utf-8-sig')
    except UnicodeDecodeError as error:
        raise InputError(
            f'{path}: {kind} is not UTF-8 text (byte {error.start}); save it as UTF-8'
        ) from error
    except OSError as error:
        raise InputError(
            f'{path}: {kind} cannot be read ({error.strerror or error}); check the path'
        ) from error


def read_head(path: Path) -> str:
    """Read the first 64 KiB as text, whatever stands there.

    Args:
        path (Path): Any file; UTF-16 is known by its byte order mark.

    Returns:
        str: The text, with replacement characters where bytes are none.

    Raises:
        InputError: The file cannot be read.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / 'a.json'
        >>> _ = path.write_text('{"images": []', encoding='utf-16')
        >>> read_head(path)
        '{"images": []'
    """
    try:
        with path.open('rb') as file:
            data = file.read(_HEAD_BYTES)
    except OSError as error:
        raise InputError(
            f'{path}: cannot be read ({error.strerror or error}); check its permissions'
        ) from error
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode('utf-16' if wide else 'utf-8-sig', errors='replace')


def is_label_row(line: str) -> bool:
    """Whether a line may be a YOLO label: a class number and at least four shares of 1.

    Args:
        line (str): The line.

    Returns:
        bool: True when it may be.

    Example:
        >>> is_label_row('0 0.5 0.5 0.1 0.2'), is_label_row('10 20 30 40 1')
        (True, False)
    """
    try:
        number, *values = (float(word) for word in line.split())
    except ValueError:
        return False
    return len(values) >= 4 and number.is_integer() and all(-0.1 <= v <= 1.1 for v in values)


def read_rows(path: Path) -> list[tuple[int, list[str]]]:
    r"""Split a label file into the words of its lines.

    Args:
        path (Path): The file; words have blanks or commas between.

    Returns:
        list[tuple[int, list[str]]]: Line number, from 1, and words of every line that has any.

    Raises:
        InputError: The file cannot be read, is too large or is not UTF-8.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / 'a.txt'
        >>> _ = path.write_text('1 2,3\n\n4, 5')
        >>> read_rows(path)
        [(1, ['1', '2', '3']), (3, ['4', '5'])]
    """
    lines = read_text(path, 'label file').splitlines()
    rows = ((number, line.replace(',', ' ').split()) for number, line in enumerate(lines, start=1))
    return [(number, words) for number, words in rows if words]


def numbers(where: str, words: list[str]) -> list[float]:
    """Turn words into numbers.

    Args:
        where (str): File and line, for the message.
        words (list[str]): The words.

    Returns:
        list[float]: As many numbers; they may be infinite or no number, which box checks report.

    Raises:
        InputError: A word is no number.

    Example:
        >>> numbers('a.txt, line 1', ['0', 'x'])
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: a.txt, line 1: 'x' is no number; write numbers only
    """
    values = []
    for word in words:
        try:
            values.append(float(word))
        except ValueError:
            raise InputError(f'{where}: {word[:40]!r} is no number; write numbers only') from None
    return values
