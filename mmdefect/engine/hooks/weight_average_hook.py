"""The moving average of a detector that learns from labelled images alone."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import EMAHook

from mmdefect.errors import InputError, strict_keys
from mmdefect.registry import HOOKS

__all__ = ['WeightAverageHook']


@HOOKS.register_module()
@strict_keys
class WeightAverageHook(EMAHook):
    """Average the weights exactly as :class:`MeanTeacherHook` averages the student.

    A detector that is compared with a soft teacher is judged by the same kind of weights, else the
    comparison measures the averaging. MMEngine's ``EMAHook`` with ``MomentumAnnealingEMA``: in the
    k-th iteration after the burn-in the average keeps ``min(decay, k / (k + 1))`` of itself;
    before, it is a copy. Statistics of batch normalisation are averaged with the weights. What
    validates, is saved as ``state_dict`` and tested is the average.

    Args:
        decay (float): Share of itself that the average keeps, above 0 and below 1. Default 0.999.
        burn_in (int): Iterations before averaging begins, >= 0; a training that is shorter has its
            last weights. Default 0.

    Raises:
        InputError: A value is out of range or a key unknown.

    Example:
        >>> WeightAverageHook(decay=1)
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: WeightAverageHook: decay must be above 0 and below 1, got 1
    """

    # Before hooks of normal priority, which may look at the average.
    priority = 49

    def __init__(self, decay: float = 0.999, burn_in: int = 0) -> None:
        if not 0 < decay < 1:
            raise InputError(f'WeightAverageHook: decay must be above 0 and below 1, got {decay!r}')
        if isinstance(burn_in, bool) or not isinstance(burn_in, int) or burn_in < 0:
            raise InputError(f'WeightAverageHook: burn_in must be an integer >= 0, got {burn_in!r}')
        super().__init__(
            'MomentumAnnealingEMA', momentum=1 - decay, gamma=1, begin_iter=burn_in,
            update_buffers=True,
        )  # fmt: skip

    def before_train(self, runner: Any) -> None:
        """Accept a training that ends in the burn-in, which MMEngine's hook does not.

        Args:
            runner (Runner): Not used.
        """
