"""One colour per class, shared by pictures and pages."""

from __future__ import annotations

import colorsys

__all__ = ['class_colours']

# Found by a random search that maximised the smallest CIE76 distance between any two colours, the
# least of normal sight, protanopia, deuteranopia and tritanopia counting, with a contrast of at
# least 3:1 on white and on the dark page.
_BASE = (
    '#1199dd',
    '#dd7722',
    '#bb0099',
    '#779966',
    '#8811ff',
    '#bb3322',
    '#6655dd',
    '#885566',
)


def class_colours(count: int) -> list[str]:
    """Colours for class indices 0 to ``count - 1``.

    The first eight differ for colour-blind eyes too and have a contrast of at least 3:1 on white
    and on near-black. Further ones are darker and lighter versions of these; print the class
    name beside them.

    Args:
        count (int): Number of classes, 0 or more.

    Returns:
        list[str]: ``count`` colours as ``'#rrggbb'``; the first ones do not depend on ``count``.

    Raises:
        ValueError: ``count`` is negative.

    Source:
        Colour-blind sight by the matrices of Machado, Oliveira and Fernandes, "A
        Physiologically-based Model for Simulation of Color Vision Deficiency", 2009.

    Example:
        >>> class_colours(2)
        ['#1199dd', '#dd7722']
    """
    if count < 0:
        raise ValueError(f'count must be 0 or more, got {count}')
    return [_shade(_BASE[index % len(_BASE)], index // len(_BASE)) for index in range(count)]


def _shade(colour: str, round_number: int) -> str:
    if round_number == 0:
        return colour
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    hue, light, saturation = colorsys.rgb_to_hls(red, green, blue)
    step = 0.16 / ((round_number + 1) // 2)
    light += -step if round_number % 2 else step
    channels = colorsys.hls_to_rgb(hue, min(max(light, 0.15), 0.85), saturation)
    return '#' + ''.join(f'{round(255 * channel):02x}' for channel in channels)
