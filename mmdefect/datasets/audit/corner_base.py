"""Do corners count from 0 or from 1? The boxes at the image borders tell."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mmdefect.datasets.audit.finding import Finding, FindingList
from mmdefect.datasets.audit.table import AuditTable

__all__ = ['CornerGuess', 'check_corner_base', 'guess_corner_base']

# Corners at the borders from which on the evidence counts.
_ENOUGH = 5
# Share of the corners at a border that must lie on its last pixel.
_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class CornerGuess:
    """What the written corners say about their base.

    Args:
        base (str): ``1-based`` (1 to w), ``0-based`` (0 to w - 1), ``0-based edges`` (0 to w),
            or ``unknown``.
        low_0 (int): Corners xmin and ymin written as 0 or less.
        low_1 (int): Corners xmin and ymin written as 1.
        high_last (int): Corners xmax and ymax written as w - 1 or h - 1.
        high_size (int): Corners xmax and ymax written as w or h.
        high_above (int): Corners xmax and ymax above w or h.

    Example:
        >>> CornerGuess('1-based', 0, 40, 2, 31, 0).as_text()
        '1-based: lowest corners 0 times at 0, 40 times at 1; highest 2 times at size - 1, \
31 times at size, 0 times above'
    """

    base: str
    low_0: int
    low_1: int
    high_last: int
    high_size: int
    high_above: int

    def as_text(self) -> str:
        """The guess and what it rests on, in one line.

        Returns:
            str: The line.
        """
        return (
            f'{self.base}: lowest corners {self.low_0} times at 0, {self.low_1} times at 1; '
            f'highest {self.high_last} times at size - 1, {self.high_size} times at size, '
            f'{self.high_above} times above'
        )

    def as_dict(self) -> dict[str, Any]:
        """What JSON shows of it.

        Returns:
            dict[str, Any]: The fields.
        """
        return asdict(self)


def guess_corner_base(
    corners: npt.NDArray[np.floating[Any]], sizes: npt.NDArray[np.integer[Any]]
) -> CornerGuess:
    """Guess from the corners at the image borders whether they count from 0 or from 1.

    Defects that reach a border are drawn up to it, so corners pile up at the lowest and at the
    highest coordinate there is. A corner at 0 cannot be 1-based; one at w or h cannot be 0-based
    and inclusive.

    Args:
        corners (np.ndarray): ``xmin, ymin, xmax, ymax`` as written in the files, shape (N, 4).
        sizes (np.ndarray): ``(w, h)`` of the image of each box, shape (N, 2).

    Returns:
        CornerGuess: The base, ``unknown`` where fewer than 5 corners lie at the borders, or
        where they contradict each other.

    Example:
        >>> corners = np.array([[1, 1, 64, 20], [5, 1, 64, 48], [1, 9, 30, 48]])
        >>> guess_corner_base(corners, np.array([[64, 48]] * 3)).base
        '1-based'
    """
    low, high = corners[:, :2], corners[:, 2:]
    low_0, low_1 = int((low <= 0).sum()), int((low == 1).sum())
    last, size, above = (int(hit.sum()) for hit in (high == sizes - 1, high == sizes, high > sizes))
    at_borders = low_0 + low_1 + last + size + above
    base = 'unknown'
    if at_borders >= _ENOUGH:
        # Boxes that stop one pixel short and single slips must not decide.
        up_to_size = size > _SHARE * (last + size)
        if low_1 > low_0 / _SHARE and up_to_size:
            base = '1-based'
        elif low_0 > low_1:
            base = '0-based edges' if up_to_size else '0-based'
    return CornerGuess(base, low_0, low_1, last, size, above)


def check_corner_base(table: AuditTable, found: FindingList) -> dict[str, CornerGuess]:
    """Compare the guess of each split with what its reader takes the corners for.

    Args:
        table (AuditTable): The data set.
        found (FindingList): Where findings are added.

    Returns:
        dict[str, CornerGuess]: The guess per split that has boxes.

    Example:
        >>> check_corner_base(AuditTable(['train'], [], one_based=[True]), FindingList())
        {}
    """
    guesses = {}
    box_split = table.split_of[table.owners]
    for split, (name, one_based) in enumerate(zip(table.splits, table.one_based, strict=True)):
        rows = np.flatnonzero(box_split == split)
        if not len(rows):
            continue
        corners = table.boxes[rows].astype(np.float64)
        if one_based:
            corners[:, :2] += 1
        guess = guess_corner_base(corners, table.sizes[table.owners[rows]])
        guesses[name] = guess
        if one_based is None and guess.base == '1-based':
            what = f'{guess.as_text()}; read as counted from 0, as its format has it'
        elif one_based and guess.base.startswith('0-based'):
            what = f'{guess.as_text()}; read with one_based=True: set one_based=False'
        elif one_based is False and guess.base == '1-based':
            what = f'{guess.as_text()}; read with one_based=False: set one_based=True'
        else:
            continue
        found.add(Finding('corner-base', name, what, name))
    return guesses
