"""Buffers of a model as they were before an iteration."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ['BufferSnapshot']


class BufferSnapshot:
    """Copy the buffers of a model, and put them back.

    A forward pass in training changes running means and variances of batch normalisation, and
    whatever other statistics are kept in buffers (thresholds of pseudo labels). The memory of the
    copies is used again; it is as large as the buffers, a few hundred kB for a ResNet-50.

    Args:
        model (nn.Module): The model.

    Example:
        >>> norm = nn.BatchNorm1d(2)
        >>> snapshot = BufferSnapshot(norm)
        >>> snapshot.take()
        >>> _ = norm(torch.tensor([[1.0, 2.0], [3.0, float('nan')]]))
        >>> snapshot.restore()
        >>> norm.running_mean, norm.num_batches_tracked
        (tensor([0., 0.]), tensor(0))
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._taken: dict[tuple[nn.Module, str], tuple[torch.Tensor, torch.Tensor]] = {}

    @torch.no_grad()
    def take(self) -> None:
        """Copy the buffers."""
        before, self._taken = self._taken, {}
        for module in self._model.modules():
            for name, buffer in module._buffers.items():
                if buffer is None:
                    continue
                copied = before.get((module, name), (buffer, None))[1]
                if copied is None or copied.shape != buffer.shape or copied.dtype != buffer.dtype:
                    copied = torch.empty_like(buffer)
                self._taken[module, name] = (buffer, copied.copy_(buffer))

    @torch.no_grad()
    def restore(self) -> None:
        """Put back what :meth:`take` copied, also where a module has replaced its buffer."""
        for (module, name), (buffer, copied) in self._taken.items():
            module._buffers[name] = buffer.copy_(copied)
