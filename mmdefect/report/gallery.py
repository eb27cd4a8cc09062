"""Which images a report shows, and what it says about each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mmdefect.evaluation.matching import UNMATCHED
from mmdefect.evaluation.score_table import SCORE_DECIMALS, reaches
from mmdefect.report.evaluation import EvaluatedImage
from mmdefect.report.pictures import Picture
from mmdefect.structures import EVALUATION_MIN_SCORE

__all__ = ['Choice', 'choose_images', 'picture_entry', 'short_name']


@dataclass(frozen=True)
class Choice:
    """One image of the gallery.

    Args:
        index (int): Position in the evaluated images, from 0.
        kind (str): ``'errors'``, ``'found'`` (all boxes found, no false alarm) or ``'good'``
            (no ground truth).
        missed (int): Boxes not found.
        false (int): False alarms.

    Example:
        >>> Choice(0, 'errors', missed=1, false=2).kind
        'errors'
    """

    index: int
    kind: str
    missed: int
    false: int


def choose_images(
    images: Sequence[EvaluatedImage],
    matches: Sequence[npt.NDArray[np.int64]],
    threshold: float,
    limit: int = 60,
) -> list[Choice]:
    """Choose half worst images, the rest well-found and defect-free ones.

    Errors come first, most misses and false alarms leading; then images with most boxes found;
    then defect-free ones, half of their share those with most false alarms. A kind that has too
    few leaves its places to the others.

    Args:
        images (Sequence[EvaluatedImage]): All images.
        matches (Sequence[np.ndarray]): What ``match_image`` gave for each.
        threshold (float): Score from which a detection counts.
        limit (int): Images at most. Default 60.

    Returns:
        list[Choice]: At most ``limit`` choices, each image once.

    Raises:
        ValueError: ``limit`` is below 1.

    Example:
        >>> image = EvaluatedImage(path='a.png', width=9, height=9,
        ...     ground_truth=[(0, 0, 4, 4, 0, 0)], detections=[])
        >>> choose_images([image], [np.zeros(0, np.int64)], 0.5)
        [Choice(index=0, kind='errors', missed=1, false=0)]
    """
    if limit < 1:
        raise ValueError(f'limit must be 1 or more, got {limit}')
    groups: dict[str, list[Choice]] = {'errors': [], 'found': [], 'good': []}
    sizes = []
    for index, (image, match) in enumerate(zip(images, matches, strict=True)):
        scores = np.array([row[5] for row in image.detections], dtype=np.float64)
        counts = match[reaches(scores, threshold)]
        boxes = sum(1 for row in image.ground_truth if not row[5])
        missed, false = boxes - int((counts >= 0).sum()), int((counts == UNMATCHED).sum())
        kind = 'good' if not image.ground_truth else 'errors' if missed or false else 'found'
        groups[kind].append(Choice(index, kind, missed, false))
        sizes.append(boxes)
    groups['errors'].sort(key=lambda choice: (-(choice.missed + choice.false), choice.index))
    groups['found'].sort(key=lambda choice: (-sizes[choice.index], choice.index))
    flagged = sorted((c for c in groups['good'] if c.false), key=lambda c: (-c.false, c.index))
    quiet = [choice for choice in groups['good'] if not choice.false]
    groups['good'] = _interleave(flagged, quiet)
    quota = {'errors': -(-limit // 2), 'found': limit * 3 // 10, 'good': limit // 5}
    taken = {kind: min(len(group), quota[kind]) for kind, group in groups.items()}
    for kind, group in groups.items():
        taken[kind] += min(len(group) - taken[kind], max(0, limit - sum(taken.values())))
    return [choice for kind, group in groups.items() for choice in group[: taken[kind]]]


def _interleave(first: list[Choice], second: list[Choice]) -> list[Choice]:
    pairs = min(len(first), len(second))
    mixed = [choice for pair in zip(first, second, strict=False) for choice in pair]
    return mixed + first[pairs:] + second[pairs:]


def picture_entry(
    image: EvaluatedImage,
    match: npt.NDArray[np.int64],
    picture: Picture,
    min_score: float = EVALUATION_MIN_SCORE,
) -> dict[str, Any]:
    """Describe one image for the page: picture, boxes, and what matched what.

    Args:
        image (EvaluatedImage): The image.
        match (np.ndarray): What ``match_image`` gave for it, int64, shape (detections,).
        picture (Picture): Its pixels, or why there are none.
        min_score (float): Detections below are left out, 0 to 1. Default
            ``EVALUATION_MIN_SCORE``.

    Returns:
        dict[str, Any]: JSON-ready; ``picture`` is a data URI or None, then ``problem`` says why.

    Example:
        >>> image = EvaluatedImage(path='none/a.png', width=9, height=9, ground_truth=[],
        ...     detections=[])
        >>> entry = picture_entry(image, np.zeros(0, np.int64), Picture(None, 'no file'))
        >>> entry['name'], entry['problem']
        ('none/a.png', 'no file')
    """
    return {
        'name': short_name(image.path),
        'width': image.width,
        'height': image.height,
        'picture': picture.uri,
        'problem': picture.problem,
        'truth': [
            [*(round(value, 1) for value in row[:4]), *row[4:]] for row in image.ground_truth
        ],
        'found': [
            [*(round(value, 1) for value in row[:4]), row[4], round(row[5], SCORE_DECIMALS), hit]
            for row, hit in sorted(
                zip(image.detections, match.tolist(), strict=True), key=lambda pair: pair[0][5]
            )
            if round(row[5], SCORE_DECIMALS) >= min_score
        ],
    }


def short_name(path: str) -> str:
    r"""The last two parts of a path, with either kind of separator.

    Args:
        path (str): Image file; the evaluation may come from another machine.

    Returns:
        str: Folder and file name.

    Example:
        >>> short_name(r'C:\data\images\a.png')
        'images/a.png'
    """
    return '/'.join(path.replace('\\', '/').rsplit('/', 2)[-2:])
