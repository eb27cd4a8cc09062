"""One process at a time writes into a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmdefect.errors import InputError

__all__ = ['locked_folder']


@contextmanager
def locked_folder(folder: str | Path) -> Iterator[None]:
    """Keep other processes out of a folder; the system lets go of it however this one ends.

    Args:
        folder (str | Path): The folder; made when absent. The lock is the file ``.lock`` in it.

    Yields:
        None: Inside, no other process has the lock.

    Raises:
        InputError: Another process has it, or the folder cannot be written.

    Example:
        >>> import tempfile
        >>> with locked_folder(tempfile.mkdtemp()):
        ...     pass
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / '.lock', os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise InputError(
            f'{folder}: cannot be written ({error.strerror}); choose a writable folder'
        ) from error
    try:
        try:
            _lock(handle)
        except OSError as error:
            raise InputError(
                f'{folder}: another process is writing here; wait for it or choose another folder'
            ) from error
        yield
    finally:
        os.close(handle)


def _lock(handle: int) -> None:
    if os.name == 'nt':
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
