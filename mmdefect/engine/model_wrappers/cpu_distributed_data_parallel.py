"""One model on several processes without GPUs."""

from __future__ import annotations

from typing import Any

from mmengine.model import MMDistributedDataParallel
from torch import nn

from mmdefect.errors import InputError
from mmdefect.registry import MODEL_WRAPPERS

__all__ = ['CPUDistributedDataParallel']

# torch's and mmcv's; both are called so.
_SYNC_BN = 'SyncBatchNorm'


@MODEL_WRAPPERS.register_module()
class CPUDistributedDataParallel(MMDistributedDataParallel):
    """MMEngine's wrapper without ``device_ids``, which its runner passes and CPUs do not have.

    ``tools/dist_train.sh CONFIG N --device cpu`` sets it; no config needs to.

    Args:
        module (nn.Module): The model.
        device_ids (Any): Not used; the runner gives a number of a GPU. Default None.
        **kwargs: Arguments of :class:`mmengine.model.MMDistributedDataParallel`.

    Raises:
        InputError: The model holds SyncBN, which computes on GPUs only.

    Example:
        >>> CPUDistributedDataParallel(nn.Sequential(nn.SyncBatchNorm(4)))
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: layer 0 of the model is SyncBN, which works on GPUs only; set \
norm_cfg.type='BN' or 'GN' to train on CPUs
    """

    def __init__(self, module: nn.Module, device_ids: Any = None, **kwargs: Any) -> None:
        for name, layer in module.named_modules():
            if type(layer).__name__ == _SYNC_BN:
                raise InputError(
                    f'layer {name} of the model is SyncBN, which works on GPUs only; set '
                    "norm_cfg.type='BN' or 'GN' to train on CPUs"
                )
        super().__init__(module=module, **kwargs)
