"""The surface of rolled steel strips: grain, bands, light, strip ends and harmless marks."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mmdefect.datasets.synthetic.steel_level import SteelLevel
from mmdefect.datasets.synthetic.textures import fractal_noise, line_noise, smooth_step

__all__ = ['STRIP_SIZE', 'Coil', 'draw_surface', 'invent_coil']

Image = NDArray[np.float32]

# (w, h), pixels.
STRIP_SIZE = (1600, 256)


@dataclass(frozen=True)
class Coil:
    """What the strips of one coil have in common.

    Args:
        tone (float): Grey value of the steel, 0 to 1.
        grain (float): Strength of the fine texture.
        stretch (float): How long its grains are, pixels along the strip.
        bands (float): Strength of the wide bands across the strip.
        tilt (float): Change of the light from the upper to the lower edge.

    Example:
        >>> from mmdefect.datasets.synthetic.steel_level import LEVELS
        >>> 0.2 < invent_coil(np.random.default_rng(0), LEVELS['real']).tone < 0.8
        True
    """

    tone: float
    grain: float
    stretch: float
    bands: float
    tilt: float


def invent_coil(rng: np.random.Generator, level: SteelLevel) -> Coil:
    """Make up a coil.

    Args:
        rng (np.random.Generator): Source of randomness.
        level (SteelLevel): Level of difficulty.

    Returns:
        Coil: It.

    Example:
        >>> from mmdefect.datasets.synthetic.steel_level import LEVELS
        >>> rng = np.random.default_rng(0)
        >>> invent_coil(rng, LEVELS['easy']) == invent_coil(rng, LEVELS['easy'])
        False
    """
    return Coil(
        tone=float(0.42 + 0.16 * level.light_swing * rng.uniform(-1, 1)),
        grain=float(level.grain * rng.uniform(0.5, 1.0)),
        stretch=float(rng.uniform(1.0, 4.0)),
        bands=float(level.light_swing * rng.uniform(0.1, 1.0)),
        tilt=float(level.light_swing * rng.uniform(-0.3, 0.3)),
    )


def draw_surface(
    rng: np.random.Generator, coil: Coil, level: SteelLevel
) -> tuple[Image, NDArray[np.bool_]]:
    """Draw a strip without defects.

    Args:
        rng (np.random.Generator): Source of randomness.
        coil (Coil): Its coil.
        level (SteelLevel): Level of difficulty.

    Returns:
        tuple[Image, NDArray[np.bool_]]: Grey values, about 0 to 1, and where there is steel, both
        of shape (256, 1600).

    Example:
        >>> from mmdefect.datasets.synthetic.steel_level import LEVELS
        >>> rng = np.random.default_rng(0)
        >>> image, steel = draw_surface(rng, invent_coil(rng, LEVELS['easy']), LEVELS['easy'])
        >>> image.shape, bool(steel.mean() > 0.5)
        ((256, 1600), True)
    """
    width, height = STRIP_SIZE
    raw = rng.standard_normal((height, width), dtype=np.float32)
    grain = np.asarray(cv2.GaussianBlur(raw, (0, 0), coil.stretch, sigmaY=0.7), np.float32)
    grain /= grain.std()
    clouds = fractal_noise(rng, (height, width), (3, 7, 15))
    # Bands across the strip, and faint lines along it that the rolls leave.
    across = cv2.GaussianBlur(line_noise(rng, width, 40.0)[None], (0, 0), 12)[0]
    along = line_noise(rng, height, 1.5)[:, None]
    light = 1 + 0.07 * coil.bands * across / max(float(across.std()), 1e-6)
    light = light + coil.tilt * np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, None]
    texture = 1 + 0.075 * coil.grain * grain + 0.035 * level.light_swing * clouds
    texture += 0.02 * coil.grain * along
    image = np.asarray(coil.tone * light * texture, np.float32)
    steel: NDArray[np.bool_] = np.ones((height, width), bool)
    for _ in range(int(rng.integers(level.marks[0], level.marks[1] + 1))):
        _mark(rng, image)
    if rng.random() < 0.22:
        steel = _end(rng, image)
    return image, steel


def _end(rng: np.random.Generator, image: Image) -> NDArray[np.bool_]:
    """The strip ends within the picture; beyond it is the dark table."""
    height, width = image.shape
    ragged = 3 * line_noise(rng, height, 8.0)[:, None]
    edge = (
        width * rng.uniform(0.55, 0.93) + rng.uniform(-40, 40) * np.linspace(-1, 1, height)[:, None]
    )
    x = np.arange(width, dtype=np.float32)[None]
    cover = smooth_step((edge + ragged - x).astype(np.float32), -1.5, 1.5)
    image *= cover * (1 + 0.35 * np.exp(-np.abs(edge + ragged - x) / 4).astype(np.float32))
    image += 0.02 * (1 - cover)
    steel = x < edge + ragged - 6
    if rng.random() < 0.5:
        image[:] = image[:, ::-1].copy()
        steel = steel[:, ::-1]
    return np.ascontiguousarray(steel)


def _mark(rng: np.random.Generator, image: Image) -> None:
    """Something harmless: a drop, a smear of oil, dust. All have soft edges."""
    height, width = image.shape
    x, y = rng.uniform(0, width), rng.uniform(0, height)
    layer: Image = np.zeros((height, width), np.float32)
    kind = rng.random()
    if kind < 0.4:
        radius = rng.uniform(4, 14)
        cv2.circle(layer, (round(x), round(y)), round(radius), 1.0, 2, cv2.LINE_AA)
        strength = 0.22
    elif kind < 0.75:
        axes = (round(rng.uniform(20, 160)), round(rng.uniform(5, 26)))
        angle = float(rng.uniform(-12, 12))
        cv2.ellipse(layer, (round(x), round(y)), axes, angle, 0, 360, 1.0, -1, cv2.LINE_AA)
        layer = np.asarray(cv2.GaussianBlur(layer, (0, 0), 9), np.float32)
        strength = float(rng.choice([-1, 1])) * 0.12
    else:
        for _ in range(int(rng.integers(2, 9))):
            at = (round(x + rng.normal(0, 60)), round(y + rng.normal(0, 40)))
            cv2.circle(layer, at, 1, 1.0, -1, cv2.LINE_AA)
        strength = -0.3
    image *= 1 + strength * cv2.GaussianBlur(layer, (0, 0), 1.2)
