"""Random generators go on after a resume as if nothing had happened."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.dist import all_gather_object, get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop

from mmdefect.engine.hooks.atomic_checkpoint_hook import AtomicCheckpointHook
from mmdefect.engine.random_states import (
    capture_random_states,
    restore_random_states,
    seed_everything,
)
from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.registry import HOOKS

__all__ = ['RandomStateHook']

_KEY = 'random_states'


@HOOKS.register_module()
class RandomStateHook(Hook):
    """Save the states of all random generators in each checkpoint and restore them on resume.

    MMEngine's checkpoints hold none: dropout, samplers of RoIs and box jitter draw other numbers
    after a resume. Here each checkpoint one can resume from holds, per rank, the states of
    Python, NumPy, PyTorch and CUDA as tensors (``random_states``, 15 kB per rank).

    A loop by iterations first advances the loader to where the training was and loads a batch,
    both of which may draw numbers; the states are restored after that, before the first
    training step. A loop by epochs starts a new epoch; the states are restored before its loader
    starts. A validation in between leaves no trace: the states before it come back after it.

    What loader processes draw is not saved, as nothing can reach into them: a training that is
    to go on exactly draws each item under a seed of its own. With more ranks than before, a new
    rank is seeded by (seed, iteration, rank).

    Args:
        **unknown: Refused.

    Example:
        >>> RandomStateHook().priority
        'VERY_HIGH'
    """

    # What other hooks draw comes after the states are back.
    priority = 'VERY_HIGH'

    def __init__(self, **unknown: Any) -> None:
        reject_unknown_keys('RandomStateHook', unknown, ())
        self._before_val: dict[str, torch.Tensor] | None = None
        self._of_ranks: list[dict[str, torch.Tensor]] | None = None
        self._resumed: list[dict[str, torch.Tensor]] | None = None
        self._loader_generator: torch.Generator | None = None

    def before_train(self, runner: Any) -> None:
        """Refuse ranks whose states nobody would gather; give the loader its own generator.

        Args:
            runner (Runner): The runner; its training loader draws a number whenever it starts
                anew, from now on not from the generators of the training.

        Raises:
            InputError: Several ranks train without ``AtomicCheckpointHook``.
        """
        gathered = any(isinstance(hook, AtomicCheckpointHook) for hook in runner.hooks)
        if get_world_size() > 1 and not gathered:
            raise InputError(
                'RandomStateHook: with several ranks it needs mmdefect.AtomicCheckpointHook as '
                'default_hooks.checkpoint, which asks every rank before the first one saves'
            )
        loader = runner.train_loop.dataloader
        if getattr(loader, 'generator', None) is None:
            loader.generator = self._loader_generator = torch.Generator()

    def before_gather_checkpoint(self, runner: Any) -> None:
        """Gather the states; ``AtomicCheckpointHook`` calls it on every rank.

        Args:
            runner (Runner): Not used.
        """
        self._of_ranks = all_gather_object(self._states())

    def before_save_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Add the states to a checkpoint one can resume from.

        Args:
            runner (Runner): Not used.
            checkpoint (dict): Changed in place.
        """
        if 'optimizer' in checkpoint:
            checkpoint[_KEY] = self._of_ranks or [self._states()]
        self._of_ranks = None

    def after_load_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Remember the states of a resumed training.

        Args:
            runner (Runner): The runner.
            checkpoint (dict): The loaded checkpoint.
        """
        if not runner._resume:
            return
        # MMEngine takes the checkpoint's seed over, but the loader has been built by now.
        seed = checkpoint.get('meta', {}).get('seed')
        if seed not in (None, runner.seed):
            runner.logger.warning(
                f'The checkpoint was trained with seed {seed}, this training has {runner.seed}: '
                f'images come in another order; set randomness.seed={seed} to go on exactly.'
            )
        self._resumed = checkpoint.get(_KEY)
        if self._resumed is None:
            runner.logger.warning(
                'The checkpoint holds no states of random generators: the training goes on, but '
                'not with the numbers that it would have drawn.'
            )
        elif len(self._resumed) != get_world_size():
            runner.logger.warning(
                f'The checkpoint is of {len(self._resumed)} ranks, now there are '
                f'{get_world_size()}: random numbers differ from those of the first training.'
            )

    def before_train_epoch(self, runner: Any) -> None:
        """Restore the states of a loop by epochs.

        Args:
            runner (Runner): The runner.
        """
        if self._loader_generator is not None:
            self._loader_generator.manual_seed(runner.seed + runner.epoch)
        if isinstance(runner.train_loop, EpochBasedTrainLoop):
            self._restore(runner)

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Restore the states of a loop by iterations, which has advanced the loader by now.

        Args:
            runner (Runner): The runner.
            batch_idx (int): Not used.
            data_batch (Any): Not used. Default None.
        """
        self._restore(runner)

    def before_val(self, runner: Any) -> None:
        """Keep the states.

        Args:
            runner (Runner): Not used.
        """
        self._before_val = capture_random_states()

    def after_val(self, runner: Any) -> None:
        """Bring the states back.

        Args:
            runner (Runner): Not used.
        """
        if self._before_val is not None:
            restore_random_states(self._before_val)
            self._before_val = None

    def _states(self) -> dict[str, torch.Tensor]:
        # After a validation with a new best score the checkpoint is saved once more.
        return self._before_val or capture_random_states()

    def _restore(self, runner: Any) -> None:
        if self._resumed is None:
            return
        states, self._resumed = self._resumed, None
        rank = get_rank()
        if rank < len(states):
            restore_random_states(states[rank])
        else:
            seed_everything((runner.seed, runner.iter, rank))
