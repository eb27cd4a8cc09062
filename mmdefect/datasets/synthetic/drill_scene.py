"""What surrounds a drill bit: the light, the background, the shank behind it, harmless marks."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mmdefect.datasets.synthetic.drill_level import DrillLevel
from mmdefect.datasets.synthetic.textures import fractal_noise, line_noise, look_up, smooth_step

__all__ = ['DrillLight', 'add_distractors', 'draw_light', 'illuminate', 'render_background']

Image = NDArray[np.float32]


@dataclass(frozen=True)
class DrillLight:
    """The lamp of one part image.

    Args:
        direction (tuple[float, float, float]): Unit vector towards the lamp ``(x, y, z)``; x
            right, y down, z towards the camera.
        exposure (float): Factor on all grey levels.
        gradient (float): Relative fall of the light across half the image.
        cast (tuple[float, float, float]): Factors on blue, green and red.
        vignetting (float): Relative loss of light in the corners.
        gloss (float): Strength of mirror reflections.

    Example:
        >>> DrillLight((0.0, 0.0, 1.0), 1.0, 0.0, (1.0, 1.0, 1.0), 0.0, 0.5).raking
        0.0
    """

    direction: tuple[float, float, float]
    exposure: float
    gradient: float
    cast: tuple[float, float, float]
    vignetting: float
    gloss: float

    @property
    def raking(self) -> float:
        """How flat the light falls in: 0 from the camera's side, 1 from the horizon."""
        return 1.0 - self.direction[2]


def draw_light(rng: np.random.Generator, level: DrillLevel) -> DrillLight:
    """Draw the lamp of a part.

    Args:
        rng (np.random.Generator): Source of randomness.
        level (DrillLevel): Level of difficulty.

    Returns:
        DrillLight: Direction, exposure, gradient, colour cast, vignetting and gloss.

    Example:
        >>> from mmdefect.datasets.synthetic.drill_level import LEVELS
        >>> 0 < draw_light(np.random.default_rng(0), LEVELS['easy']).exposure < 2
        True
    """
    swing = level.light_swing
    azimuth = rng.uniform(0, 2 * np.pi)
    elevation = np.deg2rad(rng.uniform(62 - 27 * swing, 72))
    flat = np.cos(elevation)
    warm = rng.normal(0, 0.055 * swing)
    return DrillLight(
        direction=(
            float(flat * np.cos(azimuth)),
            float(flat * np.sin(azimuth)),
            float(np.sin(elevation)),
        ),
        exposure=float(np.exp(rng.uniform(-0.3, 0.3) * swing)),
        gradient=float(rng.uniform(0.05, 0.4) * swing),
        cast=(float(1 - warm), float(1 + rng.normal(0, 0.02 * swing)), float(1 + warm)),
        vignetting=float(rng.uniform(0.05, 0.4) * swing),
        gloss=float(rng.uniform(0.3, 0.6 + 0.4 * swing)),
    )


def render_background(
    rng: np.random.Generator,
    size: int,
    distance: Image,
    angle: Image,
    radius: float,
    light: DrillLight,
) -> Image:
    """Render what lies behind the bit's end: tray, cloth or plate, and often the shank.

    Args:
        rng (np.random.Generator): Source of randomness.
        size (int): Side of the square part image, pixels.
        distance (Image): Distance of each pixel from the axis ``(h, w)``, pixels.
        angle (Image): Angle of each pixel ``(h, w)``, radians clockwise from up.
        radius (float): Radius of the bit, pixels.
        light (DrillLight): The lamp.

    Returns:
        Image: BGR image ``(h, w, 3)``, about 0 to 1.

    Example:
        >>> light = DrillLight((0.0, 0.0, 1.0), 1.0, 0.0, (1.0, 1.0, 1.0), 0.0, 0.5)
        >>> polar = np.ones((32, 32), dtype=np.float32)
        >>> render_background(np.random.default_rng(0), 32, polar, polar, 9.0, light).shape
        (32, 32, 3)
    """
    kind = int(rng.integers(4))
    clouds = fractal_noise(rng, (size, size), (3, 6, 12))
    grain = rng.standard_normal((size, size), dtype=np.float32)
    if kind == 0:
        texture, tone = _cloth(rng, size) * 0.09 + 0.02 * grain, (0.17, 0.16, 0.15)
    elif kind == 1:
        marks = line_noise(rng, 2 * size, 0.8)
        texture = _rotated_lines(rng, size, marks) * 0.045 + 0.02 * grain
        tone = (0.37, 0.36, 0.34)
    elif kind == 2:
        texture = cv2.GaussianBlur(grain, (0, 0), 1.3) * 0.2 + 0.02 * grain
        tone = (0.30, 0.21, 0.15)
    else:
        texture = cv2.GaussianBlur(grain, (0, 0), 2.2) * 0.22 + 0.03 * grain
        tone = (0.22, 0.27, 0.24)
    brightness = rng.uniform(0.75, 1.25)
    shade = (1 + 0.16 * clouds + texture / tone[1]) * brightness
    image = shade[..., None] * np.array(tone, dtype=np.float32)
    # The bit stands above the tray and shadows it on the side away from the lamp.
    lean = 0.16 * radius
    shifted = np.sqrt(
        np.maximum(
            distance**2
            + 2 * lean * distance * _towards(angle, light)
            + lean**2 * (1 - light.direction[2] ** 2),
            0,
        )
    )
    image *= (1 - 0.5 * smooth_step(shifted, 1.3 * radius, 0.95 * radius))[..., None]
    if rng.random() < 0.45:
        image = _add_shank(rng, image, distance, angle, radius * rng.uniform(1.16, 1.38), light)
    return np.asarray(image, dtype=np.float32)


