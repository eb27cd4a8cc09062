"""The states of all random generators of a process, as tensors."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import numpy as np
import torch

__all__ = ['capture_random_states', 'restore_random_states', 'seed_everything']


def capture_random_states() -> dict[str, torch.Tensor]:
    """Take the states of Python's, NumPy's, PyTorch's and, where in use, CUDA's generators.

    A process trains on one GPU, so of CUDA it is the current device's.

    Returns:
        dict[str, torch.Tensor]: On the CPU; ``python`` int64 of shape (626,), ``numpy`` int64 of
        shape (626,), the pending Gaussian values of both in ``gauss`` (float64, shape (2,), NaN
        where there is none), ``torch`` and ``cuda`` uint8. A file of them loads with
        ``weights_only=True``.

    Example:
        >>> states = capture_random_states()
        >>> first = torch.rand(3)
        >>> restore_random_states(states)
        >>> bool((torch.rand(3) == first).all())
        True
    """
    version, words, gauss = random.getstate()
    _, keys, position, has_gauss, pending = np.random.get_state()  # type: ignore[misc]
    states = {
        'python': torch.tensor([version, *words], dtype=torch.int64),
        'numpy': torch.tensor([*keys.tolist(), position, has_gauss], dtype=torch.int64),  # type: ignore[union-attr]
        'gauss': torch.tensor([np.nan if gauss is None else gauss, pending], dtype=torch.float64),
        'torch': torch.get_rng_state(),
    }
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        states['cuda'] = torch.cuda.get_rng_state()
    return states


def restore_random_states(states: Mapping[str, torch.Tensor]) -> None:
    """Set the generators to captured states.

    Args:
        states (Mapping[str, torch.Tensor]): What :func:`capture_random_states` gave, on any
            device. Without ``cuda``, or where there is no GPU now, CUDA's generator stays.

    Example:
        >>> states = capture_random_states()
        >>> first = random.random(), np.random.rand()
        >>> restore_random_states(states)
        >>> (random.random(), np.random.rand()) == first
        True
    """
    version, *words = states['python'].tolist()
    *keys, position, has_gauss = states['numpy'].tolist()
    gauss, pending = states['gauss'].tolist()
    random.setstate((version, tuple(words), None if np.isnan(gauss) else gauss))
    np.random.set_state(('MT19937', np.asarray(keys, np.uint32), position, has_gauss, pending))
    torch.set_rng_state(states['torch'].cpu())
    if 'cuda' in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states['cuda'].cpu())


def seed_everything(entropy: Sequence[int]) -> None:
    """Seed all generators with numbers that have nothing in common for other entropy.

    Args:
        entropy (Sequence[int]): Numbers from 0 that say what for, for example seed, iteration
            and rank.

    Example:
        >>> states = capture_random_states()
        >>> seed_everything((0, 100, 1))
        >>> first = torch.rand(1).item(), random.random()
        >>> seed_everything((0, 100, 1))
        >>> (torch.rand(1).item(), random.random()) == first
        True
        >>> restore_random_states(states)
    """
    # Zeros at the end alone would change nothing.
    sequence = np.random.SeedSequence([len(entropy), *entropy])
    ours, numpys, pythons = sequence.generate_state(3).tolist()
    # Seeds CUDA's generators too.
    torch.manual_seed(ours)
    np.random.seed(numpys)
    random.seed(pythons)
