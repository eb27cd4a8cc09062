"""Where defects sit on a bit, and their masks in the part image."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mmdefect.datasets.synthetic.drill_bit import CANVAS_SIZE, DrillBit
from mmdefect.datasets.synthetic.drill_plan import PlannedDefect
from mmdefect.datasets.synthetic.drill_shapes import OVERSAMPLING, draw_shape
from mmdefect.datasets.synthetic.views import radial_homography, tight_box, warp_to_frame

__all__ = ['MASK_THRESHOLD', 'DrillDefect', 'place_defect']

MASK_THRESHOLD = 0.5
Image = NDArray[np.float32]

# Side of a square of the same area, in pixels at size factor 1: smallest and largest.
_SIDES = {
    'Broken': (20.0, 27.0),
    'Chipped': (15.0, 22.0),
    'Scratched': (18.0, 25.0),
    'Severe_Rust': (19.0, 29.0),
    'Tip_Wear': (16.0, 22.0),
}
_RADIAL_EXTENT = (14.0, 60.0)
# A box from radius r1 to r2 and of width w, turned by 45 degrees, stays within a view if
# (r1 - w / 2) cos 45 is above its lower edge and (r2 + w / 2) sin 45 is below its half width.
_INNER_MARGIN = 6.0
_OUTER_LIMIT = 110.0
_OVERHANG = 3.0
# Pixel centres of the fine grid lie at (i + 0.5) / OVERSAMPLING - 0.5 of the coarse one.
_FINE_OFFSET = 0.5 / OVERSAMPLING - 0.5
_FINE_TO_COARSE = np.array(
    [[1 / OVERSAMPLING, 0, _FINE_OFFSET], [0, 1 / OVERSAMPLING, _FINE_OFFSET], [0, 0, 1]]
)
_TRIES = 24
_GAP = 4


@dataclass(frozen=True)
class DrillDefect:
    """One defect of a part, as a soft mask in a window of the part image.

    Args:
        label (str): Class name.
        angle (float): Direction of the defect's radial frame, degrees clockwise from up.
        radius (float): Distance from the axis to the middle of the defect's box, pixels.
        corner (tuple[int, int]): Upper left pixel ``(x, y)`` of the window in the part image.
        alpha (Image): Coverage of each pixel ``(h, w)``, 0 to 1; the mask is ``alpha >= 0.5``.
        lines (Image): Fine lines within the mask ``(h, w)``, -1 (dark) to 1 (bright).

    Example:
        >>> alpha = np.ones((2, 3), dtype=np.float32)
        >>> DrillDefect('Chipped', 0.0, 50.0, (10, 20), alpha, alpha).pixels()[0].tolist()
        [10.0, 20.0]
    """

    label: str
    angle: float
    radius: float
    corner: tuple[int, int]
    alpha: Image
    lines: Image

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the defect's window in the part image."""
        (x, y), (height, width) = self.corner, self.alpha.shape
        return slice(y, y + height), slice(x, x + width)

    def pixels(self) -> NDArray[np.float64]:
        """List the mask's pixels.

        Returns:
            NDArray[np.float64]: Part pixels ``(n, 2)`` as ``(x, y)``.
        """
        rows, columns = np.nonzero(self.alpha >= MASK_THRESHOLD)
        return np.stack([columns, rows], axis=1).astype(np.float64) + self.corner

    def mask_in(self, homography: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.bool_]:
        """Warp the mask into a crop.

        Args:
            homography (NDArray[np.float64]): Crop pixel -> part pixel, ``(3, 3)``.
            size (tuple[int, int]): Crop size ``(w, h)``, pixels.

        Returns:
            NDArray[np.bool_]: Mask ``(h, w)``.
        """
        to_window = homography.copy()
        to_window[:2, 2] -= self.corner
        return warp_to_frame(self.alpha, to_window, size) >= MASK_THRESHOLD

    def radial_size(self, centre: tuple[float, float]) -> tuple[float, float]:
        """Measure the tight box of the mask in the defect's own radial frame, to 1/4 pixel.

        Args:
            centre (tuple[float, float]): Drill axis ``(x, y)`` in the part image, pixels.

        Returns:
            tuple[float, float]: ``(w, h)`` in pixels, w tangential, h radial; ``(0, 0)`` if empty.
        """
        side = max(self.alpha.shape)
        frame = radial_homography(centre, self.angle, self.radius, (side, side)) @ _FINE_TO_COARSE
        box = tight_box(self.mask_in(frame, (side * OVERSAMPLING, side * OVERSAMPLING)))
        return (0.0, 0.0) if box is None else (box[2] / OVERSAMPLING, box[3] / OVERSAMPLING)


