"""Parts of a model that start frozen and are fine-tuned later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import EpochBasedTrainLoop
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.registry import HOOKS

__all__ = ['FreezeSchedule']

_KEY = 'freeze_schedule'


@HOOKS.register_module()
class FreezeSchedule(Hook):
    """Train with a frozen backbone first, so that a fresh head does not spoil pretrained weights.

    While a part is frozen its weights get no gradient, and its BatchNorm keeps the statistics it
    came with. Whether it is follows from the epoch, or iteration, that runs: a training that was
    interrupted goes on as it would have. The optimiser holds all weights from the beginning;
    those without a gradient stay as they are, weight decay included.

    Frozen random filters would stay random. So without pretrained weights, neither in
    ``load_from`` nor by an ``init_cfg`` of type ``Pretrained``, nothing is frozen, which is
    logged. Checkpoints remember it, as a resumed training loads weights in any case.

    Several processes: set ``find_unused_parameters = True`` at the top of the config, or the
    processes would wait for gradients of what is frozen.

    Args:
        epochs (int | None): Epochs during which the parts are frozen, from 1. Default None.
        iterations (int | None): Or iterations. Default None.
        parts (Sequence[str]): Names of the parts in the model. Default ``('backbone',)``;
            ``('classifier.backbone',)`` in a :class:`mmdefect.inference.TiledClassifier`.
        **unknown: Refused, naming the nearest known key.

    Raises:
        InputError: An unknown key, none or both of ``epochs`` and ``iterations``, or a value
            below 1; before training, a part that the model has not.

    Example:
        >>> FreezeSchedule(epoch=2)
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: FreezeSchedule: unknown key 'epoch'; did you mean 'epochs'?
    """

    def __init__(
        self,
        epochs: int | None = None,
        iterations: int | None = None,
        parts: Sequence[str] = ('backbone',),
        **unknown: Any,
    ) -> None:
        reject_unknown_keys('FreezeSchedule', unknown, ('epochs', 'iterations', 'parts'))
        if (epochs is None) == (iterations is None):
            raise InputError('FreezeSchedule: give one of epochs and iterations')
        name, end = ('epochs', epochs) if iterations is None else ('iterations', iterations)
        if isinstance(end, bool) or not isinstance(end, int) or end < 1:
            raise InputError(f'FreezeSchedule: {name} must be a whole number from 1, got {end!r}')
        if isinstance(parts, str) or not parts:
            raise InputError(f'FreezeSchedule: parts must be names, got {parts!r}')
        self.by_epoch = iterations is None
        self.end = end
        self.parts = tuple(parts)
        self._pretrained: bool | None = None
        self._modules: list[nn.Module] = []
        # What was trainable before; None while nothing is frozen.
        self._weights: list[nn.Parameter] | None = None

    def after_load_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Learn whether a resumed training began with pretrained weights.

        Args:
            runner (Runner): The runner.
            checkpoint (dict): The loaded checkpoint.
        """
        if runner._resume:
            self._pretrained = bool(checkpoint.get(_KEY, {}).get('pretrained', True))

    def before_save_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Note it for a training that goes on from here.

        Args:
            runner (Runner): Not used.
            checkpoint (dict): Changed in place.
        """
        if self._pretrained is not None:
            checkpoint[_KEY] = {'pretrained': self._pretrained}

    def before_train(self, runner: Any) -> None:
        """Find the parts, now that weights are loaded and the optimiser holds them.

        Args:
            runner (Runner): The runner.

        Raises:
            InputError: The model has no such part, the loop counts otherwise, or several
                processes would wait for each other.
        """
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        if self.by_epoch and not isinstance(runner.train_loop, EpochBasedTrainLoop):
            raise InputError('FreezeSchedule: this training counts iterations; give iterations')
        known = dict(model.named_modules())
        for part in self.parts:
            if part not in known:
                near = [name for name in known if name.endswith(part.rpartition('.')[2])]
                hint = f'; did you mean {near[0]!r}?' if near else ''
                raise InputError(f'FreezeSchedule: the model has no part {part!r}{hint}')
        self._modules = [known[part] for part in self.parts]
        if self._pretrained is None:
            self._pretrained = bool(runner._load_from) or any(
                _is_pretrained(known[name]) for part in self.parts for name in _above(part, known)
            )
        if not self._pretrained:
            runner.logger.info(
                'FreezeSchedule: no pretrained weights (neither load_from nor an init_cfg of type '
                'Pretrained), so nothing is frozen'
            )
            return
        waits = is_model_wrapper(runner.model) and not getattr(
            runner.model, 'find_unused_parameters', True
        )
        if waits and self._is_early(runner):
            raise InputError(
                'FreezeSchedule: several processes would wait for gradients of frozen weights; '
                'set find_unused_parameters=True in the config'
            )

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Freeze or free the parts; loops put the whole model into training mode before.

        Args:
            runner (Runner): The runner.
            batch_idx (int): Not used.
            data_batch (Any): Not used. Default None.
        """
        if not self._pretrained:
            return
        if self._is_early(runner):
            if self._weights is None:
                self._freeze(runner)
            for module in self._modules:
                _keep_statistics(module)
        elif self._weights is not None:
            self._free(runner)

    def after_train(self, runner: Any) -> None:
        """Leave no frozen weights behind.

        Args:
            runner (Runner): The runner.
        """
        if self._weights is not None:
            self._free(runner)

    def _is_early(self, runner: Any) -> bool:
        return (runner.epoch if self.by_epoch else runner.iter) < self.end

    def _freeze(self, runner: Any) -> None:
        self._weights = [
            weight
            for module in self._modules
            for weight in module.parameters()
            if weight.requires_grad
        ]
        for weight in self._weights:
            weight.requires_grad_(False)
            weight.grad = None
        unit = 'epoch' if self.by_epoch else 'iteration'
        runner.logger.info(
            f'FreezeSchedule: {", ".join(self.parts)} frozen ({len(self._weights)} weights) until '
            f'the end of {unit} {self.end}'
        )

    def _free(self, runner: Any) -> None:
        for weight in self._weights or ():
            weight.requires_grad_(True)
        # Back to what the model's own train() sets, such as norm_eval.
        for module in self._modules:
            module.train()
        self._weights = None
        runner.logger.info(f'FreezeSchedule: {", ".join(self.parts)} trained from now on')


def _keep_statistics(module: nn.Module) -> None:
    for layer in module.modules():
        if isinstance(layer, _BatchNorm):
            layer.eval()


def _above(part: str, known: dict[str, nn.Module]) -> list[str]:
    """A part, what it lies in, and what lies in it."""
    names = part.split('.')
    outer = ['.'.join(names[:count]) for count in range(len(names))]
    return [*outer, part, *(name for name in known if name.startswith(f'{part}.'))]


def _is_pretrained(module: nn.Module) -> bool:
    given = getattr(module, 'init_cfg', None) or ()
    configs = [given] if isinstance(given, dict) else given
    return any(str(config.get('type')).endswith('Pretrained') for config in configs)
