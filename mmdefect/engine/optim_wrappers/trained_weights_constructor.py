"""Optimisers of models of which parts take no gradients."""

from __future__ import annotations

from typing import Any

from mmengine.logging import print_log
from mmengine.optim import DefaultOptimWrapperConstructor
from torch import nn

from mmdefect.registry import OPTIM_WRAPPER_CONSTRUCTORS
from mmdefect.wording import counted

__all__ = ['TrainedWeightsConstructor']


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class TrainedWeightsConstructor(DefaultOptimWrapperConstructor):
    """MMEngine's constructor with one line in the log for each part that takes no gradients.

    MMEngine's own warns once for each weight, so that the teacher of a soft teacher fills pages
    of the log. Everything else is the same; ``paramwise_cfg`` has the same keys.

    Args:
        optim_wrapper_cfg (dict): Wrapper with its optimiser.
        paramwise_cfg (dict | None): Options of single weights. Default None.

    Example:
        >>> config = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1, weight_decay=0.1))
        >>> build = TrainedWeightsConstructor(config, dict(norm_decay_mult=0))
        >>> [len(group['params']) for group in build(nn.Linear(2, 1)).param_groups[:2]]
        [1, 1]
    """

    def add_params(
        self, params: list[dict[str, Any]], module: nn.Module, prefix: str = '', **kwargs: Any
    ) -> None:
        """Add the weights of a module that are trained.

        Args:
            params (list[dict]): Groups of weights, changed in place.
            module (nn.Module): The module.
            prefix (str): Its name in the model. Default ''.
            **kwargs: As of MMEngine's constructor.
        """
        weights = list(module.parameters())
        if weights and not any(weight.requires_grad for weight in weights):
            print_log(f'{prefix}: {counted(len(weights), "weight")} not trained', logger='current')
            return
        super().add_params(params, module, prefix, **kwargs)
