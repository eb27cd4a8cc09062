"""The teacher as a moving average of the student."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.registry import HOOKS

__all__ = ['MeanTeacherHook']


@HOOKS.register_module()
class MeanTeacherHook(Hook):
    """Average the student's weights and statistics into the teacher.

    ``teacher = decay * teacher + (1 - decay) * student``, for weights and for floating-point
    buffers alike (running means and variances of batch normalisation); integer buffers are
    copied. MMDetection's hook of the same name leaves the buffers out, and its ``momentum`` is
    the student's share: its ``momentum=0.001`` is ``decay=0.999`` here.

    * The ramp: in its k-th update the teacher keeps ``min(decay, k / (k + 1))``. Until ``decay`` is
      reached it is the plain mean of all students so far, and early mistakes are forgotten.
    * The burn-in: for as many iterations as the model's attribute ``burn_in`` says
      (``model.semi_train_cfg.burn_in``) the teacher is a copy of the student, and its attribute
      ``burning_in`` is True, by which it lets the supervised loss count alone. Without burn-in
      the teacher is a copy once, before the first iteration. A resumed training goes on with the
      teacher of its checkpoint, and with the decay of its iteration.
    * The teacher is in evaluation mode whatever the loop does, and its weights are taken out of
      the optimiser.

    Args:
        decay (float): Share of itself that the teacher keeps, in [0, 1). Default 0.999.
        interval (int): Iterations between two updates, >= 1. Default 1; with gradient
            accumulation, its count.
        ramp (bool): Whether the decay grows from 1/2. Default True.
        **unknown: Refused.

    Raises:
        InputError: A value is out of range or a key unknown.

    Example:
        >>> hook = MeanTeacherHook(decay=0.999)
        >>> [hook.decay_at(iteration, burn_in=100) for iteration in (0, 99, 100, 102, 5000)]
        [0.0, 0.0, 0.5, 0.75, 0.999]

    Source:
        Tarvainen, Valpola: Mean teachers are better role models, NeurIPS 2017 (ramp: their
        published code); Liu et al.: Unbiased Teacher, ICLR 2021 (burn-in).
    """

    def __init__(
        self,
        decay: float = 0.999,
        interval: int = 1,
        ramp: bool = True,
        **unknown: Any,
    ) -> None:
        if 'momentum' in unknown:
            raise InputError(
                "MeanTeacherHook: unknown key 'momentum', which is the student's share in "
                'MMDetection; set decay = 1 - momentum'
            )
        if 'burn_in' in unknown:
            raise InputError(
                "MeanTeacherHook: unknown key 'burn_in', which is the model's; set "
                'model.semi_train_cfg.burn_in'
            )
        reject_unknown_keys('MeanTeacherHook', unknown, ('decay', 'interval', 'ramp'))
        if not 0 <= decay < 1:
            raise InputError(f'MeanTeacherHook: decay must be in [0, 1), got {decay!r}')
        if isinstance(interval, bool) or not isinstance(interval, int) or interval < 1:
            raise InputError(f'MeanTeacherHook: interval must be an integer >= 1, got {interval!r}')
        self.decay = decay
        self.interval = interval
        self.ramp = ramp

    def decay_at(self, iteration: int, burn_in: int = 0) -> float:
        """What the teacher keeps of itself after an iteration.

        Args:
            iteration (int): Counted from 0.
            burn_in (int): Iterations without pseudo labels. Default 0.

        Returns:
            float: 0 is a copy of the student.
        """
        if iteration < burn_in:
            return 0.0
        updates = (iteration + 1 - burn_in + self.interval - 1) // self.interval
        return min(self.decay, updates / (updates + 1)) if self.ramp else self.decay

    def before_run(self, runner: Any) -> None:
        """Take the teacher's weights out of the optimiser, before its state is resumed.

        Args:
            runner (Runner): The runner.

        Raises:
            InputError: The model has no student and teacher of the same structure, or the
                teacher's weights require gradients.
        """
        model = _inner(runner.model)
        _check_twins(model)
        # A test has the settings of the wrapper only.
        if isinstance(runner.optim_wrapper, OptimWrapper):
            frozen = {id(weight) for weight in model.teacher.parameters()}
            for group in runner.optim_wrapper.optimizer.param_groups:
                # An emptied group stays: schedulers have counted the groups by now.
                group['params'] = [item for item in group['params'] if id(item) not in frozen]

    def before_train(self, runner: Any) -> None:
        """Copy the student, unless the training is resumed.

        Args:
            runner (Runner): The runner.
        """
        if runner.iter == 0:
            model = _inner(runner.model)
            _average(model.student, model.teacher, 0.0)

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Put the teacher into evaluation mode, and say whether the burn-in lasts.

        Args:
            runner (Runner): The runner.
            batch_idx (int): Not used.
            data_batch (Any): Not used. Default None.
        """
        model = _inner(runner.model)
        model.teacher.eval()
        model.burning_in = runner.iter < _burn_in(model)

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Update the teacher.

        Args:
            runner (Runner): The runner.
            batch_idx (int): Not used.
            data_batch (Any): Not used. Default None.
            outputs (dict | None): Not used. Default None.
        """
        model, iteration = _inner(runner.model), runner.iter
        burn_in = _burn_in(model)
        decay = self.decay_at(iteration, burn_in)
        if iteration < burn_in or (iteration + 1 - burn_in) % self.interval == 0:
            _average(model.student, model.teacher, decay)
        runner.message_hub.update_scalar('train/teacher_decay', decay)


def _inner(model: nn.Module) -> Any:
    return model.module if is_model_wrapper(model) else model


def _burn_in(model: Any) -> int:
    """Of a detector that knows no burn-in, such as MMDetection's, there is none."""
    return getattr(model, 'burn_in', 0)


def _check_twins(model: Any) -> None:
    student, teacher = getattr(model, 'student', None), getattr(model, 'teacher', None)
    if student is None or teacher is None:
        raise InputError(
            f'MeanTeacherHook: model {type(model).__name__} has no student and teacher; use a '
            'semi-supervised detector such as mmdefect.MultiViewSoftTeacher'
        )
    shapes = [
        {
            name: tuple(value.shape)
            for name, value in (*twin.named_parameters(), *twin.named_buffers())
        }
        for twin in (student, teacher)
    ]
    for name in shapes[0].keys() | shapes[1].keys():
        if shapes[0].get(name) != shapes[1].get(name):
            raise InputError(
                f'MeanTeacherHook: {name} is {shapes[0].get(name)} in the student and '
                f'{shapes[1].get(name)} in the teacher; build both from the same config'
            )
    if any(weight.requires_grad for weight in teacher.parameters()):
        raise InputError(
            "MeanTeacherHook: the teacher's weights require gradients; set "
            'model.semi_train_cfg.freeze_teacher=True'
        )


@torch.no_grad()
def _average(student: nn.Module, teacher: nn.Module, decay: float) -> None:
    sources, targets = [], []
    for source, target in _pairs(student, teacher):
        if decay and target.is_floating_point():
            sources.append(source)
            targets.append(target)
        else:
            target.copy_(source)
    if targets:
        get_ema_multi_avg_fn(decay)(targets, sources, None)


def _pairs(student: nn.Module, teacher: nn.Module) -> Iterable[tuple[torch.Tensor, torch.Tensor]]:
    yield from zip(student.parameters(), teacher.parameters(), strict=True)
    yield from zip(student.buffers(), teacher.buffers(), strict=True)
