"""Noise from which steel, backgrounds and defects are made."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ['fractal_noise', 'line_noise', 'look_up', 'smooth_step']


def fractal_noise(
    rng: np.random.Generator, shape: tuple[int, int], cells: tuple[int, ...]
) -> NDArray[np.float32]:
    """Draw smooth noise with several scales, the coarser the stronger.

    Args:
        rng (np.random.Generator): Source of randomness.
        shape (tuple[int, int]): Result ``(h, w)``.
        cells (tuple[int, ...]): Noise cells along each side per scale, coarse to fine.

    Returns:
        NDArray[np.float32]: Noise ``(h, w)``, mean about 0, standard deviation about 1.

    Example:
        >>> fractal_noise(np.random.default_rng(0), (8, 6), (2, 4)).shape
        (8, 6)
    """
    total = np.zeros(shape, dtype=np.float32)
    power = 0.0
    for octave, count in enumerate(cells):
        weight = 0.6**octave
        grid = rng.standard_normal((count + 1, count + 1), dtype=np.float32)
        total += weight * cv2.resize(grid, shape[::-1], interpolation=cv2.INTER_CUBIC)
        # Cubic interpolation of white noise keeps about half of its variance.
        power += 0.5 * weight**2
    return total / np.float32(np.sqrt(power))


def line_noise(rng: np.random.Generator, length: int, grain: float) -> NDArray[np.float32]:
    """Draw one-dimensional noise, the profile of machining marks.

    Args:
        rng (np.random.Generator): Source of randomness.
        length (int): Number of samples.
        grain (float): Standard deviation of the smoothing kernel, samples.

    Returns:
        NDArray[np.float32]: Noise ``(length,)`` of standard deviation about 1.

    Example:
        >>> line_noise(np.random.default_rng(0), 64, 1.0).shape
        (64,)
    """
    raw = rng.standard_normal((1, length), dtype=np.float32)
    profile = cv2.GaussianBlur(raw, (0, 0), grain)[0] + 0.35 * raw[0]
    return np.asarray(profile / max(float(profile.std()), 1e-6), dtype=np.float32)


def look_up(profile: NDArray[np.float32], position: NDArray[np.float32]) -> NDArray[np.float32]:
    """Read a profile at given positions (wrapped, linear between samples).

    Args:
        profile (NDArray[np.float32]): Samples ``(n,)``.
        position (NDArray[np.float32]): Positions of any shape, in samples.

    Returns:
        NDArray[np.float32]: Values of the shape of ``position``.

    Example:
        >>> look_up(np.array([1, 2, 3], dtype=np.float32), np.array([0.5, 4.0])).tolist()
        [1.5, 2.0]
    """
    start = np.floor(position)
    index = start.astype(np.int64) % len(profile)
    share = (position - start).astype(np.float32)
    return np.asarray(
        profile[index] * (1 - share) + np.roll(profile, -1)[index] * share, dtype=np.float32
    )


def smooth_step(value: NDArray[np.float32], low: float, high: float) -> NDArray[np.float32]:
    """Rise smoothly from 0 at ``low`` to 1 at ``high`` (cubic).

    Args:
        value (NDArray[np.float32]): Input of any shape.
        low (float): Where the result is 0.
        high (float): Where the result is 1; may lie below ``low`` for a falling step.

    Returns:
        NDArray[np.float32]: Values in [0, 1] of the shape of ``value``.

    Example:
        >>> smooth_step(np.array([0.0, 0.5, 2.0], dtype=np.float32), 0.0, 1.0).tolist()
        [0.0, 0.5, 1.0]
    """
    t = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)
