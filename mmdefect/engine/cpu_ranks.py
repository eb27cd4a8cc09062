"""Several processes that train one model on CPUs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
from mmengine.config import Config
from mmengine.device import utils as device_state

from mmdefect.errors import InputError

__all__ = ['cpu_ranks', 'use_device']

_WRAPPER = 'mmdefect.CPUDistributedDataParallel'
_STOCK_WRAPPERS = (None, 'MMDistributedDataParallel', _WRAPPER)
# Seconds, of which microseconds are needed unless all cores are busy.
_LOCK_HANDOVER = 0.5
_FROM_LAUNCHER = ('RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_ADDR', 'MASTER_PORT')


def use_device(device: str) -> None:
    """Decide what all of MMEngine computes on.

    Args:
        device (str): ``'auto'``: GPUs where there are any; ``'cpu'``: CPUs whatever there is.

    Example:
        >>> use_device('auto')
    """
    if device == 'cpu':
        # MMEngine has looked for GPUs when it was imported and asks here from then on.
        device_state.DEVICE = 'cpu'


@contextmanager
def cpu_ranks(config: Config) -> Iterator[None]:
    """Join the other processes by gloo, where the config is launched as several on CPUs.

    MMEngine's own start calls ``torch.cuda.set_device`` and gives its model wrapper the number of
    a GPU. It leaves a process group that exists as it is, and takes the wrapper that the config
    names, so both are settled here before the runner is built. With one process, or on GPUs,
    nothing happens.

    Args:
        config (Config): The config; its model wrapper is changed.

    Yields:
        None: The process group exists inside.

    Raises:
        InputError: The launcher is none that starts CPU processes, or the config names a model
            wrapper of its own.

    Example:
        >>> with cpu_ranks(Config(dict(launcher='none'))):
        ...     torch.distributed.is_initialized()
        False
    """
    launcher = config.get('launcher', 'none')
    if launcher == 'none' or device_state.get_device() != 'cpu':
        yield
        return
    if launcher != 'pytorch':
        raise InputError(f'--launcher {launcher}: CPUs need --launcher pytorch')
    missing = [name for name in _FROM_LAUNCHER if name not in os.environ]
    if missing:
        raise InputError(
            f'--launcher pytorch: {missing[0]} is not set; start with tools/dist_train.sh'
        )
    wrapper = config.get('model_wrapper_cfg') or {}
    if wrapper.get('type') not in _STOCK_WRAPPERS:
        raise InputError(
            f'model_wrapper_cfg.type {wrapper["type"]} cannot be used on CPUs; remove the key'
        )
    # MMEngine's own defaults.
    unused = config.get('find_unused_parameters', False)
    config.model_wrapper_cfg = dict(
        dict(broadcast_buffers=False, find_unused_parameters=unused), **wrapper
    )
    config.model_wrapper_cfg.type = _WRAPPER
    if torch.distributed.is_initialized():
        yield
        return
    timeout = config.get('env_cfg', {}).get('dist_cfg', {}).get('timeout')
    torch.distributed.init_process_group(
        'gloo', timeout=None if timeout is None else timedelta(seconds=timeout)
    )
    try:
        yield
    finally:
        torch.distributed.destroy_process_group()
        # The model wrapper keeps gloo's threads alive beyond this. One that still has to drop a
        # tensor waits for the interpreter's lock; if the interpreter ended first, the process
        # would abort (SIGABRT, "terminate called without an active exception").
        time.sleep(_LOCK_HANDOVER)
