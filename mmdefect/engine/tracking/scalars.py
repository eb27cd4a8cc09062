"""Names and steps under which logged numbers are followed, the same for every back end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from mmengine.logging import MessageHub

__all__ = ['name_scalars', 'shown_step']


def name_scalars(scalars: Mapping[str, Any]) -> dict[str, float]:
    """Give training and validation names of their own.

    MMEngine logs ``time`` and ``data_time`` of both under one name, so their points mix in one
    curve. Here training lines, which MMEngine marks with ``iter``, become ``train/...`` and other
    names without a group ``val/...``; metrics keep the names that ``save_best`` takes. ``iter`` is
    left out, being the step, and so is what is no number.

    Args:
        scalars (Mapping[str, Any]): What MMEngine's LoggerHook passes on: name to number, or to
            an array or tensor with one element.

    Returns:
        dict[str, float]: Name to number.

    Example:
        >>> name_scalars({'loss': 2.0, 'lr': 0.1, 'epoch': 1, 'iter': 20})
        {'train/loss': 2.0, 'train/lr': 0.1, 'train/epoch': 1.0}
        >>> name_scalars({'mmdefect/AP50': 0.5, 'time': 0.25})
        {'mmdefect/AP50': 0.5, 'val/time': 0.25}
    """
    group = 'train' if 'iter' in scalars else 'val'
    return {
        name if '/' in name else f'{group}/{name}': float(value)
        for name, value in scalars.items()
        if name != 'iter' and _is_number(value)
    }


def shown_step(scalars: Mapping[str, Any], step: int) -> int:
    """Count in training iterations, validation too.

    MMEngine passes the iteration with training lines and the epoch with validation metrics, so
    that on one axis the last validation stands at the first iterations.

    Args:
        scalars (Mapping[str, Any]): As in :func:`name_scalars`.
        step (int): What MMEngine's LoggerHook says.

    Returns:
        int: Iterations done; 0 outside a training.

    Example:
        >>> shown_step({'loss': 2.0, 'iter': 20}, 20)
        20
    """
    if 'iter' in scalars:
        return step
    # The index of the newest iteration; only a training has one.
    newest = MessageHub.get_current_instance().get_info('iter')
    return 0 if newest is None else int(newest) + 1


def _is_number(value: Any) -> bool:
    if isinstance(value, torch.Tensor | np.ndarray):
        return value.size == 1 if isinstance(value, np.ndarray) else value.numel() == 1
    return isinstance(value, int | float | np.number)
