"""Outlines of the defects in their own radial frame, drawn to fill a box of a given size.

A shape is drawn four times finer than the part image; x is tangential (clockwise to the right),
y is radial (outward is up). The outline touches all four sides of its box.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ['OVERSAMPLING', 'draw_shape']

OVERSAMPLING = 4
_SHIFT = 4
Image = NDArray[np.float32]
Points = NDArray[np.float64]


def draw_shape(
    rng: np.random.Generator, label: str, size: tuple[float, float], slope: float
) -> tuple[Image, Image]:
    """Draw the mask of a defect and the fine lines within it.

    Args:
        rng (np.random.Generator): Source of randomness.
        label (str): Class name.
        size (tuple[float, float]): Tight box ``(w, h)``, part pixels.
        slope (float): How far the cutting lip drifts tangentially per pixel outward; only chips
            follow it.

    Returns:
        tuple[Image, Image]: Mask and lines, each ``(4 h, 4 w)``, 0 or 1 (lines -1 to 1; all 0
        but for ``Scratched``).

    Example:
        >>> mask, lines = draw_shape(np.random.default_rng(0), 'Chipped', (6.0, 12.0), 0.0)
        >>> mask.shape
        (48, 24)
    """
    width, height = (max(1, round(side * OVERSAMPLING)) for side in size)
    lines = np.zeros((height, width), dtype=np.float32)
    if label == 'Scratched':
        strokes = _strokes(rng)
        hull = cv2.convexHull(np.concatenate(strokes).astype(np.float32))[:, 0].astype(np.float64)
        outline, (low, span) = _fill_box(hull), _bounds(hull)
        for stroke in strokes:
            tone = float(rng.choice([1.0, 1.0, -0.8]) * rng.uniform(0.7, 1.0))
            scaled = (stroke - low) / span
            thickness = int(rng.integers(3, 6))
            cv2.polylines(
                lines, [_fixed(scaled, width, height)], False, tone, thickness, cv2.LINE_8, _SHIFT
            )
    else:
        outline = _fill_box(_OUTLINES[label](rng, slope * size[1] / size[0]))
    mask = np.zeros((height, width), dtype=np.float32)
    cv2.fillPoly(mask, [_fixed(outline, width, height)], 1.0, cv2.LINE_8, _SHIFT)
    return mask, lines


def _bounds(points: Points) -> tuple[Points, Points]:
    low = points.min(axis=0)
    return low, np.maximum(points.max(axis=0) - low, 1e-6)


def _fill_box(points: Points) -> Points:
    low, span = _bounds(points)
    return (points - low) / span


def _fixed(points: Points, width: int, height: int) -> NDArray[np.int32]:
    """Scale unit-box points (y up) to OpenCV's fixed-point pixels (y down)."""
    x = points[:, 0] * (width - 1)
    y = (1 - points[:, 1]) * (height - 1)
    return np.round(np.stack([x, y], axis=1) * 2**_SHIFT).astype(np.int32)[:, None]


def _blob(rng: np.random.Generator, waves: tuple[int, ...], strength: float) -> Points:
    """A round outline, blunt at its ends, rippled by some harmonics."""
    turn = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    ripple = np.ones_like(turn)
    for wave in waves:
        ripple += (
            strength
            / np.sqrt(wave)
            * rng.normal()
            * np.cos(wave * turn + rng.uniform(0, 2 * np.pi))
        )
    blunt = (np.abs(np.cos(turn)) ** 2.6 + np.abs(np.sin(turn)) ** 2.6) ** (-1 / 2.6)
    reach = np.clip(ripple, 0.55, 1.5) * blunt
    return np.stack([reach * np.cos(turn), reach * np.sin(turn)], axis=1)


def _rust(rng: np.random.Generator, slope: float) -> Points:
    return _blob(rng, (2, 3, 5, 8, 13), 0.13)


def _wear(rng: np.random.Generator, slope: float) -> Points:
    return _blob(rng, (2, 3), 0.05)


def _chip(rng: np.random.Generator, slope: float) -> Points:
    """Two or three scallops bitten out of an edge that runs with the given slope."""
    along = np.linspace(0, 1, 40)
    scallops = int(rng.integers(1, 4))
    cuts = np.sort(
        np.concatenate(
            [[0, 1], (np.arange(1, scallops) + rng.uniform(-0.2, 0.2, scallops - 1)) / scallops]
        )
    )
    piece = np.clip(np.searchsorted(cuts, along, side='right') - 1, 0, scallops - 1)
    within = (along - cuts[piece]) / (cuts[piece + 1] - cuts[piece])
    depth = (
        0.45 * np.sin(np.pi * along) ** 0.4
        + 0.55
        * np.sqrt(np.clip(4 * within * (1 - within), 0, 1))
        * rng.uniform(0.7, 1.0, scallops)[piece]
    )
    depth = depth / depth.max()
    edge = np.clip(slope, -0.45, 0.45) * (along - 0.5)
    bite = np.stack([edge - depth, along], axis=1)
    lip = np.stack([edge + 0.04 * rng.normal(size=40), along], axis=1)
    return np.concatenate([bite, lip[::-1]])


def _broken(rng: np.random.Generator, slope: float) -> Points:
    """A jagged bite, wide at the rim and narrowing inward."""
    count = int(rng.integers(7, 11))
    x = np.sort(
        np.concatenate(
            [[0, 1], (np.arange(1, count) + rng.uniform(-0.35, 0.35, count - 1)) / count]
        )
    )
    middle = rng.uniform(0.35, 0.65)
    bite = 1 - np.abs((x - middle) / np.where(x < middle, middle, 1 - middle)) ** 1.7
    depth = np.clip(bite * rng.uniform(0.72, 1.0, len(x)), 0.12, 1)
    bottom = np.stack([x, -depth], axis=1)
    return np.concatenate([bottom, [[1.0, 0.0], [0.0, 0.0]]])


def _strokes(rng: np.random.Generator) -> list[Points]:
    """Two to four nearly parallel scratches, each a polyline ``(n, 2)``."""
    along = np.linspace(0, 1, 16)
    bend, lean = rng.normal(0, 0.12), rng.normal(0, 0.12)
    count = int(rng.integers(2, 5))
    strokes = []
    for place in (np.arange(count) + rng.uniform(-0.25, 0.25, count)) / max(count - 1, 1):
        start, end = rng.uniform(0, 0.2), rng.uniform(0.8, 1)
        y = start + (end - start) * along
        x = place + bend * 4 * y * (1 - y) + (lean + rng.normal(0, 0.06)) * y
        strokes.append(np.stack([x, y], axis=1))
    return strokes


_OUTLINES: dict[str, Callable[[np.random.Generator, float], Points]] = {
    'Broken': _broken,
    'Chipped': _chip,
    'Severe_Rust': _rust,
    'Tip_Wear': _wear,
}
