"""Samples of a data set, each drawn under a seed of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mmdefect.datasets.seeded_draw import seeded

__all__ = ['Sample', 'choose_samples', 'draw_sample']


@dataclass(frozen=True)
class Sample:
    """One item of a data set after its pipeline.

    Args:
        index (int): Its place in the data set, from 0.
        repeat (int): How often the same item was drawn before, from 0.
        annotated (int | None): Boxes annotated in its image; None where the data set does not
            say.
        item (dict): ``inputs`` and ``data_samples``, as the loader would collate them.

    Example:
        >>> Sample(3, 0, 2, {}).index
        3
    """

    index: int
    repeat: int
    annotated: int | None
    item: dict[str, Any]


def choose_samples(dataset: Any, count: int, seed: int) -> list[int]:
    """Choose images at random, the same number from each part of a concatenated data set.

    Args:
        dataset (Dataset): The data set.
        count (int): Images wanted, 1 or more.
        seed (int): Seed of the choice.

    Returns:
        list[int]: Distinct indices, ascending; all of them where there are no more.

    Example:
        >>> choose_samples(range(100), 3, seed=0) == choose_samples(range(100), 3, seed=0)
        True
    """
    ends = [int(end) for end in getattr(dataset, 'cumulative_sizes', [len(dataset)])]
    starts = [0, *ends[:-1]]
    generator = np.random.default_rng(seed)
    orders = [
        (start + generator.permutation(end - start)).tolist()
        for start, end in zip(starts, ends, strict=True)
    ]
    chosen: list[int] = []
    # Parts that are exhausted leave their places to the others.
    for place in range(max(map(len, orders), default=0)):
        chosen += [order[place] for order in orders if place < len(order)]
    return sorted(chosen[:count])


def draw_sample(dataset: Any, index: int, repeat: int, seed: int) -> Sample:
    """Run the pipeline on one image, under a seed made of all three numbers.

    Args:
        dataset (Dataset): The data set.
        index (int): Index of the image.
        repeat (int): Which draw of this image, from 0.
        seed (int): Seed of the whole.

    Returns:
        Sample: The sample; the global generators are left as they were.

    Example:
        >>> draw_sample([{'inputs': 1}], 0, 0, seed=0).item
        {'inputs': 1}
    """
    with seeded(seed, index, repeat):
        item = dataset[index]
    return Sample(index, repeat, _annotated(dataset, index), item)


def _annotated(dataset: Any, index: int) -> int | None:
    try:
        return len(dataset.get_data_info(index)['instances'])
    except (AttributeError, KeyError, TypeError):
        return None
