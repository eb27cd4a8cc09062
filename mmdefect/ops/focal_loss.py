"""Sigmoid focal loss with its analytic gradient."""

from __future__ import annotations

import importlib
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from torch.autograd.function import once_differentiable

from mmdefect.ops.backends import implementation

__all__ = ['sigmoid_focal_loss', 'sigmoid_focal_loss_backward', 'sigmoid_focal_loss_forward']

_REDUCTIONS = ('none', 'mean', 'sum')


def sigmoid_focal_loss(
    logits: Tensor,
    target: Tensor,
    gamma: float = 2.0,
    alpha: float = 0.25,
    weight: Tensor | None = None,
    reduction: str = 'mean',
) -> Tensor:
    """Focal loss of independent sigmoids (one per class).

    With p the sigmoid of a logit, the loss is ``-alpha (1 - p)^gamma log p`` for the target class
    and ``-(1 - alpha) p^gamma log(1 - p)`` for the others. Computed from log-sigmoids, so it
    stays exact for large logits (mmcv's compiled version clamps there). half and bfloat16 logits
    are computed in float32.

    Args:
        logits (Tensor): Scores before the sigmoid, shape (N, C).
        target (Tensor): Class of each row, int64 in 0..C, shape (N,); C is the background, which
            is no class.
        gamma (float): Focusing exponent, >= 0; 0 is cross entropy. Default 2.0.
        alpha (float): Weight of the target class in [0, 1]. Default 0.25.
        weight (Tensor | None): Factor of all of a row by its target class, shape (C,);
            background rows have factor 1. No gradient flows into it. Default None.
        reduction (str): ``'none'``, ``'sum'``, or ``'mean'``: the sum divided by N (not by N C).
            Default ``'mean'``.

    Returns:
        Tensor: Loss, shape (N, C) for ``'none'``, else (). float32 unless logits are float64.

    Raises:
        ValueError: Wrong shapes, types or devices, a target outside 0..C, an argument out of
            range.

    Source:
        Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, equation 5.

    Example:
        >>> logits = torch.tensor([[2.0, -1.0], [0.0, 0.0]])
        >>> loss = sigmoid_focal_loss(logits, torch.tensor([0, 2]), reduction='sum')
        >>> round(loss.item(), 4)
        0.2774
    """
    _check(logits, target, gamma, alpha, weight, reduction)
    logits = logits if logits.dtype == torch.float64 else logits.float()
    if len(logits) and implementation('sigmoid_focal_loss', logits.device.type) == 'mmcv':
        # mmcv reads weight[C], beyond the end, for background rows.
        factors = None if weight is None else F.pad(weight.to(logits), (0, 1), value=1.0)[target]
        function = importlib.import_module('mmcv.ops').sigmoid_focal_loss
        loss = function(logits, target, gamma, alpha, None, 'none')
        loss = loss if factors is None else loss * factors[:, None]
    else:
        loss = _SigmoidFocalLoss.apply(logits, target, weight, gamma, alpha)
    if reduction == 'none':
        return loss
    return loss.sum() / max(len(logits), 1) if reduction == 'mean' else loss.sum()


def _check(
    logits: Tensor,
    target: Tensor,
    gamma: float,
    alpha: float,
    weight: Tensor | None,
    reduction: str,
) -> None:
    if logits.ndim != 2 or not logits.is_floating_point():
        raise ValueError(
            'logits must be floating point of shape (N, C), '
            f'got {logits.dtype} of shape {tuple(logits.shape)}'
        )
    rows, classes = logits.shape
    if target.shape != (rows,) or target.dtype != torch.int64:
        raise ValueError(
            f'target must be int64 of shape ({rows},), '
            f'got {target.dtype} of shape {tuple(target.shape)}'
        )
    for name, values in (('target', target), ('weight', weight)):
        if values is not None and values.device != logits.device:
            raise ValueError(
                f'{name} must be on {logits.device} as logits are, got {values.device}'
            )
    if rows:
        low, high = (int(bound) for bound in target.aminmax())
        if low < 0 or high > classes:
            raise ValueError(
                f'target must be in 0..{classes} ({classes} is the background), '
                f'got {low if low < 0 else high}'
            )
    if not gamma >= 0:
        raise ValueError(f'gamma must be >= 0, got {gamma}')
    if not 0 <= alpha <= 1:
        raise ValueError(f'alpha must be in [0, 1], got {alpha}')
    if weight is not None and weight.shape != (classes,):
        raise ValueError(f'weight must be of shape ({classes},), got {tuple(weight.shape)}')
    if reduction not in _REDUCTIONS:
        raise ValueError(f'reduction must be one of {", ".join(_REDUCTIONS)}, got {reduction!r}')


