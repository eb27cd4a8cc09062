"""The four classes of steel defects: their masks, and how they look."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from mmdefect.datasets.synthetic.textures import fractal_noise

__all__ = ['MIN_SIDE', 'draw_defect']

Image = NDArray[np.float32]
# A mask and a change of the grey value, as a share of it, both of one shape.
_Drawn = tuple[NDArray[np.bool_], Image]

# Longer side of the smallest defects, pixels.
MIN_SIDE = 20
# Longer side of the largest, at size factor 1.
_MAX_SIDES = {'pitted': 170, 'crazing': 210, 'scratch': 520, 'patch': 330}
_MAX_HEIGHT = 200


def draw_defect(
    rng: np.random.Generator, label: str, size: float, contrast: float, factor: float = 1.0
) -> _Drawn:
    """Draw a defect in its own window.

    Args:
        rng (np.random.Generator): Source of randomness.
        label (str): Class name.
        size (float): Where between the smallest and the largest, 0 to 1 (logarithmic).
        contrast (float): How much the grey value changes, as a share of it.
        factor (float): Factor on the largest side. Default 1.

    Returns:
        tuple[NDArray[np.bool_], Image]: The mask, one component that touches all four sides of the
        window, and the share by which grey values change, both of shape (h, w).

    Example:
        >>> mask, change = draw_defect(np.random.default_rng(0), 'patch', 0.0, 0.5)
        >>> 18 <= max(mask.shape) <= 40, mask.shape == change.shape
        (True, True)
    """
    side = MIN_SIDE * (factor * _MAX_SIDES[label] / MIN_SIDE) ** size
    mask, change = _DRAWERS[label](rng, side, contrast)
    count, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    largest = int(stats[1:, cv2.CC_STAT_AREA].argmax()) + 1
    x, y, w, h = stats[largest, :4].tolist()
    window = slice(y, y + h), slice(x, x + w)
    mask = parts[window] == largest
    # Faint traces around it stay with the mask's own, none far off.
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1.0)
    return mask, np.asarray(change[window] * np.clip(1.6 * soft, 0, 1), np.float32)


def _canvas(width: float, height: float) -> Image:
    return np.zeros((max(round(height), 8), max(round(width), 8)), np.float32)


def _grow(layer: Image, radius: float) -> NDArray[np.bool_]:
    """What lies within a radius of a drawing, gaps closed."""
    side = 2 * max(round(radius), 1) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    ink = (layer > 0.3).astype(np.uint8)
    closed = cv2.morphologyEx(ink, cv2.MORPH_CLOSE, kernel, borderType=cv2.BORDER_CONSTANT)
    small = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    return cv2.dilate(closed, small) > 0


def _pitted(rng: np.random.Generator, side: float, contrast: float) -> _Drawn:
    """A cluster of small dark pits with bright rims."""
    width, height = side, min(side * rng.uniform(0.4, 1.0), _MAX_HEIGHT)
    dark, rim = _canvas(width + 12, height + 12), _canvas(width + 12, height + 12)
    number = int(np.clip(width * height / rng.uniform(90, 170), 5, 220))
    for _ in range(number):
        # Denser in the middle; up to the rim of an ellipse.
        turn, far = rng.uniform(0, 2 * np.pi), rng.uniform(0, 1) ** 0.6
        x = dark.shape[1] / 2 + 0.5 * width * far * np.cos(turn)
        y = dark.shape[0] / 2 + 0.5 * height * far * np.sin(turn)
        radius = float(rng.uniform(0.8, 2.6))
        at = (round(8 * x), round(8 * y))
        cv2.circle(rim, at, round(8 * (radius + 1)), 1.0, -1, cv2.LINE_AA, 3)
        cv2.circle(dark, at, round(8 * radius), float(rng.uniform(0.6, 1.0)), -1, cv2.LINE_AA, 3)
    mask = _grow(dark, 9)
    change = 0.35 * contrast * rim * (1 - dark) - 1.2 * contrast * dark
    return mask, np.asarray(change - 0.12 * contrast * mask, np.float32)


def _crazing(rng: np.random.Generator, side: float, contrast: float) -> _Drawn:
    """A net of fine cracks across the rolling direction."""
    height = min(side, _MAX_HEIGHT)
    width = max(14.0, height * rng.uniform(0.25, 0.6))
    layer = _canvas(width + 8, height + 8)
    for _ in range(int(rng.integers(3, 6)) + round(width / 14)):
        x, y = rng.uniform(4, 4 + width), 4 + height * rng.uniform(0, 0.3)
        end = 4 + height * rng.uniform(0.7, 1.0)
        points = [(x, y)]
        while y < end:
            y += rng.uniform(3, 9)
            x = float(np.clip(x + rng.normal(0, 2.5), 4, 4 + width))
            points.append((x, y))
            if rng.random() < 0.22:
                branch = (x + rng.uniform(-12, 12), y + rng.uniform(-2, 8))
                _line(layer, [(x, y), branch], 0.7)
        _line(layer, points, float(rng.uniform(0.7, 1.0)))
    return _grow(layer, 7), np.asarray(-1.1 * contrast * layer, np.float32)


def _scratch(rng: np.random.Generator, side: float, contrast: float) -> _Drawn:
    """One to three grooves, mostly along the strip: bright, with a dark side."""
    steep = rng.random() < 0.3
    angle = np.deg2rad(rng.uniform(35, 90) if steep else rng.normal(0, 6))
    length = min(side, _MAX_HEIGHT / max(abs(np.sin(angle)), 1e-3))
    reach = np.array([np.cos(angle), np.sin(angle)]) * length
    layer = _canvas(abs(reach[0]) + 24, abs(reach[1]) + 24)
    bend = rng.normal(0, 0.03) * length
    across = np.array([-np.sin(angle), np.cos(angle)])
    middle = np.array(layer.shape[::-1]) / 2
    for groove in range(int(rng.integers(1, 4))):
        along = np.linspace(rng.uniform(-0.5, -0.3), rng.uniform(0.3, 0.5), 12)
        arc = 4 * bend * (0.25 - along**2)
        points = middle + along[:, None] * reach + (arc + 5.0 * groove)[:, None] * across
        _line(layer, points.tolist(), float(rng.uniform(0.7, 1.0)), int(rng.integers(1, 3)))
    dark = np.roll(layer, 2, axis=0 if abs(np.sin(angle)) < 0.7 else 1)
    change = contrast * (1.1 * layer - 0.8 * np.clip(dark - layer, 0, 1))
    sign = -1 if rng.random() < 0.35 else 1
    return _grow(layer, 4), np.asarray(sign * change, np.float32)


def _patch(rng: np.random.Generator, side: float, contrast: float) -> _Drawn:
    """An irregular flake of scale: rough, with a sharp edge, dark or bright."""
    ratio = rng.uniform(0.35, 1.0)
    width, height = (side, side * ratio) if rng.random() < 0.6 else (side * ratio, side)
    if height > _MAX_HEIGHT:
        width, height = width * _MAX_HEIGHT / height, _MAX_HEIGHT
    # Room for what the noise adds to the ellipse.
    shape = max(round(1.25 * height), 8), max(round(1.25 * width), 8)
    y, x = np.mgrid[-1.25 : 1.25 : shape[0] * 1j, -1.25 : 1.25 : shape[1] * 1j].astype(np.float32)
    outline = fractal_noise(rng, shape, (3, 6, 12))
    inside = (1 - (x**2 + y**2) + 0.28 * outline) > 0.15
    rough = fractal_noise(rng, shape, (6, 14, 30))
    solid = inside.astype(np.float32)
    edge = np.clip(4 * (solid - cv2.GaussianBlur(solid, (0, 0), 1.5)), 0, 1)
    sign = -1.0 if rng.random() < 0.75 else 0.8
    change = sign * contrast * solid * (0.75 + 0.3 * rough) - 0.5 * contrast * edge
    return inside, np.asarray(change, np.float32)


def _line(
    layer: Image, points: list[tuple[float, float]], value: float, thickness: int = 1
) -> None:
    fixed = np.round(np.array(points) * 8).astype(np.int32)
    cv2.polylines(layer, [fixed], False, value, thickness, cv2.LINE_AA, 3)


_DRAWERS: dict[str, Callable[[np.random.Generator, float, float], _Drawn]] = {
    'pitted': _pitted,
    'crazing': _crazing,
    'scratch': _scratch,
    'patch': _patch,
}
