"""Numbers and sizes as annotation files hold them."""

from __future__ import annotations

import math

from mmdefect.errors import InputError

__all__ = ['json_number', 'text_number', 'whole_size']

# What the headers of image files can say.
_LARGEST_SIDE = 2**31 - 1


def json_number(value: object) -> float:
    """A number of a JSON file.

    Args:
        value (object): What stands there.

    Returns:
        float: The number; NaN, which box checks report, for anything else, truth values and
        numbers in quotation marks included.

    Example:
        >>> json_number(3), json_number('3')
        (3.0, nan)
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            return math.inf
    return math.nan


def text_number(text: str | None) -> float:
    """A number of an XML or text file.

    Args:
        text (str | None): What stands there.

    Returns:
        float: The number; NaN, which box checks report, where there is none.

    Example:
        >>> text_number(' 3.5 '), text_number('')
        (3.5, nan)
    """
    try:
        return float(text or '')
    except ValueError:
        return math.nan


def whole_size(where: str, width: float, height: float) -> tuple[int, int]:
    """The size of an image as its annotation declares it.

    Args:
        where (str): File or image, for messages.
        width (float): What stands there, pixels; NaN where no number does.
        height (float): Likewise.

    Returns:
        tuple[int, int]: ``(w, h)`` in pixels.

    Raises:
        InputError: One is no whole number from 1.

    Example:
        >>> whole_size('a.json', 64, 0)
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: a.json: width and height must be whole numbers from 1,
        got 64, 0; correct them
    """
    # NaN fails the comparison, infinity the limit.
    if all(1 <= side <= _LARGEST_SIDE and side == int(side) for side in (width, height)):
        return int(width), int(height)
    raise InputError(
        f'{where}: width and height must be whole numbers from 1, got {width:g}, {height:g}; '
        'correct them'
    )
