"""The end view of a two-flute twist drill: geometry and steel."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mmdefect.datasets.synthetic.drill_level import DrillLevel
from mmdefect.datasets.synthetic.drill_scene import DrillLight
from mmdefect.datasets.synthetic.textures import fractal_noise, line_noise, look_up, smooth_step

__all__ = ['CANVAS_SIZE', 'DrillBit', 'draw_bit', 'polar_coordinates', 'render_bit']

CANVAS_SIZE = 384
Image = NDArray[np.float32]

# Blue, green, red of bare, black-oxide and gold-coated high-speed steel.
_COATINGS = ((0.66, 0.64, 0.62), (0.40, 0.38, 0.37), (0.34, 0.58, 0.72))


@dataclass(frozen=True)
class DrillBit:
    """Shape of one bit's end. Angles are clockwise from up, radians.

    Args:
        centre (tuple[float, float]): Axis ``(x, y)`` in the part image, pixels.
        radius (float): Outer radius, pixels.
        phase (float): Direction of the first cutting lip, radians.
        web (float): Distance of the lips from the axis, pixels.
        core (float): Radius at which the flutes begin, pixels.
        flute (float): Angular width of a flute at the rim, radians.
        facets (bool): Whether each land has a second, steeper facet.
        chisel (float): Angle from lip to chisel edge, radians.
        coating (tuple[float, float, float]): Steel colour, BGR, 0 to 1.

    Example:
        >>> bit = DrillBit((9., 9.), 8., 0., 1., 2., 1.4, True, 2.2, (.6, .6, .6))
        >>> round(bit.lip_angle(4.0, 0), 3)
        0.253
    """

    centre: tuple[float, float]
    radius: float
    phase: float
    web: float
    core: float
    flute: float
    facets: bool
    chisel: float
    coating: tuple[float, float, float]

    def lip_angle(self, distance: float, lip: int) -> float:
        """Give the direction of a cutting lip at a distance from the axis.

        Args:
            distance (float): Distance from the axis, pixels, >= ``web``.
            lip (int): 0 or 1, the two lips.

        Returns:
            float: Radians clockwise from up.
        """
        return float(self.phase + lip * np.pi + np.arcsin(min(1.0, self.web / distance)))

    def land_angle(self, distance: float, lip: int, share: float) -> float:
        """Give a direction on the land behind a lip.

        Args:
            distance (float): Distance from the axis, pixels.
            lip (int): 0 or 1, the lip that the land belongs to.
            share (float): Position across the land, 0 at the lip, 1 at the heel.

        Returns:
            float: Radians clockwise from up.
        """
        width = np.pi - float(self.flute_width(np.float32(distance)))
        return self.lip_angle(distance, lip) - share * width

    def flute_width(self, distance: Image | np.float32) -> Image:
        """Give the angular width of a flute by distance from the axis.

        Args:
            distance (Image | np.float32): Distance from the axis, pixels, any shape.

        Returns:
            Image: Radians, the shape of ``distance``.
        """
        depth = np.maximum(distance - self.core, 0) / (0.22 * self.radius)
        return np.asarray(self.flute * (1 - np.exp(-depth)), dtype=np.float32)


def draw_bit(rng: np.random.Generator, level: DrillLevel) -> DrillBit:
    """Draw the shape, size, position and coating of a bit.

    Args:
        rng (np.random.Generator): Source of randomness.
        level (DrillLevel): Level of difficulty.

    Returns:
        DrillBit: The bit.

    Example:
        >>> from mmdefect.datasets.synthetic.drill_level import LEVELS
        >>> 90 < draw_bit(np.random.default_rng(0), LEVELS['easy']).radius < 100
        True
    """
    middle = (CANVAS_SIZE - 1) / 2
    radius = float(rng.uniform(93, 98))
    coated = level.coatings and rng.random() < 0.2
    return DrillBit(
        centre=(middle + float(rng.uniform(-5, 5)), middle + float(rng.uniform(-5, 5))),
        radius=radius,
        phase=float(rng.uniform(0, 2 * np.pi)),
        web=float(rng.uniform(0.07, 0.10)) * radius,
        core=float(rng.uniform(0.15, 0.21)) * radius,
        flute=float(np.deg2rad(rng.uniform(66, 86))),
        facets=bool(rng.random() < 0.6),
        chisel=float(np.deg2rad(rng.uniform(118, 138))),
        coating=_COATINGS[int(rng.integers(1, 3))] if coated else _COATINGS[0],
    )


def polar_coordinates(centre: tuple[float, float], size: int) -> tuple[Image, Image]:
    """Give each pixel's polar coordinates about the drill axis.

    Args:
        centre (tuple[float, float]): Axis ``(x, y)``, pixels.
        size (int): Side of the square image, pixels.

    Returns:
        tuple[Image, Image]: Distance in pixels and angle in radians clockwise from up, each
        ``(h, w)``.

    Example:
        >>> distance, angle = polar_coordinates((1.0, 1.0), 3)
        >>> float(distance[0, 1]), float(angle[0, 1]), round(float(angle[1, 2]), 4)
        (1.0, 0.0, 1.5708)
    """
    x = np.arange(size, dtype=np.float32)[None, :] - np.float32(centre[0])
    y = np.arange(size, dtype=np.float32)[:, None] - np.float32(centre[1])
    x, y = np.broadcast_arrays(x, y)
    return np.hypot(x, y), np.arctan2(x, -y)


def render_bit(
    rng: np.random.Generator, bit: DrillBit, distance: Image, angle: Image, light: DrillLight
) -> tuple[Image, Image]:
    """Render the steel of a bit's end: lands, flutes, lips, chisel edge, margin.

    Args:
        rng (np.random.Generator): Source of randomness.
        bit (DrillBit): The bit.
        distance (Image): Distance of each pixel from the axis ``(h, w)``, pixels.
        angle (Image): Angle of each pixel ``(h, w)``, radians clockwise from up.
        light (DrillLight): The lamp.

    Returns:
        tuple[Image, Image]: BGR image ``(h, w, 3)`` and coverage ``(h, w)``, 0 to 1.

    Example:
        >>> from mmdefect.datasets.synthetic.drill_level import LEVELS
        >>> from mmdefect.datasets.synthetic.drill_scene import draw_light
        >>> rng = np.random.default_rng(0)
        >>> bit, light = draw_bit(rng, LEVELS['easy']), draw_light(rng, LEVELS['easy'])
        >>> polar = polar_coordinates(bit.centre, CANVAS_SIZE)
        >>> [a.shape for a in render_bit(rng, bit, *polar, light)]
        [(384, 384, 3), (384, 384)]
    """
    safe = np.maximum(distance, 0.5)
    # One half turn per lip: `after` runs clockwise from the lip through its flute to the land of
    # the other lip, `half` tells the two apart.
    lead = np.arcsin(np.minimum(bit.web / safe, 1))
    turned = np.mod(angle - bit.phase - lead, 2 * np.pi)
    half = (turned >= np.pi).astype(np.float32)
    after = turned - half * np.float32(np.pi)
    width = bit.flute_width(distance)
    # Signed distances in pixels, positive inside the flute.
    from_lip = np.minimum(after, np.pi - after) * safe * np.where(after < np.pi / 2, 1, -1)
    from_heel = (width - after) * safe
    in_flute = smooth_step(np.minimum(after * safe, from_heel), -0.6, 0.6)
    in_flute *= smooth_step(distance, bit.core - 1, bit.core + 2)

    land = _land(rng, bit, distance, angle, after, half, light)
    flute = _flute(rng, bit, distance, angle, after, width, light)
    shade = land + (flute - land) * in_flute

    lips = (distance > 0.8 * bit.web) & (distance < 0.985 * bit.radius)
    glint = 0.55 + 0.4 * light.gloss
    shade += np.where(lips, glint * np.exp(-(((from_lip + 0.9) / 0.9) ** 2)), 0) * (1 - 0.35 * half)
    heel = np.exp(-((from_heel / 1.1) ** 2)) * smooth_step(distance, bit.core, bit.core + 8)
    shade -= 0.12 * heel * (distance < bit.radius)
    shade = _chisel_edge(bit, shade, distance, angle)
    shade = _rim(bit, shade, distance, after, width, in_flute)

    cover = smooth_step(distance, bit.radius + 0.7, bit.radius - 0.7)
    colour = np.array(bit.coating, dtype=np.float32) / 0.64
    # Highlights take the lamp's colour, not the coating's.
    gleam = np.maximum(shade - 0.75, 0)[..., None]
    image = np.maximum(shade, 0.03)[..., None] * colour
    return np.asarray(image + gleam * (1 - colour), dtype=np.float32), cover


def _facet(
    bearing: Image | float, slope: float, streaks: Image, light: DrillLight, power: float
) -> Image:
    """Shade a ground facet that faces a bearing: matt part plus streaked mirror part."""
    lx, ly, lz = light.direction
    nx, ny = np.sin(bearing) * slope, -np.cos(bearing) * slope
    nz = np.sqrt(1 - slope**2)
    matt = np.maximum(nx * lx + ny * ly + nz * lz, 0)
    half = np.array([lx, ly, lz + 1.0])
    half /= np.linalg.norm(half)
    mirror = nx * half[0] + ny * half[1] + nz * half[2] + 0.009 * streaks
    gloss = np.clip(mirror, 0, 1.05) ** power
    return np.asarray(0.18 + 0.34 * matt + 0.42 * light.gloss * gloss, dtype=np.float32)


def _land(
    rng: np.random.Generator,
    bit: DrillBit,
    distance: Image,
    angle: Image,
    after: Image,
    half: Image,
    light: DrillLight,
) -> Image:
    """Shade the lands: primary facet along the lip, secondary behind it, grinding marks."""
    # Land pixels of a half turn belong to the next lip, which lies at after = pi.
    behind = np.float32(np.pi) - after
    along = distance * np.cos(behind)
    across = distance * np.sin(behind)
    fine, coarse = line_noise(rng, 2048, 0.7), line_noise(rng, 2048, 3.0)
    bow = along + 0.0016 * across**2 + 500 * half
    streaks = look_up(fine, bow * 1.5 + 1000) + 0.7 * look_up(coarse, bow * 1.7 + 1000)
    lip_bearing = bit.phase + (1 - half) * np.float32(np.pi)
    cone = 0.35
    bearing_first = lip_bearing - 0.35 + cone * np.sin(angle - lip_bearing + 0.35)
    shade = _facet(bearing_first, 0.36, streaks, light, 22.0)
    if bit.facets:
        second = _facet(lip_bearing - 1.25, 0.52, 0.7 * streaks, light, 16.0) * 0.82
        border = across - (0.27 + 0.10 * along / bit.radius) * bit.radius
        shade = shade + (second - shade) * smooth_step(border, -0.7, 0.7)
        shade = shade + 0.10 * np.exp(-((border / 0.9) ** 2))
    mottle = fractal_noise(rng, distance.shape, (8, 20, 60))
    return np.asarray(shade * (1 + 0.05 * streaks + 0.035 * mottle), dtype=np.float32)


def _flute(
    rng: np.random.Generator,
    bit: DrillBit,
    distance: Image,
    angle: Image,
    after: Image,
    width: Image,
    light: DrillLight,
) -> Image:
    """Shade the flutes: dark, hollow, with polished streaks that follow the helix."""
    share = np.clip(after / np.maximum(width, 1e-3), 0, 1.2)
    streaks = look_up(line_noise(rng, 512, 1.2), share * 90 + 0.25 * distance)
    facing = np.sin(angle) * light.direction[0] - np.cos(angle) * light.direction[1]
    hollow = 0.13 + 0.12 * share + 0.10 * smooth_step(distance, 0.3 * bit.radius, bit.radius)
    bright = rng.uniform(0.42, 0.68)
    band = np.exp(-(((share - bright) / 0.13) ** 2)) * (0.16 + 0.30 * light.gloss)
    band = band * np.clip(0.55 - 0.6 * facing, 0.1, 1.2)
    wall = 1 - 0.6 * np.exp(-after * distance / 6.0)
    return np.asarray((hollow + band) * wall * (1 + 0.09 * streaks), dtype=np.float32)


def _chisel_edge(bit: DrillBit, shade: Image, distance: Image, angle: Image) -> Image:
    """Draw the chisel edge and the two web faces that meet in it."""
    turn = angle - bit.phase - bit.chisel
    across = distance * np.sin(turn)
    inner = smooth_step(distance, 1.5 * bit.web, 0.9 * bit.web)
    faces = shade + inner * 0.09 * np.sign(across)
    edge = np.exp(-((across / 1.0) ** 2)) * smooth_step(distance, 1.7 * bit.web, 1.3 * bit.web)
    return np.asarray(faces + 0.42 * edge, dtype=np.float32)


def _rim(
    bit: DrillBit, shade: Image, distance: Image, after: Image, width: Image, in_flute: Image
) -> Image:
    """Draw the margin (bright, full diameter) and the body clearance behind it."""
    clearance = 0.955 * bit.radius
    margin = smooth_step(after, np.pi - 0.24, np.pi - 0.20)
    outer = smooth_step(distance, clearance - 0.8, clearance + 0.8) * (1 - in_flute)
    back = np.float32(0.17) + 0.10 * smooth_step(after - width, 0.0, 1.0)
    shade = shade + (back - shade) * outer * (1 - margin)
    shade = shade + outer * margin * (0.62 - 0.6 * shade)
    shade = shade * (1 - 0.55 * smooth_step(distance, bit.radius - 3.0, bit.radius + 0.5))
    return cv2.GaussianBlur(np.asarray(shade, dtype=np.float32), (0, 0), 0.5)
