"""Words that follow from numbers."""

from __future__ import annotations

__all__ = ['counted']


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number and what it counts.

    Args:
        number (int): The number, from 0.
        noun (str): What is counted, in the singular.
        plural (str | None): The plural. Default None: ``noun`` and an s.

    Returns:
        str: Both, such as ``2 images``.

    Example:
        >>> counted(1, 'image'), counted(0, 'image'), counted(2, 'box', 'boxes')
        ('1 image', '0 images', '2 boxes')
    """
    return f'{number} {noun if number == 1 else plural or f"{noun}s"}'
