"""What each part of a split carries, decided before anything is drawn.

Good parts, classes and width-to-height quantiles are dealt like a deck of cards over a whole
split, so that small splits too hold every class and keep the stated quartiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

__all__ = [
    'CLASSES',
    'GOOD_SHARE',
    'RATIO_QUARTILES',
    'SPLITS',
    'PlannedDefect',
    'part_generator',
    'plan_split',
    'ratio_at',
]

CLASSES = ('Broken', 'Chipped', 'Scratched', 'Severe_Rust', 'Tip_Wear')
SPLITS = ('train', 'val', 'test', 'unlabeled')
GOOD_SHARE = 0.35

# Width / height in the defect's own radial frame (height is radial): lower quartile, median,
# upper quartile.
RATIO_QUARTILES = {
    'Broken': (0.55, 0.70, 0.85),
    'Chipped': (0.39, 0.51, 0.65),
    'Scratched': (0.16, 0.21, 0.27),
    'Severe_Rust': (0.34, 0.45, 0.61),
    'Tip_Wear': (0.52, 0.64, 0.78),
}
_CLASS_SHARE = {
    'Broken': 0.13,
    'Chipped': 0.30,
    'Scratched': 0.13,
    'Severe_Rust': 0.30,
    'Tip_Wear': 0.14,
}
_DEFECTS_PER_PART = (2, 3, 1, 4, 2, 3, 2, 4, 1, 3)
_MOST_PER_PART = {'Broken': 1, 'Chipped': 2, 'Scratched': 2, 'Severe_Rust': 2, 'Tip_Wear': 1}
_TAIL = 1.6


@dataclass(frozen=True)
class PlannedDefect:
    """A defect that a part will carry.

    Args:
        label (str): Class name, one of :data:`CLASSES`.
        ratio (float): Width / height of the tight box in the defect's own radial frame.

    Example:
        >>> PlannedDefect('Chipped', 0.5).ratio
        0.5
    """

    label: str
    ratio: float


def ratio_at(label: str, quantile: float) -> float:
    """Read the width / height distribution of a class (two half lognormals, tails cut).

    The two halves meet at the median; each has the spread that puts the quartile where
    :data:`RATIO_QUARTILES` says. Beyond 1.6 standard deviations the ratio stays constant.

    Args:
        label (str): Class name.
        quantile (float): Position in the distribution, in (0, 1).

    Returns:
        float: Width / height.

    Raises:
        ValueError: The quantile is not within (0, 1).

    Example:
        >>> [round(ratio_at('Severe_Rust', q), 2) for q in (0.25, 0.5, 0.75)]
        [0.34, 0.45, 0.61]
    """
    if not 0 < quantile < 1:
        raise ValueError(f'quantile must be within (0, 1), got {quantile}')
    low, middle, high = RATIO_QUARTILES[label]
    z = float(np.clip(NormalDist().inv_cdf(quantile), -_TAIL, _TAIL))
    step = np.log(middle / low) if z < 0 else np.log(high / middle)
    return float(middle * np.exp(z * step / NormalDist().inv_cdf(0.75)))


def part_generator(seed: int, split: str, index: int) -> np.random.Generator:
    """Make the generator that draws one part, whatever else is drawn before or beside it.

    Args:
        seed (int): Seed of the data set, >= 0.
        split (str): One of :data:`SPLITS`.
        index (int): Number of the part in its split, from 0.

    Returns:
        np.random.Generator: The part's own generator.

    Example:
        >>> a, b = (part_generator(0, 'train', 3).random() for _ in range(2))
        >>> a == b
        True
    """
    return np.random.default_rng([seed, SPLITS.index(split), 1, index])


def plan_split(seed: int, split: str, num_parts: int) -> list[list[PlannedDefect]]:
    """Decide which parts of a split are good and what the others carry.

    Args:
        seed (int): Seed of the data set, >= 0.
        split (str): One of :data:`SPLITS`.
        num_parts (int): Number of parts, >= 0.

    Returns:
        list[list[PlannedDefect]]: For each part its defects; an empty list is a good part.

    Raises:
        ValueError: ``num_parts`` is negative.

    Example:
        >>> plan = plan_split(0, 'train', 20)
        >>> sum(not defects for defects in plan)
        7
    """
    if num_parts < 0:
        raise ValueError(f'num_parts must be >= 0, got {num_parts}')
    rng = np.random.default_rng([seed, SPLITS.index(split), 0])
    num_good = round(GOOD_SHARE * num_parts)
    pattern = np.resize(np.array(_DEFECTS_PER_PART), num_parts - num_good)
    counts = rng.permutation(np.concatenate([pattern, np.zeros(num_good, dtype=int)]))
    deck = _deal(rng, int(counts.sum()))
    return [_draw_hand(deck, int(count)) for count in counts]


def _deal(rng: np.random.Generator, total: int) -> list[PlannedDefect]:
    """Make the shuffled deck of defects: class shares by largest remainder, stratified ratios."""
    wanted = np.array([_CLASS_SHARE[name] * total for name in CLASSES])
    numbers = np.floor(wanted).astype(int)
    order = np.argsort(numbers - wanted, kind='stable')
    numbers[order[: total - numbers.sum()]] += 1
    if total >= len(CLASSES):
        for empty in np.flatnonzero(numbers == 0):
            numbers[numbers.argmax()] -= 1
            numbers[empty] += 1
    deck = []
    for name, number in zip(CLASSES, numbers, strict=True):
        quantiles = (np.arange(number) + rng.uniform(0.02, 0.98, number)) / max(number, 1)
        deck += [PlannedDefect(name, ratio_at(name, float(q))) for q in quantiles]
    return [deck[i] for i in rng.permutation(len(deck))]


def _draw_hand(deck: list[PlannedDefect], count: int) -> list[PlannedDefect]:
    """Take defects from the top of the deck, passing over classes of which a part has enough."""
    hand: list[PlannedDefect] = []
    for _ in range(count):
        hand.append(deck.pop(_first_allowed(deck, hand)))
    return hand


def _first_allowed(deck: Sequence[PlannedDefect], hand: Sequence[PlannedDefect]) -> int:
    for position, card in enumerate(deck):
        if sum(held.label == card.label for held in hand) < _MOST_PER_PART[card.label]:
            return position
    return 0
