"""An optimiser wrapper that looks at loss and gradients before it steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from torch import nn
from torch.nn.utils import get_total_norm

from mmdefect.engine.guard.rank_agreement import RankAgreement

__all__ = ['GuardedStep']


class GuardedStep:
    """Stands between a model's ``train_step`` and its optimiser wrapper.

    The ranks settle before the backward pass whether all losses are finite, and before the step
    whether all gradients are. An iteration that ends there has changed neither weights nor the
    optimiser's state. With gradient accumulation an iteration whose loss is not finite adds no
    gradient; gradients gathered so far are dropped when they are not finite, or when the iteration
    is the one that would have stepped (only there are they averaged over ranks).

    Args:
        wrapper (OptimWrapper): Any wrapper of one optimiser.
        agreement (RankAgreement): Shared with the loop.
        model (nn.Module): The model without its distributed wrapper; gradients are named after
            its parameters.

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> wrapper = OptimWrapper(torch.optim.SGD(layer.parameters(), lr=0.1))
        >>> step = GuardedStep(wrapper, RankAgreement(), layer)
        >>> step.update_params(layer(torch.tensor([[1.0, math.nan]])).sum())
        Traceback (most recent call last):
        ...
        mmdefect.engine.guard.rank_agreement.NonFiniteIterationError: loss is nan
        >>> step.abandon()
        >>> layer.weight.grad is None, wrapper.inner_count
        (True, 1)
    """

    def __init__(self, wrapper: OptimWrapper, agreement: RankAgreement, model: nn.Module) -> None:
        self._wrapper = wrapper
        self._agreement = agreement
        self._model = model
        self._losses: Mapping[str, Any] = {}
        self._counted = False
        self._poisoned = False

    def __getattr__(self, name: str) -> Any:
        # All that is not guarded: learning rates, contexts, counts.
        return getattr(self._wrapper, name)

    def begin(self) -> None:
        """Forget the previous iteration."""
        self._losses, self._counted, self._poisoned = {}, False, False

    def noting(self, parse_losses: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Keep the single losses, so that the one which is not finite can be named.

        Args:
            parse_losses (Callable): Method of the model.

        Returns:
            Callable: The same, noting what it returns.
        """

        def parse(losses: Any) -> Any:
            total, parts = parse_losses(losses)
            self._losses = parts
            return total, parts

        return parse

    def update_params(
        self, loss: torch.Tensor, step_kwargs: dict | None = None, zero_kwargs: dict | None = None
    ) -> None:
        """Back-propagate and step, if every rank can.

        Args:
            loss (Tensor): Scalar.
            step_kwargs (dict | None): Arguments of the optimiser's step. Default None.
            zero_kwargs (dict | None): Arguments of its ``zero_grad``. Default None.

        Raises:
            NonFiniteIterationError: A loss or a gradient norm is not finite on some rank.
        """
        wrapper = self._wrapper
        self._agreement.end_forward(self._wrong_loss(loss))
        wrapper.backward(wrapper.scale_loss(loss))
        self._counted = True
        wrong = self._wrong_gradient()
        self._poisoned = True
        self._agreement.settle(wrong)
        self._poisoned = False
        if wrapper.should_update():
            wrapper.step(**step_kwargs or {})
            wrapper.zero_grad(**zero_kwargs or {})

    def abandon(self) -> None:
        """Let counts go on as if the iteration had been used, and drop what it left behind."""
        wrapper = self._wrapper
        if not self._counted:
            wrapper._inner_count += 1
        if self._poisoned:
            _back_off(getattr(wrapper, 'loss_scaler', None))
        if self._poisoned or wrapper.should_update():
            wrapper.zero_grad()

    def _wrong_loss(self, loss: torch.Tensor) -> str | None:
        total = loss.item()
        if math.isfinite(total):
            return None
        parts = {
            name: part.item()
            for name, part in self._losses.items()
            if name != 'loss' and 'loss' in name and isinstance(part, torch.Tensor)
        }
        wrong = {name: value for name, value in parts.items() if not math.isfinite(value)}
        return ', '.join(f'{name} is {value}' for name, value in (wrong or {'loss': total}).items())

    def _wrong_gradient(self) -> str | None:
        groups = self._wrapper.optimizer.param_groups
        gradients = [
            weight.grad for group in groups for weight in group['params'] if weight.grad is not None
        ]
        norm = float(get_total_norm(gradients)) if gradients else 0.0
        if math.isfinite(norm):
            return None
        names = [
            name
            for name, weight in self._model.named_parameters()
            if weight.grad is not None and not bool(weight.grad.isfinite().all())
        ]
        where = f' (first {names[0]}, {len(names)} in all)' if names else ''
        return f'the gradient norm is {norm}{where}'


def _back_off(scaler: Any) -> None:
    """Lower the loss scale of float16, as the scaler would have done in its step."""
    if scaler is not None and scaler.is_enabled():
        scaler.update(scaler.get_scale() * scaler.get_backoff_factor())
