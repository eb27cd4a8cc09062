"""What losses are divided by."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.dist import all_reduce, get_world_size
from torch import Tensor

__all__ = ['mean_positives']


def mean_positives(labels: Sequence[Tensor], num_classes: int) -> float:
    """Count what belongs to a class, averaged over the ranks of a distributed training.

    With it as divisor the mean of the ranks' losses is the loss that one process would have for
    all their images. Every rank must call it, those without a positive too.

    Args:
        labels (Sequence[Tensor]): Labels of any shape, int64; outside ``0..num_classes - 1``:
            background.
        num_classes (int): Number of classes.

    Returns:
        float: Positives of all ranks, at least 1, divided by the number of ranks.

    Example:
        >>> mean_positives([torch.tensor([0, 2, 1]), torch.tensor([2])], num_classes=2)
        2.0
    """
    masks = [(level >= 0) & (level < num_classes) for level in labels]
    count = torch.stack([mask.sum() for mask in masks]).sum()
    all_reduce(count, 'sum')
    return max(count.item(), 1) / get_world_size()
