"""Do two thumbnails show the same picture, or only the same kind of picture?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ['CORRELATION', 'correlate', 'leave_out_common']

# Chosen on real and generated data. Copies of NEU-DET and DeepPCB images by JPEG quality 30,
# half size, gamma, blur or noise stay above 0.984; other textures of NEU-DET that hash alike
# reach 0.944, other parts in the same view of the generated drills 0.972.
CORRELATION = 0.98
# Look-alikes from which on an image belongs to a crowd, and what then makes a copy.
_CROWD = 8
_SURE = 0.999
_OWN = 0.8
# Pairs correlated at once, 8 kB each.
_CHUNK = 20_000


def correlate(
    small: npt.NDArray[np.uint8], first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """Pearson's correlation of thumbnails, pair by pair.

    Args:
        small (np.ndarray): Thumbnails, uint8, shape (N, pixels).
        first (np.ndarray): First members of the pairs, int64, shape (P,).
        second (np.ndarray): Second members, int64, shape (P,).

    Returns:
        np.ndarray: -1 to 1, float32, shape (P,); 0 where a thumbnail is flat.

    Example:
        >>> small = np.array([[0, 1, 2], [10, 20, 30], [9, 5, 1]], np.uint8)
        >>> correlate(small, np.array([0, 0]), np.array([1, 2])).round(3).tolist()
        [1.0, -1.0]
    """
    correlation = np.zeros(len(first), np.float32)
    if not len(first):
        return correlation
    mean, deviation = small.mean(axis=1), np.maximum(small.std(axis=1), 1e-6)
    for begin in range(0, len(first), _CHUNK):
        a, b = first[begin : begin + _CHUNK], second[begin : begin + _CHUNK]
        dot = np.einsum('ij,ij->i', small[a].astype(np.float32), small[b].astype(np.float32))
        both = dot / small.shape[1] - mean[a] * mean[b]
        correlation[begin : begin + _CHUNK] = both / (deviation[a] * deviation[b])
    return np.clip(correlation, -1, 1)


def leave_out_common(
    small: npt.NDArray[np.uint8],
    first: npt.NDArray[np.int64],
    second: npt.NDArray[np.int64],
    correlation: npt.NDArray[np.float32],
) -> npt.NDArray[np.bool_]:
    """Tell copies in a crowd from pictures of other parts in the same fixture.

    Parts in a fixture look alike by design: in their images everything is equal but for the part
    itself. Where an image has more than 8 look-alikes, what they have in common, the mean of
    their thumbnails, is taken away first; a copy agrees in what is left (correlation 0.8 or
    more), another part does not. Pairs that correlate by 0.999 are copies without that.

    Args:
        small (np.ndarray): Thumbnails, uint8, shape (N, pixels).
        first (np.ndarray): First members of the look-alikes, int64, shape (P,).
        second (np.ndarray): Second members, int64, shape (P,).
        correlation (np.ndarray): Of the pairs, float32, shape (P,).

    Returns:
        np.ndarray: Whether a pair stays, bool, shape (P,).

    Example:
        >>> small = np.array([[0, 1, 2], [10, 20, 30]], np.uint8)
        >>> leave_out_common(small, np.array([0]), np.array([1]), np.array([.99]))
        array([ True])
    """
    degree = np.bincount(np.concatenate([first, second]), minlength=len(small))
    stays = correlation >= _SURE
    stays |= (degree[first] <= _CROWD) & (degree[second] <= _CROWD)
    open_pairs = np.flatnonzero(~stays)
    if not len(open_pairs):
        return stays
    members = np.unique(np.concatenate([first[open_pairs], second[open_pairs]]))
    place = np.zeros(len(small), np.int64)
    place[members] = np.arange(len(members))
    own = _standardised(small[members])
    common, count = np.zeros_like(own), np.zeros(len(members))
    for begin in range(0, len(open_pairs), _CHUNK):
        part = open_pairs[begin : begin + _CHUNK]
        a, b = place[first[part]], place[second[part]]
        for to, of in ((a, b), (b, a)):
            np.add.at(common, to, own[of])
            np.add.at(count, to, 1)
    common /= np.maximum(count, 1)[:, None]
    for begin in range(0, len(open_pairs), _CHUNK):
        part = open_pairs[begin : begin + _CHUNK]
        a, b = place[first[part]], place[second[part]]
        left, right = own[a] - common[a], own[b] - common[a]
        length = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
        agree = np.einsum('ij,ij->i', left, right) / np.maximum(length, 1e-9)
        stays[part] = agree >= _OWN
    return stays


def _standardised(small: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    values = small.astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    deviation = values.std(axis=1, keepdims=True)
    return values / np.maximum(deviation, 1e-6)
