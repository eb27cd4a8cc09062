"""A 64-bit hash of what an image looks like, and all pairs of hashes that nearly agree."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ['THUMBNAIL', 'close_hashes', 'hamming', 'perceptual_hash', 'thumbnail']

THUMBNAIL = 32  # pixels of a side
_LOW = 8  # frequencies per axis that make the hash
_BANDS, _BAND_BITS = 4, 16
_CHUNK = 500_000
# Bucket neighbours that a hash is compared with; pairs kept per hash on average.
_MOST_NEIGHBOURS = 128
_MOST_PAIRS = 100
_BITS = np.array([bin(value).count('1') for value in range(1 << 16)], np.uint8)


def thumbnail(grey: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Shrink an image to 32 x 32 and stretch its grey values to 0..255.

    Args:
        grey (np.ndarray): uint8 or uint16, shape (h, w).

    Returns:
        np.ndarray: uint8, shape (32, 32); all 0 where the image is flat.

    Example:
        >>> thumbnail(np.tile(np.arange(64, dtype=np.uint8), (64, 1)))[0, [0, -1]].tolist()
        [0, 255]
    """
    size = (THUMBNAIL, THUMBNAIL)
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    low, high = float(small.min()), float(small.max())
    if high <= low:
        return np.zeros(size, np.uint8)
    return np.rint((small - low) * np.float32(255 / (high - low))).astype(np.uint8)


def perceptual_hash(small: npt.NDArray[np.uint8]) -> int:
    """Hash a thumbnail by its low frequencies.

    The 8 x 8 lowest coefficients of the discrete cosine transform, the mean left out, each above
    or below their median. Brightness and contrast do not change it, JPEG noise and another size
    change a few bits.

    Args:
        small (np.ndarray): What :func:`thumbnail` returns.

    Returns:
        int: 0 to 2^64 - 1.

    Source:
        Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010.

    Example:
        >>> ramp = thumbnail(np.tile(np.arange(64, dtype=np.uint8), (64, 1)))
        >>> perceptual_hash(ramp) == perceptual_hash(ramp // 2)
        True
    """
    low = np.asarray(cv2.dct(small.astype(np.float32))[:_LOW, :_LOW], np.float32).ravel()
    bits = low > np.median(low[1:])
    bits[0] = False
    return int.from_bytes(np.packbits(bits).tobytes(), 'big')


def hamming(first: npt.NDArray[np.uint64], second: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint8]:
    """Count the bits in which hashes differ.

    Args:
        first (np.ndarray): uint64, shape (P,).
        second (np.ndarray): uint64, shape (P,).

    Returns:
        np.ndarray: 0 to 64, uint8, shape (P,).

    Example:
        >>> hamming(np.array([0b1011], np.uint64), np.array([0b0001], np.uint64)).tolist()
        [2]
    """
    words = np.bitwise_xor(first, second).view(np.uint16).reshape(-1, 4)
    return _BITS[words].sum(axis=1, dtype=np.uint8)


def close_hashes(
    hashes: npt.NDArray[np.uint64], most: int = 10
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], bool]:
    """Find all pairs of hashes that differ in few bits, without comparing all with all.

    The 64 bits are cut into 4 bands of 16. Of two hashes that differ in at most ``most`` bits,
    one band differs in at most ``most // 4``. So each band is looked up, with every pattern of
    so few bits flipped, in a table of that band; what is found there is then compared in full.

    In a crowd of equal bands each hash is compared with the next 128 of its bucket only, and the
    search ends once 100 pairs per hash are found: time and memory stay linear.

    Args:
        hashes (np.ndarray): uint64, shape (N,).
        most (int): Bits that may differ, 0 to 11. Default 10.

    Returns:
        tuple[np.ndarray, np.ndarray, bool]: First and second members of the pairs, the first
        below the second, int64, shape (P,) each; and whether all pairs are there.

    Raises:
        ValueError: ``most`` is not 0 to 11.

    Source:
        Norouzi, Punjani, Fleet, "Fast Search in Hamming Space with Multi-Index Hashing", 2012.

    Example:
        >>> first, second, whole = close_hashes(np.array([0, 7, 1 << 63, 0xfffff], np.uint64), 3)
        >>> first.tolist(), second.tolist(), whole
        ([0, 0], [1, 2], True)
    """
    if not 0 <= most <= 11:
        raise ValueError(f'most must be 0 to 11, got {most}')
    limit = _MOST_PAIRS * len(hashes) + _CHUNK
    found: list[npt.NDArray[np.int64]] = []
    count = 0
    for first, second in _candidates(hashes, most // _BANDS):
        near = hamming(hashes[first], hashes[second]) <= most
        # One number per pair, so that pairs found in several bands are dropped.
        keys = np.minimum(first, second)[near] * len(hashes) + np.maximum(first, second)[near]
        found.append(np.unique(keys))
        count += len(found[-1])
        if count > limit:
            found = [np.unique(np.concatenate(found))]
            count = len(found[0])
            if count > limit:
                break
    keys = np.unique(np.concatenate(found)) if found else np.zeros(0, np.int64)
    return keys // max(1, len(hashes)), keys % max(1, len(hashes)), count <= limit


def _candidates(
    hashes: npt.NDArray[np.uint64], radius: int
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Pairs that agree in a band but for ``radius`` bits; equal bands first."""
    masks = [
        sum(1 << bit for bit in bits)
        for flipped in range(radius + 1)
        for bits in combinations(range(_BAND_BITS), flipped)
    ]
    tables = []
    for band in range(_BANDS):
        values = ((hashes >> np.uint64(band * _BAND_BITS)) & np.uint64(0xFFFF)).astype(np.int64)
        order = np.argsort(values, kind='stable')
        starts = np.searchsorted(values[order], np.arange((1 << _BAND_BITS) + 1))
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        tables.append((values, order, starts, place))
    for mask in masks:
        for values, order, starts, place in tables:
            others = values ^ mask
            # Each pair once: of equal bands those behind, of different ones the larger value.
            low = place + 1 if mask == 0 else starts[others]
            high = np.where(others >= values, starts[others + 1], low)
            counts = np.clip(high - low, 0, _MOST_NEIGHBOURS)
            yield from _expanded(counts, low, order)


def _expanded(
    counts: npt.NDArray[np.int64], low: npt.NDArray[np.int64], order: npt.NDArray[np.int64]
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    rows = np.flatnonzero(counts)
    ends = counts[rows].cumsum()
    begin = 0
    while begin < len(rows):
        done = ends[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, done + _CHUNK, side='right')))
        part = rows[begin:end]
        first = np.repeat(part, counts[part])
        within = np.arange(len(first)) - np.repeat(
            ends[begin:end] - counts[part] - done, counts[part]
        )
        yield first, order[np.repeat(low[part], counts[part]) + within]
        begin = end
