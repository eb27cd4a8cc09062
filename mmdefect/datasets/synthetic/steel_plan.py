"""Which strips of a split are defective and what they carry, dealt like a deck of cards."""

from __future__ import annotations

import numpy as np

from mmdefect.datasets.severstal_file import SEVERSTAL_CLASSES

__all__ = ['CLASS_SHARES', 'DEFECTIVE_SHARE', 'STRIPS', 'plan_strips']

DEFECTIVE_SHARE = 0.53
# Strips per coil.
STRIPS = 4
CLASS_SHARES = {'pitted': 0.24, 'crazing': 0.18, 'scratch': 0.34, 'patch': 0.24}
_DEFECTS_PER_STRIP = (1, 2, 1, 3, 1, 1, 2, 4)


def plan_strips(rng: np.random.Generator, coils: int) -> list[list[tuple[str, float]]]:
    """Deal defects out over the strips of a split.

    Args:
        rng (np.random.Generator): Source of randomness.
        coils (int): Number of coils, >= 0.

    Returns:
        list[list[tuple[str, float]]]: For each strip its defects, class name and size: where in
        the range from small to large it lies, 0 to 1. An empty list is a good strip.

    Example:
        >>> plan = plan_strips(np.random.default_rng(0), 25)
        >>> len(plan), sum(bool(defects) for defects in plan)
        (100, 53)
    """
    strips = coils * STRIPS
    defective = round(DEFECTIVE_SHARE * strips)
    counts = np.resize(np.array(_DEFECTS_PER_STRIP), defective)
    total = int(counts.sum())
    ends = np.round(np.cumsum(list(CLASS_SHARES.values())) * total).astype(int)
    labels = np.repeat(np.arange(len(SEVERSTAL_CLASSES)), np.diff(ends, prepend=0))
    names = [list(CLASS_SHARES)[index] for index in rng.permutation(labels)]
    sizes = rng.permutation((np.arange(total) + 0.5) / max(total, 1)).tolist()
    deck = list(zip(names, sizes, strict=True))
    hands = np.split(np.arange(total), np.cumsum(counts)[:-1]) if defective else []
    plan: list[list[tuple[str, float]]] = [[deck[card] for card in hand] for hand in hands]
    plan += [[] for _ in range(strips - defective)]
    return [plan[index] for index in rng.permutation(strips)]
