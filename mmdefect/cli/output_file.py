"""Where commands write: checked before any work is done for it."""

from __future__ import annotations

from pathlib import Path

from mmdefect.errors import InputError

__all__ = ['require_output_file', 'require_output_folder']


def require_output_file(path: Path, *suffixes: str, option: str = '--out') -> None:
    """Refuse a target that is a folder, or whose name says that it is of another kind.

    Args:
        path (Path): File to write.
        *suffixes (str): How its name may end, the usual one first.
        option (str): How the command line names it. Default ``--out``.

    Raises:
        InputError: It is a folder or ends otherwise.

    Example:
        >>> require_output_file(Path('a.html'), '.html')
        >>> require_output_file(Path('a.txt'), '.jpg', '.png')
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: --out a.txt: must end in .jpg or .png; write a.jpg
    """
    if path.is_dir():
        example = path / f'{path.resolve().name or "out"}{suffixes[0]}'
        raise InputError(f'{option} {path}: is a folder; name a file in it, such as {example}')
    if path.suffix.lower() not in suffixes:
        raise InputError(
            f'{option} {path}: must end in {" or ".join(suffixes)}; write '
            f'{path.with_suffix(suffixes[0])}'
        )


def require_output_folder(path: Path, option: str) -> None:
    """Refuse a folder to write that is a file.

    Args:
        path (Path): Folder to write; may be missing.
        option (str): How the command line names it.

    Raises:
        InputError: It is a file.

    Example:
        >>> require_output_folder(Path('no-such-folder'), 'OUT')
    """
    if path.exists() and not path.is_dir():
        raise InputError(f'{option} {path}: is a file; name a folder')
