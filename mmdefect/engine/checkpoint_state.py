"""What a checkpoint holds: weights, class names; whether all of them fit a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from mmdefect.compat.checkpoints import load
from mmdefect.errors import InputError

__all__ = [
    'checkpoint_classes',
    'checkpoint_weights',
    'neutral_parts',
    'require_exact',
    'saved_scores',
]


def checkpoint_weights(checkpoint: Any, name: str) -> dict[str, torch.Tensor]:
    """Take the weights out of a checkpoint or a bare state dict.

    Args:
        checkpoint (Any): The loaded content.
        name (str): What messages call it.

    Returns:
        dict[str, torch.Tensor]: Weights by key, without the prefix of a wrapped model.

    Raises:
        InputError: There are none.

    Example:
        >>> list(checkpoint_weights({'module.bias': torch.zeros(1)}, 'a.pth'))
        ['bias']
    """
    state = checkpoint.get('state_dict', checkpoint) if isinstance(checkpoint, Mapping) else None
    if not isinstance(state, Mapping):
        raise InputError(f'{name}: holds no weights; give a checkpoint or a state dict')
    tensors = {
        key.removeprefix('module.'): value
        for key, value in state.items()
        if isinstance(key, str) and isinstance(value, torch.Tensor)
    }
    if not tensors:
        raise InputError(f'{name}: holds no weights; give a checkpoint or a state dict')
    return tensors


def checkpoint_classes(checkpoint: Mapping[str, Any]) -> tuple[str, ...]:
    """Class names that a checkpoint was trained on.

    Args:
        checkpoint (Mapping): The loaded content.

    Returns:
        tuple[str, ...]: Names in label order; empty where it does not say.

    Example:
        >>> checkpoint_classes({'meta': {'dataset_meta': {'classes': ['rust']}}})
        ('rust',)
    """
    meta = checkpoint.get('meta') or {}
    dataset_meta = meta.get('dataset_meta') or {}
    # MMDetection 2 wrote CLASSES.
    classes = dataset_meta.get('classes') or dataset_meta.get('CLASSES') or meta.get('CLASSES')
    return tuple(classes or ())


def neutral_parts(model: torch.nn.Module) -> tuple[str, ...]:
    """Name the parts of a model that change nothing until they are trained.

    Such a part says so by an attribute ``neutral_at_start``. A checkpoint of the model without it
    may lack all of its weights.

    Args:
        model (torch.nn.Module): The model.

    Returns:
        tuple[str, ...]: What the keys of their weights start with, such as ``fusion.``.

    Example:
        >>> gate = torch.nn.Linear(1, 1)
        >>> gate.neutral_at_start = True
        >>> neutral_parts(torch.nn.Sequential(torch.nn.ReLU(), gate))
        ('1.',)
    """
    return tuple(
        f'{name}.'
        for name, part in model.named_modules()
        if name and getattr(part, 'neutral_at_start', False)
    )


def require_exact(
    own: Mapping[str, torch.Tensor],
    state: Mapping[str, torch.Tensor],
    name: str,
    may_lack: Iterable[str] = (),
) -> tuple[str, ...]:
    """Refuse weights of another model.

    Args:
        own (Mapping[str, torch.Tensor]): State of the model.
        state (Mapping[str, torch.Tensor]): Weights of the checkpoint.
        name (str): What messages call it.
        may_lack (Iterable[str]): Parts that the checkpoint may lack as a whole, as
            :func:`neutral_parts` names them. Default none.

    Returns:
        tuple[str, ...]: Which of them it lacks.

    Raises:
        InputError: A weight is missing or has another shape.

    Example:
        >>> require_exact({'bias': torch.zeros(2)}, {'bias': torch.zeros(3)}, 'a.pth')
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: a.pth: checkpoint of another model, 1 of 1 weights do not fit \
(first: bias needs (2,), file has (3,)); use the config it was trained with
    """
    # Buffers such as num_batches_tracked are absent from old files and do not matter.
    needed = [key for key in own if not key.endswith('num_batches_tracked')]
    lacks = tuple(part for part in may_lack if not any(key.startswith(part) for key in state))
    needed = [key for key in needed if not key.startswith(lacks)]
    wrong = [key for key in needed if key not in state or state[key].shape != own[key].shape]
    if not wrong:
        return lacks
    key = wrong[0]
    found = tuple(state[key].shape) if key in state else 'nothing'
    raise InputError(
        f'{name}: checkpoint of another model, {len(wrong)} of {len(needed)} weights do not fit '
        f'(first: {key} needs {tuple(own[key].shape)}, file has {found}); '
        'use the config it was trained with'
    )


def saved_scores(files: Iterable[str | Path], key: str, until: int) -> dict[str, float]:
    """Read the scores that the best checkpoints of a training were saved for.

    Args:
        files (Iterable[str | Path]): Checkpoints; what cannot be read is passed over.
        key (str): Name of the score in MMEngine's message hub, as ``best_score``.
        until (int): Later iterations are passed over.

    Returns:
        dict[str, float]: Score by path, in the order of saving.

    Example:
        >>> saved_scores([], 'best_score', 100)
        {}
    """
    found = []
    for file in files:
        try:
            content = load(file, map_location='cpu')
            iteration, score = content['meta']['iter'], content['message_hub']['runtime_info'][key]
        except (InputError, KeyError, TypeError):
            continue
        if iteration <= until:
            found.append((iteration, str(file), score))
    return {file: score for _, file, score in sorted(found)}