def sigmoid_focal_loss_forward(
    logits: Tensor, target: Tensor, weight: Tensor | None, gamma: float, alpha: float
) -> Tensor:
    """Focal loss of every logit, without checks, reduction or gradient.

    Args:
        logits (Tensor): Scores before the sigmoid, shape (N, C).
        target (Tensor): Class of each row, int64, shape (N,); outside 0..C-1: background.
        weight (Tensor | None): Factor of a row by its target class, shape (C,).
        gamma (float): Focusing exponent.
        alpha (float): Weight of the target class.

    Returns:
        Tensor: Loss, shape (N, C). float32 unless logits are float64.

    Example:
        >>> sigmoid_focal_loss_forward(torch.zeros(1, 2), torch.tensor([1]), None, 0.0, 0.5)
        tensor([[0.3466, 0.3466]])
    """
    logits = logits if logits.dtype == torch.float64 else logits.float()
    loss = (1 - alpha) * torch.sigmoid(logits).pow_(gamma).mul_(F.softplus(logits))
    row, column = _positives(target, logits.shape[1])
    hit = logits[row, column]
    loss[row, column] = alpha * torch.sigmoid(-hit).pow_(gamma) * F.softplus(-hit)
    return _weighted(loss, row, column, weight)


def sigmoid_focal_loss_backward(
    logits: Tensor, target: Tensor, weight: Tensor | None, gamma: float, alpha: float
) -> Tensor:
    """Gradient of :func:`sigmoid_focal_loss_forward`, elementwise, by the logits.

    Args:
        logits (Tensor): Scores before the sigmoid, shape (N, C).
        target (Tensor): Class of each row, int64, shape (N,); outside 0..C-1: background.
        weight (Tensor | None): Factor of a row by its target class, shape (C,).
        gamma (float): Focusing exponent.
        alpha (float): Weight of the target class.

    Returns:
        Tensor: Gradient, shape (N, C). float32 unless logits are float64.

    Example:
        >>> sigmoid_focal_loss_backward(torch.zeros(1, 2), torch.tensor([1]), None, 0.0, 0.5)
        tensor([[ 0.2500, -0.2500]])
    """
    logits = logits if logits.dtype == torch.float64 else logits.float()
    grad = (1 - alpha) * _slope(logits, gamma)
    row, column = _positives(target, logits.shape[1])
    # The loss of a hit is that of a miss with the logit's sign turned.
    grad[row, column] = -alpha * _slope(-logits[row, column], gamma)
    return _weighted(grad, row, column, weight)


def _slope(logits: Tensor, gamma: float) -> Tensor:
    """Derivative of ``p^gamma * -log(1 - p)`` by the logit."""
    probability = torch.sigmoid(logits)
    slope = torch.sigmoid(-logits).mul_(F.softplus(logits)).mul_(gamma).add_(probability)
    return slope.mul_(probability.pow_(gamma))


def _positives(target: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Rows and columns of the logits that are hit."""
    row = ((target >= 0) & (target < classes)).nonzero().flatten()
    return row, target[row]


def _weighted(values: Tensor, row: Tensor, column: Tensor, weight: Tensor | None) -> Tensor:
    if weight is not None:
        factors = values.new_ones(len(values))
        factors[row] = weight.to(values)[column]
        values *= factors[:, None]
    return values


class _SigmoidFocalLoss(torch.autograd.Function):
    """Keeps the logits only, where autograd would keep every intermediate (N, C) tensor."""

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, target: Tensor, weight: Tensor | None, gamma: float, alpha: float
    ) -> Tensor:
        ctx.save_for_backward(logits, target, weight)
        ctx.gamma, ctx.alpha = gamma, alpha
        return sigmoid_focal_loss_forward(logits, target, weight, gamma, alpha)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        logits, target, weight = ctx.saved_tensors
        grad = sigmoid_focal_loss_backward(logits, target, weight, ctx.gamma, ctx.alpha)
        return grad.mul_(grad_output), None, None, None, None
