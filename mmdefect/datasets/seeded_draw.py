"""Items drawn under a seed of their own, whichever process loads them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

__all__ = ['DrawnIndex', 'seeded']


class DrawnIndex(int):
    """An index that knows the draw it comes from.

    Samplers yield it, :class:`mmdefect.datasets.DefectDataset` reads :attr:`entropy` and runs its
    pipeline under that seed. So an item depends on its draw, never on the loader process that
    happens to load it, nor on what that process loaded before. Subtracting an offset keeps the
    draw, for ``ConcatDataset``.

    Args:
        index (int): Index in the data set, from 0.
        entropy (tuple[int, ...]): Numbers >= 0 that name the draw, such as seed, source and
            draw number.

    Attributes:
        entropy (tuple[int, ...]): As given.

    Example:
        >>> local = DrawnIndex(12, (0, 1, 7)) - 10
        >>> int(local), local.entropy
        (2, (0, 1, 7))
    """

    entropy: tuple[int, ...]

    def __new__(cls, index: int, entropy: tuple[int, ...]) -> DrawnIndex:
        """An int with one more attribute."""
        made = super().__new__(cls, index)
        made.entropy = entropy
        return made

    def __sub__(self, offset: int) -> DrawnIndex:
        return DrawnIndex(int(self) - int(offset), self.entropy)

    def __reduce__(self) -> tuple[Any, ...]:
        return DrawnIndex, (int(self), self.entropy)


@contextmanager
def seeded(*numbers: int) -> Iterator[None]:
    """Seed the global generators that upstream transforms draw from, then put them back.

    Concerns those of Python, NumPy and PyTorch (CPU).

    Args:
        *numbers (int): What the seed is made of, each 0 or more.

    Yields:
        None: Whatever is drawn inside depends on the numbers only.

    Example:
        >>> def draw(*numbers):
        ...     with seeded(*numbers):
        ...         return random.random(), float(np.random.rand()), float(torch.rand(1))
        >>> draw(0, 1) == draw(0, 1) != draw(0, 2)
        True
    """
    words = np.random.SeedSequence(numbers).generate_state(4)
    saved = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(words.tobytes())
    np.random.seed(words)
    # Not torch.manual_seed, which would touch the generators of GPUs too.
    torch.default_generator.manual_seed(int(words[0]) << 32 | int(words[1]))
    try:
        yield
    finally:
        random.setstate(saved[0])
        np.random.set_state(saved[1])
        torch.set_rng_state(saved[2])
