"""The two levels of difficulty of the drill data."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ['LEVELS', 'DrillLevel']


@dataclass(frozen=True)
class DrillLevel:
    """Everything in which the levels differ.

    Args:
        name (str): Name of the level.
        contrast (tuple[float, float]): Opacity range of the defects' paint, in [0, 1].
        bold (bool): Whether chips and worn spots have a tone of their own; else they stand out
            from the steel around them by little.
        size (float): Factor on the defects' side lengths.
        light_swing (float): Strength of the light's variation from part to part: exposure,
            gradient, colour cast and vignetting; 1 is strong.
        rust_fades (bool): Whether rust loses visibility where the light is raking or bright, and
            turns with the colour cast.
        distractors (tuple[int, int]): Fewest and most harmless marks per part: oil, dust,
            fibres, reflections, swarf marks.
        noise (tuple[float, float]): Sensor noise, standard deviation in grey levels of 255.
        blur (tuple[float, float]): Defocus, standard deviation in pixels.
        coatings (bool): Whether some bits are black or gold coated.

    Example:
        >>> LEVELS['easy'].rust_fades
        False
    """

    name: str
    contrast: tuple[float, float]
    bold: bool
    size: float
    light_swing: float
    rust_fades: bool
    distractors: tuple[int, int]
    noise: tuple[float, float]
    blur: tuple[float, float]
    coatings: bool


LEVELS = {
    'easy': DrillLevel(
        name='easy',
        contrast=(0.88, 1.0),
        bold=True,
        size=1.0,
        light_swing=0.4,
        rust_fades=False,
        distractors=(0, 2),
        noise=(1.0, 3.0),
        blur=(0.0, 0.4),
        coatings=False,
    ),
    'real': DrillLevel(
        name='real',
        contrast=(0.35, 0.75),
        bold=False,
        size=0.85,
        light_swing=1.0,
        rust_fades=True,
        distractors=(2, 7),
        noise=(2.0, 7.0),
        blur=(0.2, 1.0),
        coatings=True,
    ),
}
