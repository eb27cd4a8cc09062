"""One part: its image, its defects, its eight views."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mmdefect.datasets.synthetic.drill_bit import (
    CANVAS_SIZE,
    DrillBit,
    draw_bit,
    polar_coordinates,
    render_bit,
)
from mmdefect.datasets.synthetic.drill_defects import DrillDefect, place_defect
from mmdefect.datasets.synthetic.drill_level import DrillLevel
from mmdefect.datasets.synthetic.drill_paint import paint_defect
from mmdefect.datasets.synthetic.drill_plan import PlannedDefect
from mmdefect.datasets.synthetic.drill_scene import (
    add_distractors,
    draw_light,
    illuminate,
    render_background,
)
from mmdefect.datasets.synthetic.views import NUM_VIEWS, VIEW_SIZE, view_homography, warp_to_frame

__all__ = ['DrillPart', 'DrillView', 'iterate_views', 'render_part']

Image = NDArray[np.float32]


@dataclass(frozen=True)
class DrillPart:
    """A rendered part.

    Args:
        bit (DrillBit): Shape of the bit.
        image (Image): Part image, BGR ``(h, w, 3)``, 0 to 1, before the sensor.
        defects (list[DrillDefect]): Its defects; empty for a good part.

    Example:
        >>> DrillPart.__name__
        'DrillPart'
    """

    bit: DrillBit
    image: Image
    defects: list[DrillDefect]


@dataclass(frozen=True)
class DrillView:
    """One of the eight crops of a part.

    Args:
        view_id (int): 0 to 7.
        homography (NDArray[np.float64]): View pixel -> part pixel, ``(3, 3)``.
        image (NDArray): uint8 BGR image ``(160, 160, 3)``, or uint16 grey image ``(160, 160)``.

    Example:
        >>> DrillView(0, np.eye(3), np.zeros((160, 160, 3), dtype=np.uint8)).view_id
        0
    """

    view_id: int
    homography: NDArray[np.float64]
    image: NDArray[Any]


def render_part(
    rng: np.random.Generator, plan: Sequence[PlannedDefect], level: DrillLevel
) -> DrillPart:
    """Render a part with the defects planned for it.

    Args:
        rng (np.random.Generator): The part's own generator.
        plan (Sequence[PlannedDefect]): The defects; empty for a good part.
        level (DrillLevel): Level of difficulty.

    Returns:
        DrillPart: The part.

    Example:
        >>> from mmdefect.datasets.synthetic.drill_level import LEVELS
        >>> plan = [PlannedDefect('Chipped', 0.5)]
        >>> part = render_part(np.random.default_rng(0), plan, LEVELS['easy'])
        >>> part.image.shape, len(part.defects)
        ((384, 384, 3), 1)
    """
    bit, light = draw_bit(rng, level), draw_light(rng, level)
    distance, angle = polar_coordinates(bit.centre, CANVAS_SIZE)
    behind = render_background(rng, CANVAS_SIZE, distance, angle, bit.radius, light)
    steel, body = render_bit(rng, bit, distance, angle, light)
    image = behind + (steel - behind) * body[..., None]
    taken = np.zeros(body.shape, dtype=bool)
    # The most constrained places are given first.
    order = sorted(plan, key=lambda defect: (-_CONSTRAINED[defect.label], -defect.ratio))
    placed = [place_defect(rng, defect, bit, body, taken, level.size) for defect in order]
    defects = [defect for defect in placed if defect is not None]
    for defect in defects:
        paint_defect(rng, image, behind, defect, light, level)
    image = add_distractors(rng, image, body, level)
    return DrillPart(bit, illuminate(image, light), defects)


def iterate_views(
    rng: np.random.Generator, part: DrillPart, level: DrillLevel, bit_depth: int = 8
) -> Iterator[DrillView]:
    """Take the eight views of a part through a camera with defocus and noise.

    Args:
        rng (np.random.Generator): The part's own generator.
        part (DrillPart): The part.
        level (DrillLevel): Level of difficulty.
        bit_depth (int): 8 for a colour camera, more for a grey one with so many bits. Default 8.

    Yields:
        DrillView: Views 0 to 7.

    Example:
        >>> from mmdefect.datasets.synthetic.drill_level import LEVELS
        >>> part = render_part(np.random.default_rng(0), [], LEVELS['easy'])
        >>> [v.view_id for v in iterate_views(np.random.default_rng(1), part, LEVELS['easy'])]
        [0, 1, 2, 3, 4, 5, 6, 7]
    """
    noise = rng.uniform(*level.noise) / 255
    blur = rng.uniform(*level.blur)
    image = cv2.GaussianBlur(part.image, (0, 0), blur) if blur > 0.25 else part.image
    for view_id in range(NUM_VIEWS):
        homography = view_homography(part.bit.centre, view_id)
        crop = warp_to_frame(image, homography, (VIEW_SIZE, VIEW_SIZE))
        crop *= np.float32(np.exp(rng.normal(0, 0.07 * level.light_swing)))
        shot = rng.standard_normal(crop.shape, dtype=np.float32) * np.float32(noise)
        # Shot noise grows with the light.
        crop = crop + shot * (0.5 + np.sqrt(crop))
        yield DrillView(view_id, homography, _digitise(crop, bit_depth))


def _digitise(light: Image, bit_depth: int) -> NDArray[Any]:
    """Colour in 8 bits, or grey that fills ``bit_depth`` bits of 16."""
    if bit_depth == 8:
        return np.clip(np.rint(light * 255), 0, 255).astype(np.uint8)
    limit = 2**bit_depth - 1
    return np.clip(np.rint(light @ _LUMINANCE * limit), 0, limit).astype(np.uint16)


# Share of blue, green and red in a grey camera's answer (ITU-R BT.601).
_LUMINANCE = np.array([0.114, 0.587, 0.299], dtype=np.float32)
_CONSTRAINED = {'Tip_Wear': 4, 'Chipped': 3, 'Broken': 2, 'Scratched': 1, 'Severe_Rust': 0}
