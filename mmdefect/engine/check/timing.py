"""How long a training will take, from a few measured iterations."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

__all__ = ['Iteration', 'TimeEstimate', 'estimate_time']


@dataclass(frozen=True)
class Iteration:
    """One training iteration.

    Args:
        losses (dict[str, float]): What the model reported, by name.
        data_seconds (float): Time spent waiting for the batch.
        step_seconds (float): Time of forward pass, backward pass and update.

    Example:
        >>> Iteration({'loss': float('nan')}, .1, .2).not_finite()
        ['loss']
    """

    losses: dict[str, float]
    data_seconds: float
    step_seconds: float

    def not_finite(self) -> list[str]:
        """Losses that are NaN or infinite.

        Returns:
            list[str]: Their names.
        """
        return [name for name, value in self.losses.items() if not np.isfinite(value)]


@dataclass(frozen=True)
class TimeEstimate:
    """What a training will take on this machine.

    Args:
        step_seconds (float): Median training step.
        load_seconds (float | None): Loading one batch in one process; None where not measured.
        iteration_seconds (float): Expected time of one iteration.
        batches (int | None): Iterations in an epoch; None where the loop knows no epochs.
        epoch_seconds (float | None): Expected time of one epoch, without validation; likewise.
        total_seconds (float | None): Expected time of all iterations, without validation; None
            where the loop does not say how many.
        precision (str): How far to trust it, in words.

    Example:
        >>> estimate_time([Iteration({}, 0., 2.), Iteration({}, 0., 1.)], .01, 8, 2, 10, 100
        ...               ).epoch_seconds
        10.0
    """

    step_seconds: float
    load_seconds: float | None
    iteration_seconds: float
    batches: int | None
    epoch_seconds: float | None
    total_seconds: float | None
    precision: str

    def to_dict(self) -> dict[str, Any]:
        """Give the estimate as JSON-serialisable values.

        Returns:
            dict[str, Any]: The fields.
        """
        return asdict(self)


def estimate_time(
    iterations: Sequence[Iteration],
    seconds_per_image: float | None,
    batch_size: int,
    workers: int,
    batches: int | None,
    total: int | None,
) -> TimeEstimate:
    """Expect the measured step, or the loading where that is slower, in every iteration.

    The first iteration is a warm-up and counts only where it is the only one. Loader processes
    work beside the training step; without any, loading and step follow each other.

    Args:
        iterations (Sequence[Iteration]): What was measured, at least one.
        seconds_per_image (float | None): Pipeline for one image in one process; None where not
            measured.
        batch_size (int): Images per iteration.
        workers (int): Loader processes.
        batches (int | None): Iterations in an epoch; None where the loop knows no epochs.
        total (int | None): Iterations of the whole training; None where unknown.

    Returns:
        TimeEstimate: Expected times.

    Raises:
        ValueError: There is no iteration.

    Example:
        >>> slow_loading = estimate_time([Iteration({}, 0., 1.)], .5, 8, 0, 10, None)
        >>> slow_loading.epoch_seconds, slow_loading.precision
        (50.0, 'from one iteration without warm-up, likely too long')
    """
    if not iterations:
        raise ValueError('iterations must be one or more, got none')
    measured = [item.step_seconds for item in iterations[1:]] or [iterations[0].step_seconds]
    step = float(np.median(measured))
    load = None if seconds_per_image is None else seconds_per_image * batch_size
    if load is None:
        each = step
    elif workers:
        each = max(step, load / min(workers, os.cpu_count() or 1))
    else:
        each = step + load
    if len(iterations) == 1:
        precision = 'from one iteration without warm-up, likely too long'
    elif len(measured) == 1:
        precision = 'from one iteration after one of warm-up: good to a factor of two'
    else:
        precision = (
            f'from {len(measured)} iterations after one of warm-up, {min(measured):.2g} to '
            f'{max(measured):.2g} s each'
        )
    return TimeEstimate(
        step_seconds=step,
        load_seconds=load,
        iteration_seconds=each,
        batches=batches,
        epoch_seconds=None if batches is None else each * batches,
        total_seconds=None if total is None else each * total,
        precision=precision,
    )
