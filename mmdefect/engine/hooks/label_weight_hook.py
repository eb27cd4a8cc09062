"""Weights of labels that are there and labels that are not, stated or from the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from torch import nn

from mmdefect.datasets import TileSampler
from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.registry import HOOKS

__all__ = ['LabelWeightHook', 'balanced_weights']

# A class of which hardly a tile is there would outweigh all others.
_LARGEST = 10.0


@HOOKS.register_module()
class LabelWeightHook(Hook):
    """Weight the binary cross-entropy of a multi-label classifier: defective against clean.

    Sets ``class_weight`` and ``pos_weight`` of MMPretrain's ``CrossEntropyLoss`` with
    ``use_sigmoid=True`` before training: the loss of a label that is there is multiplied by the
    first weight, that of one that is not by the second.

    Args:
        weights ('auto' | Sequence[float]): Weights of labels that are there and of those that are
            not, such as (1.22, 0.85); or ``'auto'``: those that give both the same share in the
            loss, n / (2 n_there) and n / (2 n_not), counted per class over the n items of a
            training pass, at most 10. Default ``'auto'``.
        **unknown: Refused, naming the nearest known key.

    Raises:
        InputError: An unknown key or weights out of range; before training, a model without such
            a loss, or data that cannot be counted.

    Example:
        >>> LabelWeightHook(weights=(1.22, 0))
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: LabelWeightHook: weights must be 'auto' or two numbers above \
0, got (1.22, 0)
    """

    def __init__(self, weights: str | Sequence[float] = 'auto', **unknown: Any) -> None:
        reject_unknown_keys('LabelWeightHook', unknown, ('weights',))
        if weights != 'auto':
            numbers = isinstance(weights, Sequence) and not isinstance(weights, str)
            right = numbers and len(weights) == 2 and all(
                isinstance(value, (int, float)) and 0 < value < float('inf') for value in weights
            )  # fmt: skip
            if not right:
                raise InputError(
                    "LabelWeightHook: weights must be 'auto' or two numbers above 0, got "
                    f'{weights!r}'
                )
        self.weights = weights

    def before_train(self, runner: Any) -> None:
        """Set the weights.

        Args:
            runner (Runner): The runner.

        Raises:
            InputError: The model has no such loss, or the data cannot be counted.
        """
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        losses = [module for module in model.modules() if _takes_weights(module)]
        if not losses:
            raise InputError(
                "LabelWeightHook: the model has no loss dict(type='mmpretrain.CrossEntropyLoss', "
                'use_sigmoid=True); give its head one, or leave the hook out'
            )
        loader = runner.train_loop.dataloader
        classes = [str(name) for name in (loader.dataset.metainfo or {}).get('classes') or ()]
        if not classes:
            raise InputError(
                'LabelWeightHook: the training set has no class names; set '
                'metainfo=dict(classes=...)'
            )
        if self.weights == 'auto':
            there, not_there = balanced_weights(*_count(loader, len(classes)))
        else:
            there, not_there = (np.full(len(classes), float(value)) for value in self.weights)
        for loss in losses:
            loss.class_weight = not_there.tolist()
            loss.pos_weight = (there / not_there).tolist()
        texts = [
            f'{name} {yes:.2f} / {no:.2f}'
            for name, yes, no in zip(classes, there, not_there, strict=True)
        ]
        runner.logger.info(f'weights of labels that are there / are not: {", ".join(texts)}')


def balanced_weights(
    positives: npt.NDArray[np.int64], total: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Weights with which both answers have the same share in the loss.

    Args:
        positives (np.ndarray): Items that show a class, int64, shape (C,).
        total (int): Number of all items.

    Returns:
        tuple[np.ndarray, np.ndarray]: Weights of a label that is there and of one that is not,
        float64, shape (C,), at most 10; 1 where all items have the same label.

    Source:
        King and Zeng, "Logistic regression in rare events data", 2001.

    Example:
        >>> there, not_there = balanced_weights(np.array([41]), 100)
        >>> there.round(2).tolist(), not_there.round(2).tolist()
        ([1.22], [0.85])
    """
    counts = np.stack([positives, total - positives]).astype(float)
    one_label = (counts == 0).any(axis=0)
    weights = np.minimum(total / (2 * np.maximum(counts, 1)), _LARGEST)
    weights[:, one_label] = 1
    return weights[0], weights[1]


def _takes_weights(module: nn.Module) -> bool:
    return bool(getattr(module, 'use_sigmoid', False)) and hasattr(module, 'pos_weight')


def _count(loader: Any, classes: int) -> tuple[npt.NDArray[np.int64], int]:
    """Items of a pass that show each class, and all, over all ranks."""
    dataset, sampler = loader.dataset, loader.sampler
    if not hasattr(dataset, 'get_cat_ids'):
        raise InputError(
            f'LabelWeightHook: {type(dataset).__name__} does not tell its labels; give weights, '
            'such as weights=(1.22, 0.85)'
        )
    # Other samplers draw all items; some never end.
    items = [*sampler] if isinstance(sampler, TileSampler) else range(len(dataset))
    counts = torch.zeros(classes + 1, dtype=torch.int64)
    for index in items:
        counts[list({*dataset.get_cat_ids(int(index))})] += 1
    counts[-1] = len(items)
    all_reduce(counts)
    return counts[:-1].numpy(), int(counts[-1])
