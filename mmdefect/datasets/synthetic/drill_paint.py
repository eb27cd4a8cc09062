"""How each class of defect looks on the steel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mmdefect.datasets.synthetic.drill_defects import DrillDefect
from mmdefect.datasets.synthetic.drill_level import DrillLevel
from mmdefect.datasets.synthetic.drill_scene import DrillLight
from mmdefect.datasets.synthetic.textures import fractal_noise, smooth_step

__all__ = ['paint_defect']

Image = NDArray[np.float32]


@dataclass(frozen=True)
class _Brush:
    """What the painters of all classes need."""

    rng: np.random.Generator
    steel: Image
    behind: Image
    light: DrillLight
    level: DrillLevel
    strength: float


def paint_defect(
    rng: np.random.Generator,
    image: Image,
    behind: Image,
    defect: DrillDefect,
    light: DrillLight,
    level: DrillLevel,
) -> None:
    """Paint a defect into the part image.

    Args:
        rng (np.random.Generator): Source of randomness.
        image (Image): Part image, BGR ``(h, w, 3)``, about 0 to 1; changed in place.
        behind (Image): What a missing piece of steel lays bare, BGR ``(h, w, 3)``.
        defect (DrillDefect): The defect.
        light (DrillLight): The lamp.
        level (DrillLevel): Level of difficulty.

    Example:
        >>> from mmdefect.datasets.synthetic.drill_level import LEVELS
        >>> image = np.full((60, 60, 3), 0.5, dtype=np.float32)
        >>> alpha = np.ones((20, 20), dtype=np.float32)
        >>> rust = DrillDefect('Severe_Rust', 0.0, 20.0, (5, 5), alpha, 0 * alpha)
        >>> light = DrillLight((0.0, 0.0, 1.0), 1.0, 0.0, (1.0, 1.0, 1.0), 0.0, 0.5)
        >>> paint_defect(np.random.default_rng(0), image, image, rust, light, LEVELS['easy'])
        >>> bool(image[10, 10, 2] > image[10, 10, 0])  # redder than it is blue
        True
    """
    brush = _Brush(
        rng=rng,
        steel=image[defect.window],
        behind=behind[defect.window],
        light=light,
        level=level,
        strength=float(rng.uniform(*level.contrast)),
    )
    _PAINTERS[defect.label](brush, defect)


def _blend(target: Image, paint: Image, cover: Image) -> None:
    target += (paint - target) * np.clip(cover, 0, 1)[..., None]


def _relief(alpha: Image, depth: float, light: DrillLight) -> Image:
    """Shade a hollow of the mask's shape: -1 facing away from the lamp, 1 facing it."""
    hollow = cv2.GaussianBlur(alpha, (0, 0), depth)
    slope_x = cv2.Sobel(hollow, cv2.CV_32F, 1, 0)
    slope_y = cv2.Sobel(hollow, cv2.CV_32F, 0, 1)
    facing = slope_x * light.direction[0] + slope_y * light.direction[1]
    return np.asarray(facing / max(float(np.abs(facing).max()), 1e-6), dtype=np.float32)


def _grain(rng: np.random.Generator, shape: tuple[int, int], blur: float) -> Image:
    raw = rng.standard_normal(shape, dtype=np.float32)
    fine = cv2.GaussianBlur(raw, (0, 0), blur)
    return np.asarray(fine / max(float(fine.std()), 1e-6), dtype=np.float32)


def _tinted(tone: Image, colour: tuple[float, float, float]) -> Image:
    return np.asarray(tone[..., None] * np.array(colour, dtype=np.float32), dtype=np.float32)


def _paint_broken(brush: _Brush, defect: DrillDefect) -> None:
    """A missing piece: what lies behind, in shadow, framed by a coarse bright fracture wall."""
    alpha = defect.alpha
    deep = smooth_step(cv2.GaussianBlur(alpha, (0, 0), 2.2), 0.5, 0.95)
    coarse = _grain(brush.rng, alpha.shape, 0.9)
    wall = 0.58 + 0.28 * _relief(alpha, 1.5, brush.light) + 0.13 * coarse
    shadow = 0.75 - 0.35 * (1 - deep)
    _blend(brush.steel, _tinted(np.clip(wall, 0.1, 1.0), (1.0, 1.0, 0.98)), alpha)
    _blend(brush.steel, brush.behind * shadow[..., None], alpha * deep)


def _paint_chipped(brush: _Brush, defect: DrillDefect) -> None:
    """A small concave fracture: bright conchoidal facets with a dark crest line."""
    alpha = defect.alpha
    relief = _relief(alpha, 1.8, brush.light)
    facets = _relief(alpha * (1 + 0.5 * _grain(brush.rng, alpha.shape, 2.0)), 1.0, brush.light)
    steel = float(np.median(brush.steel[alpha > 0.5])) if (alpha > 0.5).any() else 0.5
    base = 0.80 if brush.level.bold else steel + 0.22 * float(brush.rng.choice([-1, 1]))
    tone = base + 0.20 * relief + 0.22 * facets + 0.05 * _grain(brush.rng, alpha.shape, 0.6)
    crest = 4 * alpha * (1 - alpha)
    _blend(
        brush.steel, _tinted(np.clip(tone, 0.08, 1.1), (1.02, 1.0, 0.97)), alpha * brush.strength
    )
    outline = (0.9 if brush.level.bold else 0.4) * crest
    _blend(brush.steel, np.full_like(brush.steel, 0.10), outline * brush.strength)


