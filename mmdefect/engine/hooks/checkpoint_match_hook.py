"""Says what of a checkpoint fits the model, remaps class heads, refuses another model's file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop, find_latest_checkpoint

from mmdefect.engine.checkpoint_state import (
    checkpoint_classes,
    checkpoint_weights,
    neutral_parts,
    require_exact,
)
from mmdefect.engine.class_head import remap_class_rows
from mmdefect.engine.input_channels import adapt_input_channels
from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.registry import HOOKS

__all__ = ['CheckpointMatchHook']

# A checkpoint whose backbone fits less than this belongs to another model.
_MIN_BACKBONE_SHARE = 0.9
_BACKBONES = ('backbone.', 'student.backbone.')


@HOOKS.register_module()
class CheckpointMatchHook(Hook):
    """Compare a checkpoint with the model before its weights are loaded.

    * Testing and resuming: every weight must be there with its shape, else an error. In testing
      a part that changes nothing until it is trained (``neutral_at_start``, as a fusion of views)
      may be absent as a whole, which is logged.
    * Starting a training from a checkpoint: a detector's weights or a bare backbone's
      (ImageNet) are taken, for student and teacher both where there are two; of a semi-supervised
      one student and teacher, and not the state of its pseudo labels; rows of class heads
      are mapped by class name; a first convolution is adapted from colour to grey images and
      back; a list of what was loaded, remapped, adapted and left fresh is logged; a file whose
      backbone does not fit is an error.

    Args:
        **unknown: Refused.

    Example:
        >>> CheckpointMatchHook().priority
        'VERY_HIGH'
    """

    # Before EMAHook, which copies the checkpoint's weights.
    priority = 'VERY_HIGH'

    def __init__(self, **unknown: Any) -> None:
        reject_unknown_keys('CheckpointMatchHook', unknown, ())

    def after_load_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Check and adapt ``checkpoint['state_dict']`` in place.

        Args:
            runner (Runner): The runner.
            checkpoint (dict): The loaded checkpoint, or a bare state dict.

        Raises:
            InputError: The checkpoint does not fit the model.
        """
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        own = model.state_dict()
        # MMDetection's own tools leave the search for the newest checkpoint to the runner.
        name = str(runner._load_from or find_latest_checkpoint(runner.work_dir))
        state = checkpoint_weights(checkpoint, name)
        starts_training = isinstance(runner._train_loop, BaseLoop) and not runner._resume
        if not starts_training:
            # To resume, the optimiser's state must fit too.
            may_lack = () if runner._resume else neutral_parts(model)
            for part in require_exact(own, state, name, may_lack):
                runner.logger.info(
                    f'{name} has no {part[:-1]}: the model predicts as the one without it'
                )
                state.update((key, own[key]) for key in own if key.startswith(part))
                checkpoint['state_dict'] = state
            _require_same_classes(checkpoint_classes(checkpoint), _dataset_classes(runner), name)
            # EMAHook looks for the key also in a bare state dict.
            checkpoint.setdefault('state_dict', state)
            return
        state = _for_both_twins(own, _with_backbone_prefix(own, state))
        adapted, changed, fresh = _adapt(
            own,
            state,
            old_classes=checkpoint_classes(checkpoint),
            new_classes=_dataset_classes(runner),
        )
        _require_backbone(own, adapted, name)
        checkpoint['state_dict'] = adapted
        runner.logger.info(_describe(own, adapted, changed, fresh))


def _require_same_classes(trained: tuple[str, ...], wanted: tuple[str, ...], name: str) -> None:
    """The same names in another order would swap labels silently."""
    if trained and wanted and trained != wanted:
        raise InputError(
            f'{name}: trained on the classes {", ".join(trained)}, but the data set has '
            f'{", ".join(wanted)}; use the same names in the same order'
        )


