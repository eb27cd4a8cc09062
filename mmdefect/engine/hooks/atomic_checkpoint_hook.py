"""Checkpoints that a crash, a kill or a full disk cannot spoil."""

from __future__ import annotations

import hashlib
import inspect
import io
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import broadcast_object_list, is_main_process, master_only
from mmengine.fileio import LocalBackend
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from mmdefect.compat.checkpoints import load
from mmdefect.engine.checkpoint_state import saved_scores
from mmdefect.errors import InputError, nearest_name, reject_unknown_keys
from mmdefect.fileio import PART, replacing, write_text
from mmdefect.registry import HOOKS

__all__ = ['AtomicCheckpointHook']

# All but **kwargs, which would reach Runner.save_checkpoint and fail there.
_KEYS = tuple(inspect.signature(CheckpointHook).parameters)[:-1]
_CURE = 'earlier checkpoints are intact: free some space or give a writable folder, then --resume'


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """MMEngine's ``CheckpointHook``, all of its keys, in an order that loses nothing.

    MMEngine deletes the old checkpoint, then writes the new one in place, then
    ``last_checkpoint``; whatever ends the process meanwhile leaves no checkpoint that loads.
    Here a checkpoint is written under a temporary name (``.NAME.part``), flushed to the disk and
    renamed; then ``last_checkpoint`` is replaced in the same manner; then what is outdated is
    deleted. The same holds for the best checkpoints and for published ones. The disk needs room
    for one checkpoint more than are kept.

    * A disk that is full or not writable ends the training with one line; the last checkpoint
      stays, and ``--resume`` goes on from it.
    * Only files in ``out_dir`` are deleted: a training that was resumed into another work dir
      leaves the best checkpoint of the first one alone.
    * Before a checkpoint is saved, ``before_gather_checkpoint(runner)`` of every hook that has it
      is called on every rank; MMEngine's ``before_save_checkpoint`` reaches the first only.

    A remote ``out_dir`` (an object store, which puts a file at once or not at all) is written as
    by MMEngine.

    Args:
        **options: Keys of ``CheckpointHook``, among them ``interval`` (int, epochs or iterations,
            default -1: never), ``by_epoch`` (bool, default True), ``max_keep_ckpts`` (int,
            default -1: all), ``save_best`` (str | list[str], names of metrics, default None),
            ``rule`` (``'greater'`` | ``'less'``), ``out_dir`` (str, default the work dir),
            ``published_keys`` (list[str], what a published copy keeps of the last and best
            checkpoint after training, default None: no copy). Others are refused.

    Raises:
        InputError: A key is unknown, or ``filename_tmpl`` has not exactly one ``{}``.

    Example:
        >>> AtomicCheckpointHook(interval=2, max_keep_ckpts=3).max_keep_ckpts
        3
        >>> AtomicCheckpointHook(max_keep_ckpt=3)
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: AtomicCheckpointHook: unknown key 'max_keep_ckpt'; did you \
mean 'max_keep_ckpts'?
    """

    def __init__(self, **options: Any) -> None:
        reject_unknown_keys('AtomicCheckpointHook', options, _KEYS)
        super().__init__(**options)
        if self.filename_tmpl.count('{}') != 1:
            raise InputError(
                'AtomicCheckpointHook: filename_tmpl must have one {} for the number, got '
                f'{self.filename_tmpl!r}'
            )

    def before_train(self, runner: Any) -> None:
        """Find out where to save; remove what a killed training left half-written.

        Args:
            runner (Runner): The runner.
        """
        super().before_train(runner)
        backend = getattr(self.file_backend, 'client', self.file_backend)
        # A FlexibleRunner's checkpoint may be a folder that all ranks write into.
        self._atomic = isinstance(backend, LocalBackend) and isinstance(runner, Runner)
        if self._atomic and is_main_process():
            self._remove_half_written(runner)
        # Without a source it was found by the work dir's last_checkpoint.
        source = runner._load_from
        here = runner._resume and (source is None or _inside(self.out_dir, source))
        if self._atomic and self.save_best and here and 'auto' not in self.key_indicators:
            self._settle_best(runner)

    def _remove_half_written(self, runner: Any) -> None:
        numbered = Path(self.out_dir) / self.filename_tmpl.format('*')
        leftovers = [
            *numbered.parent.glob(f'.{numbered.name}{PART}'),
            *Path(self.out_dir).glob(f'.best_*{PART}'),
            *Path(runner.work_dir).glob('.last_checkpoint.*'),
        ]
        for path in leftovers:
            path.unlink(missing_ok=True)

    def _settle_best(self, runner: Any) -> None:
        """Make up for a kill between saving a best checkpoint and recording it."""
        several = len(self.key_indicators) > 1
        for key in self.key_indicators:
            suffix = f'_{key}' if several else ''
            # The first rank looks; all have to agree, or they would not save together.
            found = [self._best_there(runner, key, suffix) if is_main_process() else None]
            broadcast_object_list(found)
            if found[0] is None:
                continue
            path, score = found[0]
            runner.message_hub.update_info(f'best_ckpt{suffix}', path)
            runner.message_hub.update_info(f'best_score{suffix}', score)
            if several:
                self.best_ckpt_path_dict[key] = path
            else:
                self.best_ckpt_path = path

    def _best_there(self, runner: Any, key: str, suffix: str) -> tuple[str, float] | None:
        """Path and score of the best file in the folder; the other ones are deleted."""
        info = runner.message_hub.runtime_info
        path, score = info.get(f'best_ckpt{suffix}'), info.get(f'best_score{suffix}')
        if path is not None:
            # The folder may have been moved.
            path = os.path.join(self.out_dir, os.path.basename(path))
        # As MMEngine names them. Published copies have a hash after the number.
        name = re.escape(f'best_{key}_{self.filename_tmpl}'.replace('/', '_'))
        pattern = re.compile(name.replace(re.escape('{}'), r'\d+'))
        files = [file for file in Path(self.out_dir).iterdir() if pattern.fullmatch(file.name)]
        scores = saved_scores(files, f'best_score{suffix}', runner.iter)
        for other, its_score in scores.items():
            if other == path:
                continue
            if score is None or self.is_better_than[key](its_score, score):
                path, other, score = other, path, its_score
            if other is not None:
                self._remove(runner, [other])
        return (path, score) if path in scores else None

    def _save_checkpoint_with_step(self, runner: Any, step: int, meta: dict) -> None:
        if isinstance(runner, _SavingRunner):
            runner = runner.real
        name = self.filename_tmpl.format(step)
        outdated = self._keep(runner, step)
        self.last_ckpt = self.file_backend.join_path(self.out_dir, name)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        runner.call_hook('before_gather_checkpoint')
        self._save(
            runner,
            self.out_dir,
            name,
            file_client_args=self.file_client_args,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
        )
        if is_main_process():
            write_text(Path(runner.work_dir) / 'last_checkpoint', self.last_ckpt)
        self._remove(runner, outdated)
        if outdated:
            runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))

    def _keep(self, runner: Any, step: int) -> list[str]:
        """Count a step among those kept; returns the files that it makes outdated.

        The saved checkpoint still lists these: MMEngine deletes them on resume where a kill came
        before we did.
        """
        if self.max_keep_ckpts <= 0 or step in self.keep_ckpt_ids:
            return []
        listed = [*self.keep_ckpt_ids, step]
        self.keep_ckpt_ids.append(step)
        runner.message_hub.update_info('keep_ckpt_ids', listed)
        return [
            self.file_backend.join_path(self.out_dir, self.filename_tmpl.format(other))
            for other in listed[: -self.max_keep_ckpts]
        ]

    def _save_best_checkpoint(self, runner: Any, metrics: dict[str, float]) -> None:
        for key in self.key_indicators if self.save_best else ():
            if key != 'auto' and key not in metrics:
                near = _same_metric(key, metrics) or nearest_name(key, metrics)
                hint = f'did you mean {near!r}?' if near else f'it gives {", ".join(metrics)}'
                raise InputError(
                    f'AtomicCheckpointHook: save_best names {key!r}, which the validation does '
                    f'not give; {hint}'
                )
        # MMEngine's own logic, but what it removes goes after all is saved.
        backend, late = self.file_backend, _LateRemovals(self.file_backend)
        saving = _SavingRunner(runner, self._save)
        self.file_backend = late
        try:
            super()._save_best_checkpoint(saving, metrics)
        finally:
            self.file_backend = backend
        self._remove(runner, [path for path in late.removed if path not in saving.saved])

    @master_only
    def _publish_model(self, runner: Any, ckpt_path: str | None) -> None:
        # None: one of several metrics has had no best checkpoint.
        if ckpt_path is None:
            return
        whole = load(io.BytesIO(self.file_backend.get(ckpt_path)), map_location='cpu')
        kept = {key: value for key, value in whole.items() if key in (self.published_keys or ())}
        stream = io.BytesIO()
        torch.save(kept, stream)
        # The name ends as torch.hub checks it.
        digest = hashlib.sha256(stream.getbuffer()).hexdigest()[:8]
        target = f'{os.path.splitext(ckpt_path)[0]}-{digest}.pth'
        if self._atomic:
            with replacing(target, _CURE) as part:
                part.write_bytes(stream.getbuffer())
        else:
            self.file_backend.put(stream.getvalue(), target)
        left_out = ', '.join(sorted(whole.keys() - kept.keys())) or 'nothing'
        runner.logger.info(f'{ckpt_path} is published as {target}, left out: {left_out}')

    def _save(self, runner: Any, out_dir: str, filename: str, **options: Any) -> None:
        """What ``runner.save_checkpoint`` does, atomically."""
        if not (self._atomic and is_main_process()):
            runner.save_checkpoint(out_dir, filename, **options)
            return
        with replacing(Path(out_dir) / filename, _CURE) as part:
            runner.save_checkpoint(out_dir, str(part.relative_to(out_dir)), **options)

    @master_only
    def _remove(self, runner: Any, paths: list[str]) -> None:
        for path in paths:
            if self._atomic and not _inside(self.out_dir, path):
                runner.logger.info(f'{path} belongs to another work dir and stays.')
                continue
            try:
                if self.file_backend.isfile(path):
                    self.file_backend.remove(path)
                # DeepSpeed's checkpoints are folders.
                elif self.file_backend.isdir(path):
                    self.file_backend.rmtree(path)
            except OSError as error:
                runner.logger.warning(f'{path} is outdated but cannot be deleted ({error}).')


def _inside(folder: str, path: str) -> bool:
    return Path(folder).resolve() in Path(path).resolve().parents


def _same_metric(key: str, metrics: Iterable[str]) -> str | None:
    """With and without a prefix, such as that of a loop that validates teacher and student."""
    for name in metrics:
        if f'/{name}'.endswith(f'/{key}') or f'/{key}'.endswith(f'/{name}'):
            return name
    return None


class _LateRemovals:
    """A file backend that notes what is to be removed."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self.removed: list[str] = []

    def remove(self, path: str) -> None:
        self.removed.append(path)

    rmtree = remove

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)


class _SavingRunner:
    """A runner that saves checkpoints by another function and notes their paths."""

    def __init__(self, runner: Any, save: Callable[..., None]) -> None:
        self.real, self._save = runner, save
        self.saved: list[str] = []

    def save_checkpoint(self, out_dir: str, filename: str, **options: Any) -> None:
        self._save(self.real, out_dir, filename, **options)
        self.saved.append(os.path.join(out_dir, filename))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)
