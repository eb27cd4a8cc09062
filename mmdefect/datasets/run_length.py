"""Masks as run lengths: pairs of start and length, pixels counted from 1 down the columns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmdefect.errors import InputError

__all__ = ['decode_runs', 'encode_runs']


def encode_runs(mask: NDArray[np.bool_]) -> str:
    """Write a mask as run lengths.

    Args:
        mask (NDArray[np.bool_]): Shape (h, w).

    Returns:
        str: ``start length`` of every run, in ascending order; empty where the mask is.

    Raises:
        ValueError: The mask does not have two dimensions.

    Example:
        >>> encode_runs(np.array([[0, 1, 1], [1, 1, 0]], bool))
        '2 4'
    """
    if mask.ndim != 2:
        raise ValueError(f'mask must have shape (h, w), got {mask.shape}')
    padded = np.zeros(mask.size + 2, np.int8)
    padded[1:-1] = mask.T.ravel() != 0
    starts, ends = np.flatnonzero(np.diff(padded)).reshape(-1, 2).T
    return ' '.join(map(str, np.stack([starts + 1, ends - starts], axis=1).ravel().tolist()))


def decode_runs(text: str, size: tuple[int, int], name: str = 'run lengths') -> NDArray[np.bool_]:
    """Read a mask from run lengths.

    Args:
        text (str): ``start length`` of every run, in any order.
        size (tuple[int, int]): ``(w, h)`` of the mask, pixels.
        name (str): What error messages call it. Default ``run lengths``.

    Returns:
        NDArray[np.bool_]: Contiguous, shape (h, w).

    Raises:
        InputError: A value is no whole number, their number is odd, or runs overlap, are empty
            or leave the mask.

    Example:
        >>> decode_runs('2 4', (3, 2)).astype(int)
        array([[0, 1, 1],
               [1, 1, 0]])
    """
    width, height = size
    runs = _pairs(text, width * height, name)
    ends = runs.sum(axis=1)
    # Starts differ from each other, and so do ends, but an end may be a start.
    steps = np.zeros(width * height + 1, np.int8)
    steps[runs[:, 0] - 1] += 1
    steps[ends - 1] -= 1
    columns = np.cumsum(steps[:-1], dtype=np.int8).view(np.bool_).reshape(width, height)
    return np.ascontiguousarray(columns.T)


def _pairs(text: str, pixels: int, name: str) -> NDArray[np.int64]:
    """Runs in ascending order, shape (N, 2)."""
    words = text.split()
    try:
        values = np.fromiter(map(int, words), np.int64, len(words))
    except (ValueError, OverflowError):
        bad = next(word for word in words if not (word.isdecimal() and len(word) < 19))
        raise InputError(f'{name}: {bad[:40]!r} is no whole number from 1; correct it') from None
    if len(values) % 2:
        raise InputError(f'{name}: {len(values)} values; write pairs of start and length')
    runs: NDArray[np.int64] = values.reshape(-1, 2)
    runs = runs[np.argsort(runs[:, 0], kind='stable')]
    for wrong, what in (
        ((runs < 1).any(axis=1), 'start and length must be from 1'),
        # A length near the largest integer would overflow the sum.
        (runs[:, 1] > pixels - runs[:, 0] + 1, f'ends past the last of {pixels} pixels'),
    ):
        if wrong.any():
            start, length = runs[int(wrong.argmax())].tolist()
            raise InputError(f'{name}: run {start} {length}: {what}; correct it')
    overlaps = runs[:-1].sum(axis=1) > runs[1:, 0]
    if overlaps.any():
        index = int(overlaps.argmax())
        one, other = (' '.join(map(str, run)) for run in runs[index : index + 2].tolist())
        raise InputError(f'{name}: runs {one} and {other} overlap; correct them')
    return runs
