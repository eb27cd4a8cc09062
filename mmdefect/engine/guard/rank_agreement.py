"""Ranks that find out together whether one of them has to give up an iteration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import torch
from mmengine.dist import all_gather_object, all_reduce, get_world_size

__all__ = ['NonFiniteIterationError', 'RankAgreement']

# What the forward of a model may call while another rank has already given up: mean normalisers
# (`reduce_mean`), statistics of SyncBN, resizing of a batch to one size.
_COLLECTIVES = (
    'all_gather', 'all_gather_into_tensor', 'all_gather_object', 'all_reduce', 'barrier',
    'broadcast', 'broadcast_object_list', 'gather', 'reduce', 'scatter',
)  # fmt: skip


class NonFiniteIterationError(Exception):
    """An iteration that some rank cannot use; raised on every rank at the same place.

    Args:
        reason (str | None): What this rank found; None where only others found something.

    Example:
        >>> NonFiniteIterationError('loss_cls is nan').reason
        'loss_cls is nan'
    """

    def __init__(self, reason: str | None) -> None:
        super().__init__(reason or 'another rank met a number that is not finite')
        self.reason = reason


class RankAgreement:
    """Raises on every rank as soon as one rank has a reason to.

    Every :meth:`settle` is one all-reduce of one number; without distributed training it is
    none. A rank that stops inside the forward pass would leave the others waiting in a collective
    of theirs (a head that averages its normaliser over ranks) for ever, so within
    :meth:`forward` each such call is preceded by a :meth:`settle`: the rank that stopped answers
    the first of them, and nobody waits.

    Example:
        >>> agreement = RankAgreement()
        >>> agreement.settle(None)
        >>> agreement.settle('loss is nan')
        Traceback (most recent call last):
        ...
        mmdefect.engine.guard.rank_agreement.NonFiniteIterationError: loss is nan
    """

    def __init__(self) -> None:
        self.in_forward = False
        self._many = get_world_size() > 1

    def settle(self, reason: str | None) -> None:
        """Tell the other ranks, and hear from them.

        Args:
            reason (str | None): Why this rank cannot go on; None if it can.

        Raises:
            NonFiniteIterationError: This rank or another one cannot.
        """
        stop = reason is not None
        if self._many:
            # The other ranks answer with the same call, not with an announcement of theirs.
            announcing, self.in_forward = self.in_forward, False
            flag = torch.tensor([int(stop)], dtype=torch.int32)
            all_reduce(flag, op='max')
            stop, self.in_forward = bool(flag.item()), announcing
        if stop:
            self.in_forward = False
            raise NonFiniteIterationError(reason)

    def collect(self, item: Any) -> list[Any]:
        """Gather an item from every rank; called on all of them.

        Args:
            item (Any): What can be pickled.

        Returns:
            list[Any]: One item per rank, in the order of ranks.

        Example:
            >>> RankAgreement().collect('a')
            ['a']
        """
        return all_gather_object(item) if self._many else [item]

    @contextmanager
    def forward(self) -> Iterator[None]:
        """Announce the collectives of a forward pass, until :meth:`end_forward`.

        Yields:
            None: The forward pass runs inside.
        """
        self.in_forward = True
        originals = {}
        if self._many:
            originals = {name: getattr(torch.distributed, name) for name in _COLLECTIVES}
        try:
            for name, call in originals.items():
                setattr(torch.distributed, name, self._announced(call))
            yield
        finally:
            self.in_forward = False
            for name, call in originals.items():
                setattr(torch.distributed, name, call)

    def end_forward(self, reason: str | None) -> None:
        """Settle once more; collectives of the backward pass are not announced.

        Args:
            reason (str | None): Why this rank cannot go on; None if it can.

        Raises:
            NonFiniteIterationError: This rank or another one cannot.
        """
        self.settle(reason)
        self.in_forward = False

    def _announced(self, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def announced(*args: Any, **kwargs: Any) -> Any:
            if self.in_forward:
                self.settle(None)
            return call(*args, **kwargs)

        return announced
