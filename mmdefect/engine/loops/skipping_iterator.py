"""A loader's batches from the place where a training goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch.utils.data import BatchSampler, DataLoader

__all__ = ['SkippingIterator', 'can_skip']


def can_skip(loader: DataLoader) -> bool:
    """Whether the sampler of a loader can be put to any place at once.

    Args:
        loader (DataLoader): The loader.

    Returns:
        bool: True where its sampler has ``skip(num_samples)``, as
        :class:`mmdefect.datasets.SemiSupervisedSampler` and the fork's ``InfiniteSampler`` have,
        and batches are made of a fixed number of its items.

    Example:
        >>> can_skip(DataLoader([1, 2]))
        False
    """
    return type(loader.batch_sampler) is BatchSampler and hasattr(loader.sampler, 'skip')


class SkippingIterator:
    """Batches without end, the first of which are passed over without being loaded.

    MMEngine 0.10.7 advances the loader of a resumed training by loading and discarding every
    batch that the training has had, hours late in a long one; the maintained fork asks the
    sampler to skip. This does the latter where the loop does the former.

    Args:
        loader (DataLoader): One of which :func:`can_skip` is true.
        batches (int): Batches that the training has had; as many steps give None.

    Example:
        >>> from torch.utils.data import Sampler
        >>> class Counting(Sampler):
        ...     start = 0
        ...     def skip(self, num_samples):
        ...         self.start = num_samples
        ...     def __iter__(self):
        ...         return iter(range(self.start, 100))
        >>> sampler = Counting()
        >>> batches = SkippingIterator(DataLoader(range(100), batch_size=2, sampler=sampler), 3)
        >>> [next(batches) for _ in range(3)], next(batches).tolist()
        ([None, None, None], [6, 7])
    """

    def __init__(self, loader: DataLoader, batches: int) -> None:
        self._loader = loader
        self._left = batches
        self._batches: Iterator[Any] | None = None
        loader.sampler.skip(batches * loader.batch_size)  # type: ignore[attr-defined]

    def __iter__(self) -> SkippingIterator:
        """Itself."""
        return self

    def __next__(self) -> Any:
        """None while there is something to pass over, then a batch."""
        if self._left > 0:
            self._left -= 1
            return None
        if self._batches is None:
            self._batches = iter(self._loader)
        return next(self._batches)
