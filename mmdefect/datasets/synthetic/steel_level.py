"""The two levels of difficulty of the steel data."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ['LEVELS', 'SteelLevel']


@dataclass(frozen=True)
class SteelLevel:
    """Everything in which the levels differ.

    Args:
        name (str): Name of the level.
        contrast (tuple[float, float]): Faintest and boldest defects, as a share of the grey
            value of the steel around them.
        size (float): Factor on the defects' sides above the smallest.
        grain (float): Strength of the steel's own texture; 1 is strong.
        light_swing (float): Strength of the light's variation between coils and along a strip.
        marks (tuple[int, int]): Fewest and most harmless marks per strip: water, oil, dust.
        noise (tuple[float, float]): Sensor noise, standard deviation in grey levels of 255.

    Example:
        >>> LEVELS['easy'].marks
        (0, 1)
    """

    name: str
    contrast: tuple[float, float]
    size: float
    grain: float
    light_swing: float
    marks: tuple[int, int]
    noise: tuple[float, float]


LEVELS = {
    'easy': SteelLevel(
        name='easy',
        contrast=(0.45, 0.75),
        size=1.0,
        grain=0.5,
        light_swing=0.4,
        marks=(0, 1),
        noise=(1.0, 3.0),
    ),
    'real': SteelLevel(
        name='real',
        contrast=(0.2, 0.5),
        size=0.75,
        grain=1.0,
        light_swing=1.0,
        marks=(1, 6),
        noise=(2.0, 6.0),
    ),
}