def place_defect(
    rng: np.random.Generator,
    plan: PlannedDefect,
    bit: DrillBit,
    body: Image,
    taken: NDArray[np.bool_],
    scale: float,
) -> DrillDefect | None:
    """Find a place for a planned defect and draw its mask there.

    Every place keeps the defect whole in two to four of the eight views and clear of the
    other defects. When a bit is crowded the defect shrinks, its ratio unchanged.

    Args:
        rng (np.random.Generator): Source of randomness.
        plan (PlannedDefect): Class and width / height.
        bit (DrillBit): The bit.
        body (Image): Coverage of the bit's end ``(h, w)``, 0 to 1.
        taken (NDArray[np.bool_]): Pixels of the other defects and a gap around them ``(h, w)``;
            the new defect's are added.
        scale (float): Factor on the side lengths.

    Returns:
        DrillDefect | None: The defect; None if the bit has no room left for it.

    Example:
        >>> bit = DrillBit((191., 192.), 95., 0., 8., 16., 1.3, True, 2.2, (.6, .6, .6))
        >>> body = np.ones((CANVAS_SIZE, CANVAS_SIZE), dtype=np.float32)
        >>> taken = np.zeros(body.shape, dtype=bool)
        >>> plan = PlannedDefect('Severe_Rust', 0.5)
        >>> defect = place_defect(np.random.default_rng(0), plan, bit, body, taken, 1.0)
        >>> w, h = defect.radial_size(bit.centre)
        >>> 0.45 < w / h < 0.55
        True
    """
    low, high = _SIDES[plan.label]
    side = rng.uniform(low, high) * scale
    for attempt in range(_TRIES):
        shrunk = side * 0.9 ** (attempt // 6)
        size = _fit(plan.label, shrunk * np.sqrt(plan.ratio), shrunk / np.sqrt(plan.ratio), bit)
        defect = _draw_at(rng, plan.label, size, bit)
        if plan.label == 'Broken':
            defect.alpha[:] *= body[defect.window]
        mask = defect.alpha >= MASK_THRESHOLD
        if (mask & taken[defect.window]).any():
            continue
        kernel = np.ones((2 * _GAP + 1, 2 * _GAP + 1), dtype=np.uint8)
        taken[defect.window] |= cv2.dilate(mask.astype(np.uint8), kernel).astype(bool)
        return defect
    return None


def _fit(label: str, width: float, height: float, bit: DrillBit) -> tuple[float, float]:
    """Scale a box to the allowed radial extents and to the room between axis and rim."""
    factor = float(np.clip(height, *_RADIAL_EXTENT)) / height
    width, height = width * factor, height * factor
    inner, outer = _radial_room(label, 0.0, bit)
    # Solve inner + w / 2 + h <= outer and, at the rim, R + w / 2 <= limit.
    room = (outer - inner) / (width / 2 + height)
    rim = 2 * (_OUTER_LIMIT - bit.radius) / width if label == 'Broken' else np.inf
    factor = min(1.0, room, rim)
    return width * factor, height * factor


def _radial_room(label: str, width: float, bit: DrillBit) -> tuple[float, float]:
    """Give the radii between which a defect of a width may lie."""
    inner = width / 2 + _INNER_MARGIN
    outer = min(bit.radius - 2.0, _OUTER_LIMIT - width / 2)
    if label == 'Chipped':
        inner = max(inner, 0.33 * bit.radius)
    return inner, outer


def _draw_at(
    rng: np.random.Generator, label: str, size: tuple[float, float], bit: DrillBit
) -> DrillDefect:
    """Draw a place, then the shape there."""
    width, height = size
    lip = int(rng.integers(2))
    inner, outer = _radial_room(label, width, bit)
    slope = 0.0
    if label == 'Broken':
        # The outline reaches beyond the rim; the body's edge cuts it.
        radius = bit.radius + _OVERHANG - (height + _OVERHANG) / 2
        size = (width, height + _OVERHANG)
        corner = bit.lip_angle(radius, lip) - 0.35 * width / radius
        angle = corner if rng.random() < 0.6 else bit.land_angle(radius, lip, rng.uniform(0.2, 0.8))
    elif label == 'Tip_Wear':
        radius = inner + height / 2 + rng.uniform(0, 1) * min(14.0, outer - inner - height)
        angle = bit.lip_angle(radius, lip) - 0.32 * width / radius
    else:
        radius = rng.uniform(inner + height / 2, max(inner, outer - height) + height / 2)
        if label == 'Chipped':
            slope = -bit.web / np.sqrt(max(radius**2 - bit.web**2, 1.0))
            edge = 0.5 * (1 - min(0.45, -slope * height / width)) * width - 0.8
            angle = bit.lip_angle(radius, lip) - edge / radius
        elif label == 'Scratched':
            angle = bit.land_angle(radius, lip, rng.uniform(0.15, 0.85))
        else:
            angle = bit.land_angle(radius, lip, rng.uniform(-0.6, 0.95))
    degrees = float(np.rad2deg(angle))
    mask, lines = draw_shape(rng, label, size, slope)
    return _rasterise(label, degrees, radius, bit.centre, mask, lines)


def _rasterise(
    label: str,
    angle: float,
    radius: float,
    centre: tuple[float, float],
    mask: Image,
    lines: Image,
) -> DrillDefect:
    """Turn a fine shape into its window of the part image (low-pass, then bilinear)."""
    pad = 2 * OVERSAMPLING
    fine = np.pad(np.stack([mask, lines], axis=2), ((pad, pad), (pad, pad), (0, 0)))
    fine = cv2.GaussianBlur(fine, (0, 0), 0.32 * OVERSAMPLING)
    height, width = fine.shape[0] / OVERSAMPLING, fine.shape[1] / OVERSAMPLING
    turn = np.deg2rad(angle)
    middle = np.array(centre) + radius * np.array([np.sin(turn), -np.cos(turn)])
    reach = int(np.ceil(np.hypot(width, height) / 2)) + 2
    x, y = (int(round(value)) - reach for value in middle)
    # Fine shape -> radial frame -> part pixels -> window pixels.
    frame = radial_homography(centre, angle, radius, (width, height)) @ _FINE_TO_COARSE
    frame[:2, 2] -= (x, y)
    side = 2 * reach + 1
    layers = np.clip(warp_to_frame(fine, np.linalg.inv(frame), (side, side)), -1, 1)
    alpha, thin = np.ascontiguousarray(layers[..., 0]), np.ascontiguousarray(layers[..., 1])
    if x < 0 or y < 0 or max(x, y) + side > CANVAS_SIZE:
        raise ValueError(f'radius must keep the defect within the part image, got {radius}')
    return DrillDefect(label, angle, float(radius), (x, y), alpha, thin)
