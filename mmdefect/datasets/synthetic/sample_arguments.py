"""What the writers of sample data check before they draw anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from mmdefect.errors import InputError, nearest_name, reject_unknown_keys

__all__ = ['check_seed', 'find_level', 'part_counts']

_Level = TypeVar('_Level')


def check_seed(kind: str, seed: int) -> None:
    """Refuse a negative seed.

    Args:
        kind (str): Kind of data, for the message.
        seed (int): The seed.

    Raises:
        InputError: It is below 0.

    Example:
        >>> check_seed('drill', -1)
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: sample-data drill: seed must be >= 0, got -1
    """
    if seed < 0:
        raise InputError(f'sample-data {kind}: seed must be >= 0, got {seed}')


def find_level(kind: str, levels: Mapping[str, _Level], name: str) -> _Level:
    """Look up a level of difficulty.

    Args:
        kind (str): Kind of data, for the message.
        levels (Mapping[str, Any]): Levels by name.
        name (str): The name wanted.

    Returns:
        Any: The level.

    Raises:
        InputError: There is no such level.

    Example:
        >>> find_level('drill', {'easy': 1, 'real': 2}, 'real')
        2
    """
    if name not in levels:
        near = nearest_name(name, levels)
        hint = f'did you mean {near!r}?' if near else f'choose one of {", ".join(levels)}'
        raise InputError(f'sample-data {kind}: unknown level {name!r}; {hint}')
    return levels[name]


def part_counts(
    kind: str, defaults: Mapping[str, int], parts: Mapping[str, int] | None
) -> dict[str, int]:
    """Complete the numbers of parts per split.

    Args:
        kind (str): Kind of data, for the message.
        defaults (Mapping[str, int]): Parts of each split there is.
        parts (Mapping[str, int] | None): Parts of some of them; None: of none.

    Returns:
        dict[str, int]: Parts of each split, in the order of the defaults.

    Raises:
        InputError: There is no such split, or a number is negative.

    Example:
        >>> part_counts('drill', {'train': 60, 'val': 16}, {'val': 2})
        {'train': 60, 'val': 2}
    """
    reject_unknown_keys(f'sample-data {kind} parts', parts or {}, defaults)
    counts = {**defaults, **(parts or {})}
    for split, number in counts.items():
        if number < 0:
            raise InputError(f'sample-data {kind}: parts of {split} must be >= 0, got {number}')
    return counts
