"""Weights, and with them feature maps, in channels-last order."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmdefect.errors import reject_unknown_keys
from mmdefect.registry import HOOKS

__all__ = ['ChannelsLastHook']


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Run the convolutions of a model on channels-last memory.

    One line of a config: ``custom_hooks = [..., dict(type='mmdefect.ChannelsLastHook')]``. The
    weights are put into channels-last order before a training, validation or test begins; a
    convolution with such weights hands on channels-last features whatever it gets. Max pooling
    and RoIAlign are faster on them, and oneDNN and cuDNN need not reorder. Checkpoints are the
    same. Results differ from the usual order by rounding only.

    Example:
        >>> from types import SimpleNamespace
        >>> runner = SimpleNamespace(model=torch.nn.Conv2d(3, 8, 3))
        >>> ChannelsLastHook().before_run(runner)
        >>> runner.model.weight.is_contiguous(memory_format=torch.channels_last)
        True
    """

    def __init__(self, **unknown: Any) -> None:
        reject_unknown_keys('ChannelsLastHook', unknown, ())

    def before_run(self, runner: Runner) -> None:
        """Reorder the weights; optimisers keep them, as they are changed in place.

        Args:
            runner (Runner): Its model is changed.
        """
        runner.model.to(memory_format=torch.channels_last)
