"""Large CPU tensors in huge pages that are handed out again."""

from __future__ import annotations

import math
import mmap
import threading
import weakref
from typing import Any

import torch
from torch import Tensor

__all__ = ['new_zeros']

# Below, the C library hands out memory that it has; above, it asks the system each time.
_LARGE = 32 << 20
# Memory that stays with the process after its tensor is gone: this many pieces of this size.
_PIECES, _LARGEST_KEPT = 2, 256 << 20

_kept: list[tuple[Any, weakref.ref[memoryview]]] = []
_lock = threading.Lock()


def new_zeros(
    like: Tensor,
    shape: tuple[int, ...],
    memory_format: torch.memory_format = torch.contiguous_format,
) -> Tensor:
    """Zeros of the type and on the device of another tensor.

    The system gives a fresh large tensor out in pages of 4 KiB and clears each when it is first
    touched: for the 98 MiB of 2,048 RoIs that takes longer than RoIAlign itself. In huge pages
    (2 MiB, where Linux grants them) it takes a fifth, and next to nothing in memory that an
    earlier tensor left: up to two pieces of at most 256 MiB are kept for that.

    Args:
        like (Tensor): Gives type and device.
        shape (tuple[int, ...]): Shape; four numbers for channels-last.
        memory_format (torch.memory_format): Order in memory. Default contiguous.

    Returns:
        Tensor: Zeros of this shape.

    Example:
        >>> new_zeros(torch.ones(1), (2, 2))
        tensor([[0., 0.],
                [0., 0.]])
    """
    number = math.prod(shape)
    size = number * like.dtype.itemsize
    if size >= _LARGE and like.device.type == 'cpu' and hasattr(mmap, 'MADV_HUGEPAGE'):
        try:
            memory, is_used = _memory(size)
        except OSError:  # a kernel without huge pages, or a limit
            pass
        else:
            flat = torch.frombuffer(memory, dtype=like.dtype, count=number)
            if is_used:
                flat.zero_()
            if memory_format == torch.channels_last:
                images, channels, height, width = shape
                return flat.view(images, height, width, channels).permute(0, 3, 1, 2)
            return flat.view(shape)
    zeros = torch.zeros(shape, dtype=like.dtype, device=like.device)
    return zeros.contiguous(memory_format=memory_format)


def _memory(size: int) -> tuple[memoryview, bool]:
    """Writable memory of at least this many bytes, and whether it has been used before.

    A tensor keeps its view alive, and the view its pages; the pages are free when it is gone.
    """
    with _lock:
        for index, (pages, user) in enumerate(_kept):
            if size <= len(pages) <= 2 * size and user() is None:
                view = memoryview(pages)
                _kept[index] = (pages, weakref.ref(view))
                return view, True
        fresh: Any = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        fresh.madvise(mmap.MADV_HUGEPAGE)
        view = memoryview(fresh)
        if size <= _LARGEST_KEPT:
            _kept.append((fresh, weakref.ref(view)))
            del _kept[:-_PIECES]
        return view, False
