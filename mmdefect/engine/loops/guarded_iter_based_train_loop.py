"""A training loop that NaN and infinity cannot get past."""

from __future__ import annotations

import inspect
import logging
import re
from typing import Any

from mmdet.engine.hooks import MeanTeacherHook as UpstreamMeanTeacherHook
from mmengine.hooks import EMAHook
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from mmengine.runner import IterBasedTrainLoop

from mmdefect.engine.guard import (
    BufferSnapshot,
    GuardedStep,
    NonFiniteIterationError,
    RankAgreement,
    broken_images,
    image_names,
)
from mmdefect.engine.hooks.mean_teacher_hook import MeanTeacherHook
from mmdefect.engine.loops.skipping_iterator import SkippingIterator, can_skip
from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.registry import LOOPS

__all__ = ['GuardedIterBasedTrainLoop']

_AVERAGES = (EMAHook, MeanTeacherHook, UpstreamMeanTeacherHook)
# How operators refuse NaN: ours, and SciPy's where assigners call it.
_REFUSAL = re.compile(r'\b(finite|infs?|nans?|invalid numeric entries)\b', re.IGNORECASE)
_MOST_NAMES = 12
_COUNT = 'guard/undone'


@LOOPS.register_module()
class GuardedIterBasedTrainLoop(IterBasedTrainLoop):
    """MMEngine's loop by iterations; what is not finite leaves no trace.

    An iteration is undone on all ranks when on any of them

    * a pixel or a box of an input is not finite (seen before the forward pass),
    * an operator refuses numbers that are not finite by a ``ValueError``,
    * a loss is not finite (the ranks settle before the backward pass),
    * the gradient norm is not finite (they settle before the step).

    Undone means: weights, optimiser, averages of weights and buffers (batch normalisation,
    thresholds) are bit-equal to before. Iteration numbers and learning rates go on. The log says
    which images, and counts as ``guard/undone``. Works with every wrapper of one optimiser:
    mixed precision, clipping, accumulation (see :class:`mmdefect.engine.guard.GuardedStep`).

    A resumed training loads none of the images that it has had, where the sampler can skip.

    Args:
        runner (Runner): The runner.
        dataloader (DataLoader | dict): Training data.
        max_undone (int): So many iterations undone in a row end the training. Default 20.
        **kwargs: Keys of :class:`mmengine.runner.IterBasedTrainLoop`: ``max_iters``,
            ``val_begin``, ``val_interval``, ``dynamic_intervals``.

    Raises:
        InputError: A key is unknown or ``max_undone`` no positive integer.

    Example:
        >>> GuardedIterBasedTrainLoop(None, None, max_iter=9)
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: GuardedIterBasedTrainLoop: unknown key 'max_iter'; \
did you mean 'max_iters'?
    """

    def __init__(self, runner: Any, dataloader: Any, max_undone: int = 20, **kwargs: Any) -> None:
        known = set(inspect.signature(IterBasedTrainLoop).parameters) - {'runner', 'dataloader'}
        reject_unknown_keys('GuardedIterBasedTrainLoop', kwargs, ('max_undone', *known))
        if isinstance(max_undone, bool) or not isinstance(max_undone, int) or max_undone < 1:
            raise InputError(
                f'GuardedIterBasedTrainLoop: max_undone must be an integer >= 1, got {max_undone!r}'
            )
        super().__init__(runner, dataloader, **kwargs)
        self.max_undone = max_undone
        self.undone = 0
        self.undone_in_row = 0
        self._agreement: RankAgreement
        self._snapshot: BufferSnapshot
        self._step: GuardedStep

    def run(self) -> Any:
        """Train.

        Returns:
            nn.Module: The trained model.

        Raises:
            InputError: ``max_undone`` iterations in a row were undone, or there are several
                optimisers.
        """
        wrapper = self.runner.optim_wrapper
        if not isinstance(wrapper, OptimWrapper):
            raise InputError(
                'GuardedIterBasedTrainLoop: needs an optim_wrapper of one optimiser, got '
                f'{type(wrapper).__name__}; set train_cfg.type to IterBasedTrainLoop'
            )
        model = self.runner.model
        model = model.module if is_model_wrapper(model) else model
        self._agreement = RankAgreement()
        self._snapshot = BufferSnapshot(model)
        self._step = GuardedStep(wrapper, self._agreement, model)
        # Saved in checkpoints, and there again when a training is resumed.
        self.undone = self.runner.message_hub.get_info(_COUNT, 0) if self._iter else 0
        self.undone_in_row = 0
        advances_slowly = not hasattr(self.dataloader_iterator, 'skip_iter')
        if self._iter and advances_slowly and can_skip(self.dataloader):
            self.dataloader_iterator = SkippingIterator(self.dataloader, self._iter)
        if not hasattr(model, 'parse_losses'):
            return super().run()
        model.parse_losses = self._step.noting(model.parse_losses)
        try:
            return super().run()
        finally:
            del model.parse_losses

    def run_iter(self, data_batch: Any) -> None:
        """Use a batch, or leave everything as it was.

        Args:
            data_batch (Any): What the loader yields.

        Raises:
            InputError: ``max_undone`` iterations in a row were undone.
        """
        runner, index = self.runner, self._iter
        runner.call_hook('before_train_iter', batch_idx=index, data_batch=data_batch)
        self._snapshot.take()
        self._step.begin()
        try:
            outputs = self._use(data_batch)
        except NonFiniteIterationError as error:
            self._undo(error.reason, data_batch)
            for hook in runner.hooks:
                if not isinstance(hook, _AVERAGES):
                    hook.after_train_iter(runner, index, data_batch=data_batch, outputs={})
        else:
            self.undone_in_row = 0
            runner.message_hub.update_scalar(f'train/{_COUNT}', self.undone)
            runner.call_hook(
                'after_train_iter', batch_idx=index, data_batch=data_batch, outputs=outputs
            )
        self._iter += 1

    def _use(self, data_batch: Any) -> Any:
        agreement = self._agreement
        broken = broken_images(data_batch)
        agreement.settle(f'not finite: {_listed(broken)}' if broken else None)
        with agreement.forward():
            try:
                return self.runner.model.train_step(data_batch, optim_wrapper=self._step)
            except InputError:
                raise
            except ValueError as error:
                # Later the other ranks would not listen any more.
                if not (agreement.in_forward and _REFUSAL.search(str(error))):
                    raise
                agreement.settle(f'{type(error).__name__}: {error}')

    def _undo(self, reason: str | None, data_batch: Any) -> None:
        self._step.abandon()
        self._snapshot.restore()
        self.undone += 1
        self.undone_in_row += 1
        hub = self.runner.message_hub
        hub.update_info(_COUNT, self.undone)
        hub.update_scalar(f'train/{_COUNT}', self.undone)
        found = self._agreement.collect((reason, image_names(data_batch) if reason else []))
        many = len(found) > 1
        said = '; '.join(
            f'{f"rank {rank}: " if many else ""}{why} (images: {_listed(names)})'
            for rank, (why, names) in enumerate(found)
            if why
        )
        self.runner.logger.log(
            logging.WARNING,
            f'iteration {self._iter + 1} undone, {self.undone_in_row} in a row, {self.undone} in '
            f'all: {said}',
        )
        if self.undone_in_row >= self.max_undone:
            raise InputError(
                f'iterations {self._iter + 2 - self.undone_in_row} to {self._iter + 1} met numbers '
                f'that are not finite, the last by {said}; mend these images or lower the '
                'learning rate (train_cfg.max_undone is the limit)'
            )


def _listed(names: list[str]) -> str:
    more = f' and {len(names) - _MOST_NAMES} more' if len(names) > _MOST_NAMES else ''
    return ', '.join(names[:_MOST_NAMES]) + more
