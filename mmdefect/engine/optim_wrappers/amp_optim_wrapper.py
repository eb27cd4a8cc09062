"""Mixed precision that also runs on a CPU."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.device import get_device
from mmengine.optim import OptimWrapper
from torch import nn

from mmdefect.engine.precision import autocast_layers, low_precision
from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.registry import OPTIM_WRAPPERS

__all__ = ['AmpOptimWrapper']

_DTYPES = {'bfloat16': torch.bfloat16, 'float16': torch.float16}


@OPTIM_WRAPPERS.register_module()
class AmpOptimWrapper(OptimWrapper):
    """Run the layers of the model under ``torch.autocast`` on CPU or GPU.

    mmengine's wrapper refuses to be built without a GPU. This one computes backbone, neck and
    heads in bfloat16 and leaves head outputs, boxes, losses and weights in float32. With
    float16, which only GPUs offer, the loss is scaled; bfloat16 has float32's range and needs
    no scaling.

    Args:
        dtype (str | None): ``bfloat16`` or ``float16``. Default None: bfloat16 where the
            device has it, else float16.
        loss_scale (str | float): ``dynamic`` or a fixed scale; used with float16 only.
            Default ``dynamic``.
        **kwargs: Arguments of :class:`mmengine.optim.OptimWrapper`.

    Raises:
        InputError: A key or ``dtype`` is unknown, or float16 is asked for on a CPU.

    Example:
        >>> weight = nn.Parameter(torch.ones(1))
        >>> wrapper = AmpOptimWrapper(optimizer=torch.optim.SGD([weight], lr=.1),
        ...                           dtype='bfloat16')
        >>> wrapper.dtype
        torch.bfloat16
    """

    def __init__(
        self, dtype: str | None = None, loss_scale: str | float = 'dynamic', **kwargs: Any
    ) -> None:
        known = inspect.signature(OptimWrapper).parameters
        reject_unknown_keys('AmpOptimWrapper', kwargs, ('dtype', 'loss_scale', *known))
        super().__init__(**kwargs)
        self.device_type = get_device()
        if dtype is None:
            dtype = str(low_precision(self.device_type)).removeprefix('torch.')
        if dtype not in _DTYPES:
            raise InputError(
                f'AmpOptimWrapper: dtype must be one of {", ".join(_DTYPES)}, got {dtype!r}'
            )
        if dtype == 'float16' and self.device_type == 'cpu':
            raise InputError("AmpOptimWrapper: a CPU has no float16; set dtype='bfloat16'")
        self.dtype = _DTYPES[dtype]
        if loss_scale != 'dynamic' and not isinstance(loss_scale, (int, float)):
            raise InputError(
                f"AmpOptimWrapper: loss_scale must be 'dynamic' or a number, got {loss_scale!r}"
            )
        scale = {} if loss_scale == 'dynamic' else {'init_scale': float(loss_scale)}
        self.loss_scaler = torch.amp.GradScaler(
            self.device_type, enabled=self.dtype == torch.float16, **scale
        )

    def backward(self, loss: torch.Tensor, **kwargs: Any) -> None:
        """Back-propagate the loss, scaled with float16.

        Args:
            loss (torch.Tensor): Scalar.
            **kwargs: Arguments of :meth:`torch.Tensor.backward`.
        """
        self.loss_scaler.scale(loss).backward(**kwargs)
        self._inner_count += 1

    def step(self, **kwargs: Any) -> None:
        """Clip the gradients where asked, then update the weights.

        Args:
            **kwargs: Arguments of :meth:`torch.optim.Optimizer.step`.
        """
        if self.clip_grad_kwargs:
            self.loss_scaler.unscale_(self.optimizer)
            self._clip_grad()
        self.loss_scaler.step(self.optimizer, **kwargs)
        self.loss_scaler.update()

    def state_dict(self) -> dict:
        """State of the optimiser and of the loss scaler.

        Returns:
            dict: The optimiser's state with the key ``loss_scaler`` added.
        """
        return {**super().state_dict(), 'loss_scaler': self.loss_scaler.state_dict()}

    def load_state_dict(self, state_dict: dict) -> None:
        """Restore what :meth:`state_dict` returned; a float32 run's state is accepted too.

        Args:
            state_dict (dict): State of this wrapper or of :class:`mmengine.optim.OptimWrapper`.
        """
        state_dict = dict(state_dict)
        scaler = state_dict.pop('loss_scaler', None)
        if scaler:
            self.loss_scaler.load_state_dict(scaler)
        super().load_state_dict(state_dict)

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocast the layers, and synchronise gradients only when they are used.

        Args:
            model (nn.Module): The model being trained.

        Yields:
            None: The forward pass runs inside.
        """
        layers = autocast_layers(model, self.device_type, self.dtype)
        with super().optim_context(model), layers:
            yield