def illuminate(image: Image, light: DrillLight) -> Image:
    """Apply gradient, vignetting, exposure and colour cast, then compress the highlights.

    Args:
        image (Image): BGR image ``(h, w, 3)``, about 0 to 1.
        light (DrillLight): The lamp.

    Returns:
        Image: BGR image ``(h, w, 3)``, 0 to 1.

    Example:
        >>> light = DrillLight((0.0, 0.0, 1.0), 0.5, 0.0, (1.0, 1.0, 1.0), 0.0, 0.5)
        >>> float(illuminate(np.full((2, 2, 3), 0.5, dtype=np.float32), light)[0, 0, 0])
        0.25
    """
    height, width = image.shape[:2]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    flat = max(float(np.hypot(*light.direction[:2])), 1e-6)
    fall = 1 + light.gradient * (light.direction[0] * x + light.direction[1] * y) / flat
    field = fall * (1 - light.vignetting * 0.5 * (x * x + y * y)) * light.exposure
    lit = image * field[..., None] * np.array(light.cast, dtype=np.float32)
    # Linear up to .75, then a shoulder: sensors saturate softly after tone mapping.
    over = np.maximum(lit - 0.75, 0)
    return np.asarray(np.clip(lit - over + 0.25 * (1 - np.exp(-over / 0.25)), 0, 1), np.float32)


def add_distractors(
    rng: np.random.Generator, image: Image, body: Image, level: DrillLevel
) -> Image:
    """Add harmless marks that no annotation mentions: oil, dust, fibres, reflections, rub marks.

    Args:
        rng (np.random.Generator): Source of randomness.
        image (Image): BGR image ``(h, w, 3)``, about 0 to 1.
        body (Image): Coverage of the bit's end ``(h, w)``, 0 to 1.
        level (DrillLevel): Level of difficulty.

    Returns:
        Image: BGR image ``(h, w, 3)``.

    Example:
        >>> from mmdefect.datasets.synthetic.drill_level import LEVELS
        >>> flat = np.full((64, 64, 3), 0.5, dtype=np.float32)
        >>> body = np.ones((64, 64), dtype=np.float32)
        >>> add_distractors(np.random.default_rng(0), flat, body, LEVELS['real']).shape
        (64, 64, 3)
    """
    size = image.shape[0]
    image = image.copy()
    for _ in range(int(rng.integers(level.distractors[0], level.distractors[1] + 1))):
        x, y = rng.uniform(0.25 * size, 0.75 * size, 2)
        kind = int(rng.integers(4))
        if kind == 0:
            _oil(rng, image, body, x, y)
        elif kind == 1:
            _dust(rng, image, x, y)
        elif kind == 2:
            _fibre(rng, image, x, y)
        else:
            _reflection(rng, image, body, x, y)
    return image


def _towards(angle: Image, light: DrillLight) -> Image:
    """Project each pixel's radial direction on the lamp's flat direction."""
    return np.asarray(np.sin(angle) * light.direction[0] - np.cos(angle) * light.direction[1])


def _cloth(rng: np.random.Generator, size: int) -> Image:
    x = np.arange(size, dtype=np.float32)[None, :]
    y = np.arange(size, dtype=np.float32)[:, None]
    turn, period = rng.uniform(0, np.pi), rng.uniform(3.6, 5.5)
    a = (x * np.cos(turn) + y * np.sin(turn)) * (2 * np.pi / period)
    b = (-x * np.sin(turn) + y * np.cos(turn)) * (2 * np.pi / period)
    return np.asarray(np.sin(a) * np.sin(b) + 0.4 * np.sin(a + b), dtype=np.float32)


