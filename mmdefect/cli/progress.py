"""Progress of whatever takes longer than a moment: a bar on a terminal, else rare plain lines."""

from __future__ import annotations

import atexit
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ['progress', 'track']

T = TypeVar('T')

# Work that is done sooner shows no bar.
_QUIET_SECONDS = 2.0
# Between two lines where standard error is no terminal, so that a log is neither silent nor long.
_LINE_SECONDS = 30.0
_REFRESH_SECONDS = 0.2
# Rich draws one live display at a time; what runs inside a shown bar stays silent.
_SCREEN = threading.Lock()


def track(
    iterable: Iterable[T], description: str, total: int | None = None, unit: str = 'images'
) -> Iterator[T]:
    """Yield the items of an iterable and show how far it is.

    On a terminal a bar with rate and time left appears on standard error after two seconds and
    goes when the work ends. Elsewhere one line is printed there every 30 seconds.

    Args:
        iterable (Iterable[T]): What to go through.
        description (str): What is being done, in a word or two.
        total (int | None): Number of items. Default None: its length if it has one, else unknown.
        unit (str): What is counted, in the plural. Default ``'images'``.

    Yields:
        T: The items, in order.

    Example:
        >>> [item for item in track('ab', 'reading', unit='letters')]
        ['a', 'b']
    """
    if total is None and isinstance(iterable, Sized):
        total = len(iterable)
    with progress(description, total, unit) as update:
        for done, item in enumerate(iterable, start=1):
            yield item
            update(done, total)


@contextmanager
def progress(
    description: str, total: int | None = None, unit: str = 'images'
) -> Iterator[Callable[..., None]]:
    """Show how far work is that reports by a callback, or that reports nothing at all.

    The bar is that of :func:`track`. It appears by itself, so a single long step shows too.

    Args:
        description (str): What is being done, in a word or two.
        total (int | None): Number of items. Default None: unknown.
        unit (str): What is counted, in the plural. Default ``'images'``.

    Yields:
        Callable[..., None]: ``update(done, total=None, description=None)``; None leaves what was
        known before.

    Example:
        >>> with progress('drawing', unit='parts') as update:
        ...     update(1, 2)
        ...     update(2, 2)
    """
    display = _Display(description, total, unit)
    try:
        yield display.update
    finally:
        display.close()


class _Display:
    """Counts, and a thread that shows them once it is time.

    The thread alone draws, so that an update costs nothing and a long step is no standstill.
    """

    def __init__(self, description: str, total: int | None, unit: str) -> None:
        self._description, self._total, self._unit = description, total, unit
        self._done = 0
        self._begin = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._show, name='progress', daemon=True)
        self._thread.start()
        # The cursor is hidden while a bar moves; it must come back however the process ends.
        atexit.register(self.close)

    def update(self, done: int, total: int | None = None, description: str | None = None) -> None:
        self._done = done
        if description is not None:
            self._description = description
        if total is not None:
            self._total = total

    def close(self) -> None:
        atexit.unregister(self.close)
        self._ended.set()
        self._thread.join()

    def _show(self) -> None:
        if self._ended.wait(_QUIET_SECONDS):
            return
        console = _terminal()
        if console is None:
            while not self._ended.wait(_LINE_SECONDS):
                print(f'{self._description}: {self._text()}', file=sys.stderr, flush=True)
        elif _SCREEN.acquire(blocking=False):
            try:
                self._draw(console)
            finally:
                _SCREEN.release()

    def _draw(self, console: Console) -> None:
        from rich.progress import BarColumn, Progress, TextColumn

        with Progress(
            TextColumn('{task.description}', markup=False),
            BarColumn(bar_width=None),
            TextColumn('{task.fields[text]}', markup=False),
            console=console, transient=True, auto_refresh=False, expand=True,
            # What a command prints meanwhile into a file or a pipe must get there.
            redirect_stdout=sys.stdout.isatty(),
        ) as bar:  # fmt: skip
            task = bar.add_task(self._description, total=self._total, text=self._text())
            while True:
                bar.update(
                    task, description=self._description, completed=self._done,
                    total=self._total, text=self._text(),
                )  # fmt: skip
                bar.refresh()
                if self._ended.wait(_REFRESH_SECONDS):
                    break

    def _text(self) -> str:
        """``12/40 images, 3.4 images/s, 0:04 elapsed, 0:08 left``, as far as known."""
        seconds = time.monotonic() - self._begin
        done, total = self._done, self._total
        parts = []
        if total is not None:
            parts.append(f'{done}/{total} {self._unit}')
        elif done:
            parts.append(f'{done} {self._unit}')
        if done:
            rate = done / max(seconds, 1e-9)
            parts.append(f'{rate:.{1 if rate >= 1.0 else 3}f} {self._unit}/s')
        parts.append(f'{_clock(seconds)} elapsed')
        if done and total is not None:
            parts.append(f'{_clock(seconds / done * max(total - done, 0))} left')
        return ', '.join(parts)


def _clock(seconds: float) -> str:
    text = str(timedelta(seconds=round(seconds)))
    return text.removeprefix('0:').removeprefix('0') if seconds < 3599.5 else text


def _terminal() -> Console | None:
    """Standard error, where it can show a moving bar."""
    if not sys.stderr.isatty():
        return None
    from rich.console import Console

    console = Console(stderr=True)
    return console if console.is_interactive else None
