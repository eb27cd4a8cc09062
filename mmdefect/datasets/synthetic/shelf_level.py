"""The two levels of difficulty of the shelf data."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ['LEVELS', 'ShelfLevel']


@dataclass(frozen=True)
class ShelfLevel:
    """Everything in which the levels differ.

    Args:
        name (str): Name of the level.
        size (tuple[int, int]): ``(w, h)`` of a photo, pixels.
        products (tuple[int, int]): Fewest and most products of a shelf.
        tilt (float): Largest shift of the photo's corners on the shelf, as a share of its sides:
            the perspective.
        variants (float): Share of products that differ from their neighbours only in details, as
            flavours of one brand do.
        gaps (float): Share of places that are sold out.
        light_swing (float): Strength of the light's variation: exposure, gradient, colour cast,
            reflections; 1 is strong.
        signs (tuple[int, int]): Fewest and most signs that hang over the products.
        noise (tuple[float, float]): Sensor noise, standard deviation in grey levels of 255.
        blur (tuple[float, float]): Defocus, standard deviation in pixels.

    Example:
        >>> LEVELS['easy'].size
        (512, 384)
    """

    name: str
    size: tuple[int, int]
    products: tuple[int, int]
    tilt: float
    variants: float
    gaps: float
    light_swing: float
    signs: tuple[int, int]
    noise: tuple[float, float]
    blur: tuple[float, float]


LEVELS = {
    'easy': ShelfLevel(
        name='easy',
        size=(512, 384),
        products=(50, 110),
        tilt=0.03,
        variants=0.1,
        gaps=0.03,
        light_swing=0.3,
        signs=(0, 0),
        noise=(1.0, 3.0),
        blur=(0.0, 0.4),
    ),
    'real': ShelfLevel(
        name='real',
        size=(1024, 768),
        products=(50, 250),
        tilt=0.11,
        variants=0.45,
        gaps=0.07,
        light_swing=1.0,
        signs=(0, 4),
        noise=(2.0, 8.0),
        blur=(0.3, 1.3),
    ),
}
