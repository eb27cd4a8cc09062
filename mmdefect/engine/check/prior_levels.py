"""Which pyramid level each prior of an image belongs to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ['prior_levels']


def prior_levels(
    priors: torch.Tensor, level_priors: Sequence[torch.Tensor]
) -> NDArray[np.int64] | None:
    """Find the level of each prior.

    Heads hand their assigner the priors of all levels in one tensor, some of them left out: those
    outside the image. What is left is in the same order and has the same values.

    Args:
        priors (Tensor): Priors that an assigner was given, shape (n, d).
        level_priors (Sequence[Tensor]): All priors of each level, shapes (n_level, d).

    Returns:
        NDArray[np.int64] | None: Level of each prior, from 0, shape (n,); None where they are
        not among the priors of the levels.

    Example:
        >>> fine, coarse = torch.tensor([[0., 8.], [4., 8.], [8., 8.]]), torch.tensor([[4., 16.]])
        >>> prior_levels(torch.tensor([[4., 8.], [4., 16.]]), [fine, coarse]).tolist()
        [0, 1]
    """
    sizes = np.array([len(level) for level in level_priors])
    if len(priors) == sizes.sum():
        return np.repeat(np.arange(len(sizes)), sizes)
    if any(level.shape[1:] != priors.shape[1:] for level in level_priors):
        return None
    rows = _keys(torch.cat([*level_priors, priors]))
    every, kept = rows[: sizes.sum()], rows[sizes.sum() :]
    # Equal priors of several levels follow each other in the order of the levels, in both lists.
    order = np.lexsort((_turn(every), every))
    places = np.searchsorted(every[order], kept, side='left') + _turn(kept)
    if (places >= len(order)).any() or (every[order][places] != kept).any():
        return None
    return np.repeat(np.arange(len(sizes)), sizes)[order[places]]


def _keys(priors: torch.Tensor) -> NDArray[np.uint64]:
    """A number per row, equal for equal rows and, but for chance, only for them."""
    values = priors.detach().float().cpu().numpy()
    keys = np.zeros(len(values), np.uint64)
    for column in np.ascontiguousarray(values.T).view(np.uint32):
        # One round of Fowler-Noll-Vo, on whole numbers instead of bytes.
        keys = (keys ^ column) * np.uint64(0x100000001B3) + np.uint64(0x9E3779B97F4A7C15)
    return keys


def _turn(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """How often each key stood before in the list."""
    order = np.argsort(keys, kind='stable')
    ordered = keys[order]
    first = np.searchsorted(ordered, ordered, side='left')
    turn = np.empty(len(keys), np.int64)
    turn[order] = np.arange(len(keys)) - first
    return turn
