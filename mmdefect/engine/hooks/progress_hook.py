"""A progress bar with images per second and time left."""

from __future__ import annotations

import atexit
import logging
import sys
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
    TimeRemainingColumn,
)

from mmdefect.registry import HOOKS

__all__ = ['ProgressHook']


@HOOKS.register_module()
class ProgressHook(Hook):
    """Show training, validation and test as bars on a terminal.

    Log lines appear above the bar. Where the output is no terminal nothing is drawn, and the
    log lines, which state loss, speed and time left as well, stand alone.

    Example:
        >>> ProgressHook().priority
        'VERY_LOW'
    """

    priority = 'VERY_LOW'

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._tasks: dict[str, Any] = {}
        self._streams: list[tuple[logging.StreamHandler, Any]] = []

    def before_train(self, runner: Any) -> None:
        """Start the training bar.

        Args:
            runner (Runner): The runner.
        """
        self._start('train', runner.train_loop.max_iters, done=runner.iter)

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Advance the training bar.

        Args:
            runner (Runner): The runner.
            batch_idx (int): Index of the batch in the epoch.
            data_batch (Any): The batch; its size gives the images per second. Default None.
            outputs (dict | None): Losses of the step. Default None.
        """
        loss = (outputs or {}).get('loss')
        text = f'epoch {runner.epoch + 1}/{runner.max_epochs}'
        if loss is not None:
            text += f'  loss {loss.item():.3f}'
        self._advance('train', data_batch, text)

    def after_train(self, runner: Any) -> None:
        """Remove the bars.

        Args:
            runner (Runner): The runner.
        """
        self.close()

    def before_val_epoch(self, runner: Any) -> None:
        """Start the validation bar.

        Args:
            runner (Runner): The runner.
        """
        self._start('val', len(runner.val_dataloader))

    def after_val_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Advance the validation bar.

        Args:
            runner (Runner): The runner.
            batch_idx (int): Index of the batch.
            data_batch (Any): The batch. Default None.
            outputs (Any): Not used. Default None.
        """
        self._advance('val', data_batch)

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Remove the validation bar.

        Args:
            runner (Runner): The runner.
            metrics (dict[str, float] | None): Not used. Default None.
        """
        self._finish('val')

    def before_test_epoch(self, runner: Any) -> None:
        """Start the test bar.

        Args:
            runner (Runner): The runner.
        """
        self._start('test', len(runner.test_dataloader))

    def after_test_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Advance the test bar.

        Args:
            runner (Runner): The runner.
            batch_idx (int): Index of the batch.
            data_batch (Any): The batch. Default None.
            outputs (Any): Not used. Default None.
        """
        self._advance('test', data_batch)

    def after_test_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Remove the test bar.

        Args:
            runner (Runner): The runner.
            metrics (dict[str, float] | None): Not used. Default None.
        """
        self._finish('test')

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
                TimeElapsedColumn(),
                TextColumn('left'),
                TimeRemainingColumn(),
                TextColumn('{task.fields[text]}'),
                console=console,
                # An error message belongs on standard error also while a bar is shown.
                redirect_stderr=False,
            )
            self._progress.start()
            # The cursor is hidden now; it must come back however the process ends.
            atexit.register(self.close)
            self._redirect_logs(console)
        self._tasks[name] = [
            self._progress.add_task(name, total=total, completed=done, rate='', text=''),
            0,
        ]

    def _advance(self, name: str, data_batch: Any, text: str = '') -> None:
        if self._progress is None or name not in self._tasks:
            return
        inputs = data_batch.get('inputs', ()) if isinstance(data_batch, dict) else ()
        entry = self._tasks[name]
        entry[1] += len(inputs)
        task = self._progress.tasks[self._progress.task_ids.index(entry[0])]
        elapsed = task.elapsed or 0.0
        rate = f'{entry[1] / elapsed:.1f} img/s' if elapsed > 1.0 else ''
        self._progress.update(entry[0], advance=1, rate=rate, text=text)

    def _finish(self, name: str) -> None:
        if self._progress is None or name not in self._tasks:
            return
        self._progress.remove_task(self._tasks.pop(name)[0])
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
