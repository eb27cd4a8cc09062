"""Photos of a shelf: perspective, light, defocus and noise, and the boxes that are seen."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mmdefect.datasets.synthetic.sample_images import SampleImage
from mmdefect.datasets.synthetic.shelf_level import ShelfLevel
from mmdefect.datasets.synthetic.shelf_scene import MARGIN, Shelf
from mmdefect.datasets.synthetic.textures import fractal_noise

__all__ = ['MIN_VISIBLE', 'take_photo']

# Share of a product's box that the photo must show for a box.
MIN_VISIBLE = 0.35
_CLASS = 'object'


def take_photo(rng: np.random.Generator, shelf: Shelf, level: ShelfLevel) -> SampleImage:
    """Photograph a shelf.

    Args:
        rng (np.random.Generator): Source of randomness.
        shelf (Shelf): The shelf.
        level (ShelfLevel): Level of difficulty.

    Returns:
        SampleImage: The photo with a tight box, in whole pixels, around each product of which it
        shows enough.

    Example:
        >>> from mmdefect.datasets.synthetic.shelf_level import LEVELS
        >>> from mmdefect.datasets.synthetic.shelf_scene import build_shelf
        >>> rng = np.random.default_rng(0)
        >>> photo = take_photo(rng, build_shelf(rng, LEVELS['easy'], 80), LEVELS['easy'])
        >>> photo.image.shape, 50 <= len(photo.labels) <= 110
        ((384, 512, 3), True)
    """
    width, height = level.size
    frame = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32) * (width, height)
    shifts = level.tilt * rng.uniform(-1, 1, (4, 2)) * (width, height)
    place = rng.uniform(-0.4, 0.4, 2) * MARGIN * (width, height)
    seen = frame + MARGIN * np.array([width, height]) + 0.6 * shifts + 0.5 * place
    to_photo = cv2.getPerspectiveTransform(seen.astype(np.float32), frame.astype(np.float32))
    image = cv2.warpPerspective(
        shelf.image, to_photo, level.size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    boxes = _boxes(shelf, to_photo, level.size)
    return SampleImage(_expose(rng, image, level), boxes, (_CLASS,) * len(boxes))


def _boxes(shelf: Shelf, to_photo: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.int64]:
    points = np.concatenate([*shelf.outlines, np.zeros((0, 2), np.float32)])
    starts = np.cumsum([0, *(len(outline) for outline in shelf.outlines)])[:-1]
    if not len(points):
        return np.zeros((0, 4), np.int64)
    moved = cv2.perspectiveTransform(points[:, None], to_photo)[:, 0]
    low = np.minimum.reduceat(moved, starts)
    high = np.maximum.reduceat(moved, starts)
    full = np.hstack([np.round(low), np.round(high)]).astype(np.int64)
    cut = np.clip(full, 0, (*size, *size))
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (cut, full)]
    return np.asarray(cut[areas[0] >= MIN_VISIBLE * areas[1]], np.int64)


def _expose(
    rng: np.random.Generator, image: NDArray[np.float32], level: ShelfLevel
) -> NDArray[np.uint8]:
    """Light, lens and sensor."""
    height, width = image.shape[:2]
    swing = level.light_swing
    y, x = np.mgrid[-0.5 : 0.5 : height * 1j, -0.5 : 0.5 : width * 1j].astype(np.float32)
    slope = rng.uniform(-0.5, 0.5, 2) * swing
    lamp = rng.uniform(1 - 0.35 * swing, 1 + 0.2 * swing)
    light = lamp * (1 + slope[0] * x + slope[1] * y - 0.5 * swing * (x**2 + y**2))
    cast = 1 + 0.12 * swing * rng.uniform(-1, 1, 3)
    image = image * (light[..., None] * cast).astype(np.float32)
    if rng.random() < 0.6 * swing:
        glare = fractal_noise(rng, (height, width), (2, 4))
        image += (0.25 * swing * np.clip(glare - 1.1, 0, 1))[..., None]
    sigma = rng.uniform(*level.blur)
    if sigma > 0.1:
        image = cv2.GaussianBlur(image, (0, 0), sigma)
    grain = rng.standard_normal(image.shape, dtype=np.float32)
    image += grain * np.float32(rng.uniform(*level.noise) / 255)
    return np.asarray(np.clip(image * 255, 0, 255).round(), np.uint8)
