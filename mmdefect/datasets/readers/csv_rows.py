"""CSV files whose fields hold no commas: blocks of lines, millions of them in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mmdefect.errors import InputError

__all__ = ['line_blocks', 'split_row']

# What becomes of a block fits into the cache of a core.
_BLOCK_BYTES = 64 * 1024
# Fifty times the largest of the public files.
_MAX_BYTES = 4 * 1024**3


def line_blocks(path: Path) -> Iterator[tuple[int, list[str]]]:
    r"""Read a UTF-8 text file block by block.

    Args:
        path (Path): The file, with or without a byte order mark.

    Yields:
        tuple[int, list[str]]: Number of the first line, from 1, and the lines of the next 64
        kibibytes, without line ends and quotation marks.

    Raises:
        InputError: The file cannot be read, is larger than 4 GiB, or is not UTF-8, or a quotation
            mark in it is not closed.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / 'a.csv'
        >>> _ = path.write_bytes(b'"a.jpg",1\r\nb.jpg,2\n')
        >>> list(line_blocks(path))
        [(1, ['a.jpg,1', 'b.jpg,2'])]
    """
    number, start, encoding = 1, 0, 'utf-8-sig'
    try:
        with path.open('rb') as file:
            while block := b''.join(file.readlines(_BLOCK_BYTES)):
                # str.splitlines knows further line ends, which would shift the numbers.
                text = block.decode(encoding)
                lines = text.replace('\r\n', '\n').replace('\r', '\n').split('\n')
                if not lines[-1]:
                    lines.pop()
                if '"' in text:
                    lines = [_unquoted(path, at, line) for at, line in enumerate(lines, number)]
                yield number, lines
                number, start, encoding = number + len(lines), start + len(block), 'utf-8'
                if start > _MAX_BYTES:
                    raise InputError(f'{path}: CSV file has more than 4 GiB; give the right file')
    except UnicodeDecodeError as error:
        raise InputError(
            f'{path}: CSV file is not UTF-8 text (byte {start + error.start}); save it as UTF-8'
        ) from error
    except OSError as error:
        raise InputError(
            f'{path}: CSV file cannot be read ({error.strerror or error}); check the path'
        ) from error


def _unquoted(path: Path, number: int, line: str) -> str:
    if line.count('"') % 2:
        raise InputError(
            f'{path}, line {number}: a quotation mark is not closed; every row of a CSV file '
            'stands in one line, correct it'
        )
    return line.replace('"', '')


def split_row(line: str) -> list[str]:
    """Split a line at its commas.

    Args:
        line (str): The line.

    Returns:
        list[str]: Its fields, without blanks around them.

    Example:
        >>> split_row('a.jpg, 1,')
        ['a.jpg', '1', '']
    """
    return [field.strip() for field in line.split(',')]