def _paint_scratched(brush: _Brush, defect: DrillDefect) -> None:
    """A bundle of grooves: bright flanks, each with a dark partner away from the lamp."""
    lines = defect.lines
    away = np.array(
        [[1, 0, -1.5 * brush.light.direction[0]], [0, 1, -1.5 * brush.light.direction[1]]]
    )
    partner = cv2.warpAffine(np.abs(lines), away, lines.shape[::-1], flags=cv2.INTER_LINEAR)
    scuff = 0.18 * defect.alpha * (1 + 0.4 * _grain(brush.rng, lines.shape, 0.8))
    bright = np.clip(1.5 * lines, 0, 1)
    dark = np.clip(-1.5 * lines, 0, 1) + 0.7 * partner
    _blend(brush.steel, np.full_like(brush.steel, 0.72), scuff * brush.strength)
    _blend(brush.steel, np.full_like(brush.steel, 0.07), dark * brush.strength)
    _blend(brush.steel, np.full_like(brush.steel, 0.98), bright * brush.strength)


def _paint_rust(brush: _Brush, defect: DrillDefect) -> None:
    """Patchy iron oxide, brown to orange, pitted, with a faint stain around it."""
    rng, alpha = brush.rng, defect.alpha
    clouds = fractal_noise(rng, alpha.shape, (5, 10, 20, 40))
    pits = _grain(rng, alpha.shape, 0.8)
    warmth = np.clip(0.5 + 0.28 * clouds, 0, 1)[..., None]
    brown = np.array([0.08, 0.14, 0.28], dtype=np.float32)
    orange = np.array([0.10, 0.36, 0.74], dtype=np.float32)
    colour = brown + (orange - brown) * warmth
    strength = brush.strength
    if brush.level.rust_fades:
        # Raking or bright light makes thin oxide vanish in the gloss and turns its hue.
        raking = brush.light.raking
        local = cv2.GaussianBlur(brush.steel.mean(axis=2), (0, 0), 3.0)
        fade = np.clip(1.25 - 1.1 * raking - 0.5 * local, 0.3, 1.0)
        turn = float(np.clip(rng.normal(0, 0.18) + 2 * (brush.light.cast[2] - 1), -0.3, 0.35))
        grey = colour.mean(axis=2, keepdims=True)
        colour = grey + (colour - grey) * (0.6 + turn)
        cover = alpha * fade * strength * (0.75 + 0.2 * clouds)
    else:
        cover = alpha * strength * np.clip(0.95 + 0.1 * clouds, 0.82, 1)
    relief = 1 + 0.16 * pits + 0.35 * (brush.steel.mean(axis=2) - 0.4)
    stain = cv2.GaussianBlur(alpha, (0, 0), 2.5) * (1 - alpha) * 0.35 * strength
    _blend(brush.steel, _tinted(np.ones_like(alpha), (0.16, 0.28, 0.44)), stain)
    _blend(brush.steel, np.asarray(colour * relief[..., None], dtype=np.float32), cover)
    pit = np.clip(pits - 1.3, 0, 1) * alpha * strength
    _blend(brush.steel, np.full_like(brush.steel, 0.05), pit)


def _paint_wear(brush: _Brush, defect: DrillDefect) -> None:
    """A rounded, polished zone: machining marks gone, mirror highlight, heat tint around it."""
    alpha = defect.alpha
    soft = smooth_step(cv2.GaussianBlur(alpha, (0, 0), 1.2), 0.15, 0.9)
    dome = cv2.GaussianBlur(alpha, (0, 0), 0.16 * max(alpha.shape) ** 0.9)
    dome = dome / max(float(dome.max()), 1e-6)
    facing = _relief(alpha, 3.0, brush.light)
    smooth = cv2.GaussianBlur(brush.steel, (0, 0), 3.5)
    polish = 0.34 + 0.62 * dome**2 - 0.22 * facing
    shine = _tinted(np.asarray(polish, dtype=np.float32), (1.06, 1.0, 0.97))
    paint = smooth + (shine - smooth) * np.float32(0.95 if brush.level.bold else 0.45)
    ring = np.clip(4 * soft * (1 - soft), 0, 1) * brush.strength
    _blend(brush.steel, np.asarray(paint, dtype=np.float32), soft * brush.strength)
    _blend(brush.steel, _tinted(np.ones_like(alpha), (0.40, 0.27, 0.24)), 0.4 * ring)


_PAINTERS: dict[str, Callable[[_Brush, DrillDefect], None]] = {
    'Broken': _paint_broken,
    'Chipped': _paint_chipped,
    'Scratched': _paint_scratched,
    'Severe_Rust': _paint_rust,
    'Tip_Wear': _paint_wear,
}
