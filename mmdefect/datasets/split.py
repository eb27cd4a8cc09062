"""Splits of a COCO file: by part, stratified by class, every image exactly once."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdefect.errors import InputError
from mmdefect.wording import counted

__all__ = ['split_coco', 'stratify']

# Rounds of dealing, fewer on large sets: a round costs one step per part.
_ROUNDS = 16
_MAX_STEPS = 200_000


def split_coco(
    content: dict[str, Any],
    ratios: Mapping[str, float],
    group: str | None = None,
    group_pattern: str | None = None,
    seed: int = 0,
    source: str = 'COCO file',
) -> dict[str, dict[str, Any]]:
    """Split COCO content so that no part stands in two splits.

    Args:
        content (dict[str, Any]): As :func:`mmdefect.datasets.coco_file.load_coco` returns it.
        ratios (Mapping[str, float]): Share of images per split name; the shares sum to 1.
        group (str | None): Image key whose value names the part; ``id`` makes every image its
            own part. Default None: ``part_id`` if all images have it, else ``id``.
        group_pattern (str | None): Regular expression with one group, which is the part, searched
            for in ``file_name``. Default None.
        seed (int): Seed of the random choices. Default 0.
        source (str): The file, for messages.

    Returns:
        dict[str, dict[str, Any]]: Per split name the content with its images and annotations,
        in file order and otherwise as they were.

    Raises:
        InputError: A bad ratio, an image without part, a duplicate image id, an annotation of no
            image or category, or a split that gets no image.

    Example:
        >>> content = {'images': [{'id': i, 'file_name': f'{i}.png'} for i in range(10)],
        ...            'annotations': [], 'categories': []}
        >>> parts = split_coco(content, {'train': .8, 'val': .2})
        >>> {name: len(part['images']) for name, part in parts.items()}
        {'train': 8, 'val': 2}
    """
    _check_ratios(ratios)
    images, annotations = content['images'], content['annotations']
    if not images:
        raise InputError(f'{source}: no images to split')
    repeated, count = Counter(image['id'] for image in images).most_common(1)[0]
    if count > 1:
        raise InputError(f'{source}: duplicate image id {repeated!r}; give each image its own')
    rows = {image['id']: row for row, image in enumerate(images)}
    columns = {category['id']: i for i, category in enumerate(content['categories'])}
    # The last column counts good images, so that they are spread like a class.
    counts = np.zeros((len(images), len(columns) + 1), np.int64)
    for index, entry in enumerate(annotations):
        for key, known in (('image_id', rows), ('category_id', columns)):
            if entry[key] not in known:
                raise InputError(
                    f'{source}: annotation {entry.get("id", f"number {index + 1}")!r} has the '
                    f'unknown {key} {entry[key]!r}; correct or remove it'
                )
        counts[rows[entry['image_id']], columns[entry['category_id']]] += 1
    counts[:, -1] = counts.sum(axis=1) == 0
    parts = _parts(images, group, group_pattern, source)
    part_of_image = np.unique(parts, return_inverse=True)[1]
    part_counts = np.zeros((part_of_image.max() + 1, counts.shape[1]), np.int64)
    np.add.at(part_counts, part_of_image, counts)
    chosen = stratify(
        part_counts, np.bincount(part_of_image), list(ratios.values()), np.random.default_rng(seed)
    )[part_of_image]
    splits = {}
    for number, name in enumerate(ratios):
        if not (chosen == number).any():
            raise InputError(
                f'{source}: split {name!r} gets no image; too few for these ratios: '
                f'{counted(len(part_counts), "part")} with {counted(len(images), "image")}'
            )
        splits[name] = {
            **content,
            'images': [image for image, of in zip(images, chosen, strict=True) if of == number],
            'annotations': [a for a in annotations if chosen[rows[a['image_id']]] == number],
        }
    return splits


def stratify(
    counts: NDArray[np.int64],
    sizes: NDArray[np.int64],
    ratios: list[float],
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """Deal groups out to splits, rarest class first.

    Iterative stratification with groups of several images, with split sizes that are kept exactly
    where the sizes of the groups allow it, and with several rounds in random order, of which the
    one nearest to the wanted boxes (chi-square) is kept.

    Args:
        counts (NDArray[np.int64]): Boxes per group and class, shape (G, C).
        sizes (NDArray[np.int64]): Images per group, shape (G,).
        ratios (list[float]): S shares that sum to 1.
        generator (np.random.Generator): Order of the groups and ties.

    Returns:
        NDArray[np.int64]: Split of each group, 0 to S - 1, shape (G,).

    Source:
        Sechidis, Tsoumakas and Vlahavas, "On the Stratification of Multi-label Data", ECML PKDD
        2011, algorithm 1.

    Example:
        >>> counts = np.array([[1, 0]] * 4 + [[0, 1]] * 4)
        >>> chosen = stratify(counts, np.ones(8, int), [.5, .5], np.random.default_rng(0))
        >>> [int(counts[chosen == split, 0].sum()) for split in (0, 1)]
        [2, 2]
    """
    shares = np.array(ratios)
    room = _whole_shares(int(sizes.sum()), shares).astype(np.float64)
    wanted = shares[:, None] * counts.sum(axis=0)
    rounds = max(1, min(_ROUNDS, _MAX_STEPS // max(len(sizes), 1)))
    dealt = [_deal(counts, sizes, wanted.copy(), room.copy(), generator) for _ in range(rounds)]
    return min(dealt, key=lambda chosen: _chi_square(chosen, counts, wanted))


def _chi_square(
    chosen: NDArray[np.int64], counts: NDArray[np.int64], wanted: NDArray[np.float64]
) -> float:
    got = np.stack([counts[chosen == split].sum(axis=0) for split in range(len(wanted))])
    return float(((got - wanted) ** 2 / np.maximum(wanted, 1e-9)).sum())


def _deal(
    counts: NDArray[np.int64],
    sizes: NDArray[np.int64],
    wanted: NDArray[np.float64],
    room: NDArray[np.float64],
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """One round of dealing; ``wanted`` (boxes) and ``room`` (images) are used up."""
    chosen = np.full(len(sizes), -1, np.int64)
    order = generator.permutation(len(sizes))
    left = counts.copy()
    while (left > 0).any():
        remaining = (left > 0).sum(axis=0)
        rarest = int(np.argmin(np.where(remaining > 0, remaining, len(sizes) + 1)))
        for index in order[left[order, rarest] > 0]:
            split = _neediest(wanted[:, rarest], room, int(sizes[index]), generator)
            chosen[index] = split
            wanted[split] -= counts[index]
            room[split] -= sizes[index]
            left[index] = 0
    for index in order[chosen[order] < 0]:
        chosen[index] = _neediest(room, room, int(sizes[index]), generator)
        room[chosen[index]] -= sizes[index]
    return chosen


def _neediest(
    wanted: NDArray[np.float64],
    room: NDArray[np.float64],
    size: int,
    generator: np.random.Generator,
) -> int:
    """The split that wants most boxes, then most images, among those with room."""
    fits = room >= size
    if not fits.any():
        fits = room == room.max()
    candidates = np.flatnonzero(fits)
    for need in (wanted, room):
        most = need[candidates].max()
        candidates = candidates[need[candidates] >= most - 1e-9]
    return int(generator.choice(candidates)) if len(candidates) > 1 else int(candidates[0])


def _whole_shares(total: int, shares: NDArray[np.float64]) -> NDArray[np.int64]:
    """Whole numbers that sum to ``total``, by the largest remainders."""
    exact = shares * total
    whole = np.floor(exact + 1e-9).astype(np.int64)
    missing = total - int(whole.sum())
    whole[np.argsort(whole - exact, kind='stable')[:missing]] += 1
    return whole


def _check_ratios(ratios: Mapping[str, float]) -> None:
    if len(ratios) < 2:
        raise InputError('ratios must name two splits or more, such as train=.8,val=.2')
    for name, share in ratios.items():
        if not re.fullmatch(r'[A-Za-z0-9_-]+', name):
            raise InputError(f'ratios: split name {name!r} must be letters, digits, _ and -')
        if not (math.isfinite(share) and share > 0):
            raise InputError(f'ratios: share of {name!r} must be above 0, got {share}')
    total = math.fsum(ratios.values())
    if abs(total - 1) > 1e-6:
        raise InputError(f'ratios must sum to 1, got {total:g}')


def _parts(
    images: list[dict[str, Any]], group: str | None, pattern: str | None, source: str
) -> NDArray[np.str_]:
    if pattern is not None:
        if group is not None:
            raise InputError('group and group_pattern exclude each other; give one')
        return np.array(_parts_by_pattern(images, pattern, source))
    having = sum('part_id' in image for image in images)
    if group is None:
        group = 'part_id' if having else 'id'
    for image in images:
        if group not in image:
            raise InputError(
                f'{source}: image {image["file_name"]} has no key {group!r}; add it, or split by '
                "another key (group 'id': every image for itself)"
            )
    # The representation keeps part 1 apart from part "1".
    return np.array([repr(image[group]) for image in images])


def _parts_by_pattern(images: list[dict[str, Any]], pattern: str, source: str) -> list[str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise InputError(f'group_pattern {pattern!r} is no regular expression: {error}') from error
    if compiled.groups != 1:
        raise InputError(
            f'group_pattern {pattern!r} must have one group in parentheses, got {compiled.groups}'
        )
    parts = []
    for image in images:
        match = compiled.search(image['file_name'])
        if match is None or match.group(1) is None:
            raise InputError(
                f'{source}: group_pattern {pattern!r} does not match {image["file_name"]}'
            )
        parts.append(match.group(1))
    return parts
