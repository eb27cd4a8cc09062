"""Which images a report shows, and how they get into it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from mmdefect.datasets.images import read_image
from mmdefect.errors import InputError
from mmdefect.report.evaluation import EvaluatedImage
from mmdefect.report.matching import SCORE_DECIMALS, UNMATCHED
from mmdefect.structures import EVALUATION_MIN_SCORE

__all__ = ['Choice', 'choose_images', 'gallery_entry', 'load_picture']

_LONG_SIDE = 480
_JPEG_QUALITY = 80


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
        counts = match[scores.round(SCORE_DECIMALS) >= threshold]
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


def gallery_entry(
    image: EvaluatedImage,
    match: npt.NDArray[np.int64],
    choice: Choice,
    min_score: float = EVALUATION_MIN_SCORE,
) -> dict[str, Any]:
    """Describe one image for the page: picture, boxes, and what matched what.

    Args:
        image (EvaluatedImage): The image.
        match (np.ndarray): What ``match_image`` gave for it, int64, shape (detections,).
        choice (Choice): Its place in the gallery.
        min_score (float): Detections below are left out, 0 to 1. Default
            ``EVALUATION_MIN_SCORE``.

    Returns:
        dict[str, Any]: JSON-ready; ``picture`` is a data URI or None, then ``problem`` says why.

    Example:
        >>> image = EvaluatedImage(path='none/a.png', width=9, height=9, ground_truth=[],
        ...     detections=[])
        >>> entry = gallery_entry(image, np.zeros(0, np.int64), Choice(0, 'good', 0, 0))
        >>> entry['name'], entry['problem']
        ('none/a.png', 'image file not found')
    """
    picture, problem = load_picture(Path(image.path), (image.width, image.height))
    # Both kinds of separator: the evaluation may come from another machine.
    name = '/'.join(image.path.replace('\\', '/').rsplit('/', 2)[-2:])
    return {
        'name': name,
        'kind': choice.kind,
        'width': image.width,
        'height': image.height,
        'picture': picture,
        'problem': problem,
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


def load_picture(path: Path, size: tuple[int, int]) -> tuple[str | None, str | None]:
    """Read an image as the dataset does and shrink it to a small JPEG.

    Grey values above 8 bits are scaled by the smallest of 10, 12, 14 and 16 bits that holds the
    brightest pixel: good enough to look at, never to compute with.

    Args:
        path (Path): Image file.
        size (tuple[int, int]): ``(w, h)`` in pixels that the boxes refer to.

    Returns:
        tuple[str | None, str | None]: A ``data:image/jpeg`` URI and None, or None and what is
        wrong in words.

    Example:
        >>> load_picture(Path('none.png'), (4, 4))
        (None, 'image file not found')
    """
    if not path.is_file():
        return None, 'image file not found'
    try:
        pixels = read_image(path)
    except InputError as error:
        return None, str(error).removeprefix(f'{path}: ')
    height, width = pixels.shape[:2]
    if (width, height) != size:
        return None, (
            f'image file is now {width} x {height} pixels, evaluated were {size[0]} x {size[1]}'
        )
    if pixels.dtype != np.uint8:
        pixels = _to_8_bits(pixels)
    scale = _LONG_SIDE / max(width, height)
    if scale < 1:
        smaller = (max(1, round(width * scale)), max(1, round(height * scale)))
        pixels = cv2.resize(pixels, smaller, interpolation=cv2.INTER_AREA)
    code = cv2.imencode('.jpg', pixels, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1]
    return 'data:image/jpeg;base64,' + base64.b64encode(code.tobytes()).decode('ascii'), None


def _to_8_bits(pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """From the 0..255 of 16 bits to that of the fewest bits that hold the brightest pixel."""
    brightest = round(float(pixels.max(initial=0)) * 65535 / 255)
    limit = next(2**bits - 1 for bits in (10, 12, 14, 16) if brightest < 2**bits)
    return np.rint(pixels * np.float32(65535 / limit)).astype(np.uint8)