def _rotated_lines(rng: np.random.Generator, size: int, profile: Image) -> Image:
    x = np.arange(size, dtype=np.float32)[None, :]
    y = np.arange(size, dtype=np.float32)[:, None]
    turn = rng.uniform(0, np.pi)
    return look_up(profile, x * np.cos(turn) + y * np.sin(turn) + size)


def _add_shank(
    rng: np.random.Generator,
    image: Image,
    distance: Image,
    angle: Image,
    radius: float,
    light: DrillLight,
) -> Image:
    """Add the turned shoulder of the shank: out of focus, with the bow-tie gloss of turning."""
    cover = smooth_step(distance, radius + 2.5, radius - 2.5)
    rings = cv2.GaussianBlur(look_up(line_noise(rng, 512, 1.0), distance * 1.5), (0, 0), 0.8)
    facing = _towards(angle, light)
    gloss = light.gloss * np.abs(facing) ** 6 * 0.5
    shade = 0.21 + 0.13 * facing + gloss + 0.02 * rings
    shade *= 1 - 0.35 * smooth_step(distance, radius - 6, radius)
    steel = np.maximum(shade, 0.04)[..., None] * np.array([1.02, 1.0, 0.97], dtype=np.float32)
    return np.asarray(image + (steel - image) * cover[..., None], dtype=np.float32)


def _oil(rng: np.random.Generator, image: Image, body: Image, x: float, y: float) -> None:
    """A film of oil: darker, glossier, faintly coloured, with a bright meniscus."""
    size = image.shape[0]
    blob = np.zeros((size, size), dtype=np.float32)
    axes = (int(rng.integers(8, 26)), int(rng.integers(6, 18)))
    cv2.ellipse(blob, (int(x), int(y)), axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1)
    blob = cv2.GaussianBlur(blob, (0, 0), 4.0) + 0.12 * fractal_noise(rng, blob.shape, (12, 24))
    film = smooth_step(blob, 0.25, 0.7) * body
    edge = 4 * film * (1 - film)
    tint = np.array([0.70, 0.76, 0.78], dtype=np.float32) + rng.normal(0, 0.02, 3)
    image *= 1 - film[..., None] * (1 - tint.astype(np.float32)) * rng.uniform(0.4, 0.9)
    image += edge[..., None] * np.float32(rng.uniform(0.03, 0.12))


def _dust(rng: np.random.Generator, image: Image, x: float, y: float) -> None:
    """A sprinkle of bright or dark specks."""
    tone = np.float32(rng.choice([0.12, 0.85]))
    # OpenCV smooths edges only in 8-bit images.
    cover = np.zeros(image.shape[:2], dtype=np.uint8)
    for _ in range(int(rng.integers(3, 12))):
        dx, dy = rng.normal(0, 18, 2)
        at = (int((x + dx) * 16), int((y + dy) * 16))
        cv2.circle(cover, at, int(rng.uniform(0.4, 1.4) * 16), 255, -1, cv2.LINE_AA, 4)
    image += (tone - image) * (cover.astype(np.float32)[..., None] * np.float32(0.7 / 255))


def _fibre(rng: np.random.Generator, image: Image, x: float, y: float) -> None:
    """A curled lint fibre."""
    turn = np.cumsum(rng.normal(0, 0.35, 14)) + rng.uniform(0, 2 * np.pi)
    steps = np.stack([np.cos(turn), np.sin(turn)], axis=1) * rng.uniform(1.5, 3.5)
    points = np.cumsum(steps, axis=0) + (x, y)
    cover = np.zeros(image.shape[:2], dtype=np.uint8)
    fixed = np.round(points * 16).astype(np.int32)[:, None]
    cv2.polylines(cover, [fixed], False, 255, 1, cv2.LINE_AA, 4)
    alpha = cover.astype(np.float32)[..., None] * np.float32(rng.uniform(0.3, 0.7) / 255)
    image += (np.float32(rng.choice([0.1, 0.8])) - image) * alpha


def _reflection(rng: np.random.Generator, image: Image, body: Image, x: float, y: float) -> None:
    """A soft mirror image of a lamp or window on the steel."""
    cover = np.zeros(image.shape[:2], dtype=np.float32)
    axes = (int(rng.integers(5, 20)), int(rng.integers(2, 6)))
    cv2.ellipse(cover, (int(x), int(y)), axes, float(rng.uniform(0, 180)), 0, 360, 1.0, -1)
    glare = cv2.GaussianBlur(cover, (0, 0), 2.5) * body * np.float32(rng.uniform(0.12, 0.35))
    image += glare[..., None]