def _require_backbone(
    own: Mapping[str, torch.Tensor], adapted: Mapping[str, torch.Tensor], name: str
) -> None:
    needed = [key for key in own if key.startswith(_BACKBONES)] or list(own)
    needed = [key for key in needed if not key.endswith('num_batches_tracked')]
    fitting = sum(key in adapted for key in needed)
    if fitting < _MIN_BACKBONE_SHARE * len(needed):
        missing = next(key for key in needed if key not in adapted)
        raise InputError(
            f'{name}: checkpoint of another model, only {fitting} of {len(needed)} backbone '
            f'weights fit (first that does not: {missing}); give weights of the same backbone'
        )


def _with_backbone_prefix(
    own: Mapping[str, torch.Tensor], state: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Prefix the keys of a bare backbone, such as torchvision's ImageNet weights."""
    if any('backbone.' in key for key in state):
        return state
    return {f'backbone.{key}': value for key, value in state.items()}


def _for_both_twins(
    own: Mapping[str, torch.Tensor], state: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Give a detector's weights to the student and the teacher of a semi-supervised one."""
    semi = any(key.startswith('student.') for key in own)
    if not semi:
        return state
    twins = {key: value for key, value in state.items() if key.startswith(('student.', 'teacher.'))}
    if twins:
        # Counters and thresholds of its pseudo labels belong to that training.
        return twins
    return {
        f'{twin}.{key}': value for twin in ('student', 'teacher') for key, value in state.items()
    }


def _adapt(
    own: Mapping[str, torch.Tensor],
    state: Mapping[str, torch.Tensor],
    old_classes: tuple[str, ...],
    new_classes: tuple[str, ...],
) -> tuple[dict[str, torch.Tensor], dict[str, str], list[str]]:
    """What to load; how which of it was changed; what stays as it is."""
    adapted: dict[str, torch.Tensor] = {}
    changed: dict[str, str] = {}
    fresh = []
    other_classes = bool(old_classes) and old_classes != new_classes
    for key, target in own.items():
        source = state.get(key)
        if source is None:
            fresh.append(key)
        elif source.shape == target.shape and not (other_classes and _is_class_layer(key)):
            adapted[key] = source
        elif (
            _is_class_layer(key)
            and (rows := remap_class_rows(target, source, old_classes, new_classes)) is not None
        ):
            adapted[key] = rows
            changed[key] = 'remapped by class name'
        elif (weight := adapt_input_channels(target, source)) is not None:
            adapted[key] = weight
            how = 'summed over' if target.shape[1] == 1 else 'shared out among'
            changed[key] = f'{how} the image channels ({source.shape[1]} to {target.shape[1]})'
        else:
            fresh.append(key)
    fresh = [key for key in fresh if not key.endswith('num_batches_tracked')]
    return adapted, changed, fresh


def _is_class_layer(key: str) -> bool:
    """``bbox_head.retina_cls.weight``, ``rtm_cls.0.bias``, ``fc_cls``; not ``cls_convs``.

    Of MMPretrain's classifiers ``head.fc.weight``.
    """
    return key.startswith('head.fc.') or any(part.endswith('cls') for part in key.split('.'))


def _dataset_classes(runner: Any) -> tuple[str, ...]:
    """Classes of the loop that is about to run."""
    loops = (runner._train_loop, runner._val_loop, runner._test_loop)
    loop = next(loop for loop in loops if isinstance(loop, BaseLoop))
    metainfo = getattr(loop.dataloader.dataset, 'metainfo', None) or {}
    return tuple(metainfo.get('classes') or ())


def _describe(
    own: Mapping[str, torch.Tensor],
    adapted: Mapping[str, torch.Tensor],
    changed: Mapping[str, str],
    fresh: list[str],
) -> str:
    total = Counter(key.split('.')[0] for key in own)
    taken = Counter(key.split('.')[0] for key in adapted if key not in changed)
    parts = ', '.join(f'{part} {taken[part]} of {total[part]}' for part in total)
    lines = [f'weights loaded: {parts}']
    lines += [f'  {how}: {key}' for key, how in changed.items()]
    lines += [f'  left fresh: {key}' for key in fresh]
    return '\n'.join(lines)
