"""A progress bar with images per second and time left."""

from __future__ import annotations

import atexit
import logging
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from rich.console import Console
from rich.file_proxy import FileProxy
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column

from mmdefect.errors import reject_unknown_keys
from mmdefect.registry import HOOKS

__all__ = ['ProgressHook']

_REDRAW_SECONDS = 0.1


@dataclass
class _Bar:
    """A bar and what its images per second come from."""

    task: Any
    skipped: int
    images: int = 0
    paused: float = 0.0


@HOOKS.register_module()
class ProgressHook(Hook):
    """Show training, validation and test as bars on a terminal.

    Log lines appear above the bar. Images per second of the training leave validations out; its
    time left has them in, as many per iteration as there were. Where the output is no terminal
    nothing is drawn, and the log lines, which state loss, speed and time left as well, stand
    alone.

    Args:
        **unknown: Refused.

    Example:
        >>> ProgressHook().priority
        'VERY_LOW'
    """

    priority = 'VERY_LOW'

    def __init__(self, **unknown: Any) -> None:
        reject_unknown_keys('ProgressHook', unknown, ())
        self._progress: Progress | None = None
        self._tasks: dict[str, _Bar] = {}
        self._streams: list[tuple[logging.StreamHandler, Any]] = []
        self._drawn = 0.0

    def before_train(self, runner: Any) -> None:
        """Start the training bar.

        Args:
            runner (Runner): The runner.
        """
        self._start('train', runner.train_loop.max_iters, done=runner.iter)

    def before_val_epoch(self, runner: Any) -> None:
        """Start the validation bar.

        Args:
            runner (Runner): The runner.
        """
        self._start('val', len(runner.val_dataloader))

    def before_test_epoch(self, runner: Any) -> None:
        """Start the test bar.

        Args:
            runner (Runner): The runner.
        """
        self._start('test', len(runner.test_dataloader))

    def after_train(self, runner: Any) -> None:
        """Remove the bars.

        Args:
            runner (Runner): The runner.
        """
        self.close()

    def _after_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
        mode: str = 'train',
    ) -> None:
        # MMEngine calls this after each iteration of every loop.
        if self._progress is None:
            return
        text = ''
        if mode == 'train':
            text = f'epoch {runner.epoch + 1}/{runner.max_epochs}'
            if 'loss' in (outputs or {}):
                text += f'  loss {outputs["loss"].item():.3f}'
        self._advance(mode, data_batch, text)

    def _after_epoch(self, runner: Any, mode: str = 'train') -> None:
        # MMEngine calls this after each epoch of every loop; the training bar spans all epochs.
        if mode != 'train':
            self._finish(mode)

    def _start(self, name: str, total: int, done: int = 0) -> None:
        if not (is_main_process() and sys.stdout.isatty()):
            return
        if self._progress is None:
            console = Console()
            self._progress = Progress(
                TextColumn('{task.description:5}'),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn('{task.fields[rate]}'),
                # On a narrow terminal the bar and the loss give way, not the times.
                TimeElapsedColumn(table_column=Column(min_width=7)),
                TextColumn('elapsed, {task.fields[left]} left'),
                TextColumn('{task.fields[text]}'),
                console=console,
                # Drawn here and nowhere else: a thread of its own would write old frames after
                # log lines, and none at the end of a short loop.
                auto_refresh=False,
                # An error message belongs on standard error also while a bar is shown.
                redirect_stderr=False,
            )
            self._progress.start()
            # The cursor is hidden now; it must come back however the process ends.
            atexit.register(self.close)
            self._redirect_logs(console)
        task = self._progress.add_task(
            name, total=total, completed=done, rate='', left='-:--:--', text=''
        )
        self._tasks[name] = _Bar(self._progress.tasks[self._progress.task_ids.index(task)], done)
        self._draw()

    def _advance(self, name: str, data_batch: Any, text: str = '') -> None:
        if self._progress is None or name not in self._tasks:
            return
        inputs = data_batch.get('inputs', ()) if isinstance(data_batch, dict) else ()
        bar = self._tasks[name]
        bar.images += len(inputs)
        fields = {'text': text}
        elapsed = bar.task.elapsed or 0.0
        busy = elapsed - bar.paused
        if busy > 1.0:
            done = bar.task.completed + 1 - bar.skipped
            left = elapsed / done * max(bar.task.total - bar.task.completed - 1, 0)
            fields['rate'] = f'{bar.images / busy:.1f} img/s'
            fields['left'] = str(timedelta(seconds=round(left)))
        self._progress.update(bar.task.id, advance=1, **fields)
        if time.monotonic() - self._drawn >= _REDRAW_SECONDS:
            self._draw()

    def _draw(self) -> None:
        if self._progress is not None:
            self._progress.refresh()
            self._drawn = time.monotonic()

    def _finish(self, name: str) -> None:
        if self._progress is None or name not in self._tasks:
            return
        bar = self._tasks.pop(name)
        for other in self._tasks.values():
            other.paused += bar.task.elapsed or 0.0
        self._draw()
        self._progress.remove_task(bar.task.id)
        if not self._tasks:
            self.close()

    def close(self) -> None:
        """Remove the bars and give the terminal back; also after a run that failed."""
        if self._progress is None:
            return
        atexit.unregister(self.close)
        self._progress.stop()
        for handler, stream in self._streams:
            handler.setStream(stream)
        self._progress, self._tasks, self._streams = None, {}, []

    def _redirect_logs(self, console: Console) -> None:
        """Print console log lines above the bars instead of through them."""
        for handler in MMLogger.get_current_instance().handlers:
            is_file = isinstance(handler, logging.FileHandler)
            if isinstance(handler, logging.StreamHandler) and not is_file:
                self._streams.append((handler, handler.stream))
                handler.setStream(FileProxy(console, handler.stream))
