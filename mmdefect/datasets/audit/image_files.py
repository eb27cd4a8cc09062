"""What is inside the image files: each is decoded once, for everything the audit asks."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from mmdefect.datasets.audit.perceptual_hash import perceptual_hash, thumbnail
from mmdefect.datasets.images import decode_image, image_bytes
from mmdefect.errors import InputError

__all__ = ['ImageFacts', 'inspect_image', 'inspect_images']

# Files in work per thread: keeps the threads busy and the memory bounded.
_AHEAD = 4
# Grey in three channels: every 4th pixel per axis is looked at; JPEG may part them by 2.
_SAMPLE, _ROUNDED = 4, 2


@dataclass(frozen=True, slots=True, eq=False)
class ImageFacts:
    """What one image file holds. About 1.3 kB, most of it the thumbnail.

    Args:
        problem (str): Why it cannot be decoded; empty when it can. Then nothing else is known.
            Default empty.
        size (tuple[int, int]): ``(w, h)`` in pixels, upright.
        file_format (str): Such as ``JPEG``.
        channels (int): 1 or 3, as stored.
        grey (bool): Shows grey only: one channel, or three that are equal.
        alpha (bool): The file has transparency.
        orientation (int): EXIF orientation, 1 to 8.
        deep (bool): 16 bits per value.
        largest (int): Largest value of a deep image; 0 of others.
        deviation (float): Standard deviation of the grey values, of 255.
        content (int): Equal for files with equal bytes.
        look (int): Perceptual hash.
        small (np.ndarray): Thumbnail, uint8, shape (32, 32).

    Example:
        >>> ImageFacts('the file is empty').size
        (0, 0)
    """

    problem: str = ''
    size: tuple[int, int] = (0, 0)
    file_format: str = ''
    channels: int = 0
    grey: bool = False
    alpha: bool = False
    orientation: int = 1
    deep: bool = False
    largest: int = 0
    deviation: float = 0.0
    content: int = 0
    look: int = 0
    small: npt.NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, 0), np.uint8))


def inspect_image(path: Path) -> ImageFacts:
    """Decode an image file and note what it holds.

    Args:
        path (Path): The file.

    Returns:
        ImageFacts: With ``problem`` set where it cannot be read or decoded.

    Example:
        >>> inspect_image(Path('none.png')).problem
        'image file is missing; check the path or remove its entry'
    """
    try:
        data = image_bytes(path)
        image = decode_image(data, path)
    except InputError as error:
        return ImageFacts(problem=str(error).removeprefix(f'{path}: '))
    pixels = image.pixels
    grey = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    deep = pixels.dtype == np.uint16
    largest = int(pixels.max(initial=0)) if deep else 0
    # Of a deep image the deviation is taken against what its camera can fill.
    scale = 255 / max(largest, 255) if deep else 1.0
    small = thumbnail(grey)
    return ImageFacts(
        size=(pixels.shape[1], pixels.shape[0]),
        file_format=image.file_format,
        channels=1 if pixels.ndim == 2 else 3,
        grey=pixels.ndim == 2 or _is_grey(pixels),
        alpha=image.alpha,
        orientation=image.orientation,
        deep=deep,
        largest=largest,
        deviation=float(cv2.meanStdDev(grey)[1].item()) * scale,
        content=int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), 'big'),
        look=perceptual_hash(small),
        small=small,
    )


def _is_grey(pixels: npt.NDArray[np.generic]) -> bool:
    """Whether the three channels are equal, but for what JPEG rounds away."""
    blue, green, red = cv2.split(np.ascontiguousarray(pixels[::_SAMPLE, ::_SAMPLE]))
    spread = cv2.max(cv2.absdiff(blue, green), cv2.absdiff(green, red))
    return int(spread.max()) <= _ROUNDED * (257 if pixels.dtype == np.uint16 else 1)


def inspect_images(paths: Iterable[Path], workers: int = 2) -> Iterator[ImageFacts]:
    """Inspect image files in threads; OpenCV and Pillow decode without the interpreter's lock.

    At most four images per thread are in memory.

    Args:
        paths (Iterable[Path]): The files.
        workers (int): Threads. Default 2.

    Yields:
        ImageFacts: In the order of the files.

    Raises:
        ValueError: ``workers`` is below 1.

    Example:
        >>> [bool(facts.problem) for facts in inspect_images([Path('none.png')])]
        [True]
    """
    if workers < 1:
        raise ValueError(f'workers must be 1 or more, got {workers}')
    remaining = iter(paths)
    with ThreadPoolExecutor(workers, thread_name_prefix='audit') as pool:
        waiting: deque[Future[ImageFacts]] = deque(
            pool.submit(inspect_image, path) for path in islice(remaining, workers * _AHEAD)
        )
        try:
            while waiting:
                yield waiting.popleft().result()
                waiting.extend(pool.submit(inspect_image, path) for path in islice(remaining, 1))
        finally:
            for future in waiting:
                future.cancel()
