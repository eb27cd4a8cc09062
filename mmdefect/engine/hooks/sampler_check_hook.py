"""The batch of the loader against the one that its sampler puts together."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop

from mmdefect.datasets.samplers import SemiSupervisedSampler, TileSampler
from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.registry import HOOKS

__all__ = ['SamplerCheckHook']


@HOOKS.register_module()
class SamplerCheckHook(Hook):
    """Refuse to start when a sampler that forms batches does not fit its loader or its loop.

    ``batch_size`` stands in the loader and in
    :class:`mmdefect.datasets.samplers.SemiSupervisedSampler` or
    :class:`mmdefect.datasets.samplers.TileSampler`, and MMEngine shows the sampler only data set
    and seed. Where the two differ, the batches hold another mix of sources than the ratio says,
    or images are loaded more often than once. The first of the two has no end, so an epoch would
    have none either.

    Args:
        **unknown: Refused.

    Example:
        >>> SamplerCheckHook().priority
        'NORMAL'
    """

    def __init__(self, **unknown: Any) -> None:
        reject_unknown_keys('SamplerCheckHook', unknown, ())

    def before_train(self, runner: Any) -> None:
        """Check before the first iteration.

        Args:
            runner (Runner): The runner.

        Raises:
            InputError: The batch sizes differ, or the loop counts epochs.
        """
        loader = runner.train_dataloader
        batches = getattr(loader, 'batch_sampler', None)
        sampler = getattr(batches, 'sampler', None)
        if not isinstance(sampler, (SemiSupervisedSampler, TileSampler)):
            return
        found = getattr(batches, 'batch_size', None)
        if found != sampler.batch_size:
            raise InputError(
                f'train_dataloader.batch_size is {found}, but that of its '
                f'{type(sampler).__name__} is {sampler.batch_size}; set both to the same number'
            )
        endless = isinstance(sampler, SemiSupervisedSampler)
        if endless and isinstance(runner.train_loop, EpochBasedTrainLoop):
            raise InputError(
                'train_cfg: a SemiSupervisedSampler has no end, so an epoch would last for ever; '
                "set type='mmdefect.GuardedIterBasedTrainLoop' or 'IterBasedTrainLoop' and "
                'max_iters'
            )
