"""Image files as they get into a page: small, each of them once, and crops of original pixels."""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from mmdefect.datasets.images import read_image
from mmdefect.errors import InputError
from mmdefect.report.evaluation import EvaluatedImage

__all__ = [
    'Picture',
    'Track',
    'Window',
    'crop_window',
    'embed_pictures',
    'encode_picture',
    'pixels_to_show',
    'untracked',
]

T = TypeVar('T')
# x1, y1, x2, y2 in whole pixels, inside the image.
Window = tuple[int, int, int, int]

_PICTURE_SIDE = 480
_CROP_SIDE = 160
_QUALITY = 75
# Pixels of surroundings that even the smallest box gets on each side.
_LEAST_MARGIN = 12


class Track(Protocol):
    """Shows how far work is while it goes through an iterable, as the commands do."""

    def __call__(self, iterable: Iterable[T], description: str) -> Iterable[T]:
        """Yield the items of the iterable, in order."""


def untracked(iterable: Iterable[T], description: str) -> Iterable[T]:
    """Show nothing.

    Args:
        iterable (Iterable[T]): What to go through.
        description (str): What is being done; not used.

    Returns:
        Iterable[T]: The iterable itself.

    Example:
        >>> untracked([1, 2], 'pictures')
        [1, 2]
    """
    return iterable


@dataclass(frozen=True, slots=True)
class Picture:
    """One image of a page, embedded once however often the page shows it.

    Args:
        uri (str | None): Data URI of the whole image; None when it could not be read.
        problem (str | None): Why it could not be read, else None.
        crops (dict[Window, str]): Data URI of every window asked for; empty when the image could
            not be read. Default empty.

    Example:
        >>> Picture(None, 'image file not found').crops
        {}
    """

    uri: str | None
    problem: str | None
    crops: dict[Window, str] = field(default_factory=dict)


def embed_pictures(
    images: Sequence[EvaluatedImage],
    windows: Mapping[int, Collection[Window]],
    track: Track = untracked,
) -> dict[int, Picture]:
    """Read every image that a page needs once, and embed it and the crops cut out of it.

    One image is in memory at a time, besides what is embedded.

    Args:
        images (Sequence[EvaluatedImage]): All images.
        windows (Mapping[int, Collection[Window]]): Per index of a needed image the windows to cut
            out of its original pixels; may be none.
        track (Track): Shows the progress. Default :func:`untracked`.

    Returns:
        dict[int, Picture]: The picture of each needed image, by rising index.

    Example:
        >>> image = EvaluatedImage(path='none.png', width=9, height=9, ground_truth=[],
        ...     detections=[])
        >>> embed_pictures([image], {0: [(0, 0, 9, 9)]})[0].problem
        'image file not found'
    """
    pictures = {}
    for index in track(sorted(windows), 'pictures'):
        image = images[index]
        pixels, problem = pixels_to_show(Path(image.path), (image.width, image.height))
        if pixels is None:
            pictures[index] = Picture(None, problem)
            continue
        crops = {}
        for window in windows[index]:
            x1, y1, x2, y2 = window
            crops[window] = encode_picture(pixels[y1:y2, x1:x2], _CROP_SIDE)
        pictures[index] = Picture(encode_picture(pixels), None, crops)
    return pictures


def pixels_to_show(
    path: Path, size: tuple[int, int]
) -> tuple[npt.NDArray[np.uint8] | None, str | None]:
    """Read an image as the dataset does, in 8 bits.

    Grey values above 8 bits are scaled by the smallest of 10, 12, 14 and 16 bits that holds the
    brightest pixel: good enough to look at, never to compute with.

    Args:
        path (Path): Image file.
        size (tuple[int, int]): ``(w, h)`` in pixels that the boxes refer to.

    Returns:
        tuple[np.ndarray | None, str | None]: BGR pixels, uint8, shape (h, w, 3), and None; or
        None and what is wrong in words.

    Example:
        >>> pixels_to_show(Path('none.png'), (4, 4))
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
    return (pixels if pixels.dtype == np.uint8 else _to_8_bits(pixels)), None


def _to_8_bits(pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """From the 0..255 of 16 bits to that of the fewest bits that hold the brightest pixel."""
    brightest = round(float(pixels.max(initial=0)) * 65535 / 255)
    limit = next(2**bits - 1 for bits in (10, 12, 14, 16) if brightest < 2**bits)
    return np.rint(pixels * np.float32(65535 / limit)).astype(np.uint8)


def encode_picture(pixels: npt.NDArray[np.uint8], long_side: int = _PICTURE_SIDE) -> str:
    """Shrink an image, never enlarge it, and put it into a WebP data URI.

    Args:
        pixels (np.ndarray): BGR, uint8, shape (h, w, 3).
        long_side (int): Pixels of the longer side at most. Default 480.

    Returns:
        str: ``data:image/webp;base64,...``

    Example:
        >>> encode_picture(np.zeros((2, 3, 3), np.uint8))[:23]
        'data:image/webp;base64,'
    """
    shown: npt.NDArray[Any] = pixels
    height, width = pixels.shape[:2]
    scale = long_side / max(width, height)
    if scale < 1:
        smaller = (max(1, round(width * scale)), max(1, round(height * scale)))
        shown = cv2.resize(pixels, smaller, interpolation=cv2.INTER_AREA)
    code = cv2.imencode('.webp', shown, [cv2.IMWRITE_WEBP_QUALITY, _QUALITY])[1]
    return 'data:image/webp;base64,' + base64.b64encode(code.tobytes()).decode('ascii')


def crop_window(box: Sequence[float], size: tuple[int, int]) -> Window:
    """Choose what part of an image to show around a box.

    The window holds the part of the box inside the image with a quarter of the box's mean side,
    at least 12 pixels, around it. Its shorter side is at least half as long as its longer one.
    Near a border it is moved, not cut, as long as it fits into the image.

    Args:
        box (Sequence[float]): ``(x1, y1, x2, y2)`` in pixels.
        size (tuple[int, int]): ``(w, h)`` of the image in pixels.

    Returns:
        tuple[int, int, int, int]: ``(x1, y1, x2, y2)`` in whole pixels inside the image.

    Example:
        >>> crop_window((40, 40, 60, 50), (200, 100))
        (28, 28, 72, 62)
        >>> crop_window((0, 0, 20, 10), (200, 100))
        (0, 0, 44, 34)
    """
    # A box outside the image shows the border nearest to it.
    low = [min(max(box[axis], 0), size[axis] - 1) for axis in (0, 1)]
    high = [min(max(box[axis + 2], low[axis] + 1), size[axis]) for axis in (0, 1)]
    sides = [high[axis] - low[axis] for axis in (0, 1)]
    margin = max(_LEAST_MARGIN, 0.25 * (sides[0] * sides[1]) ** 0.5)
    lengths = [side + 2 * margin for side in sides]
    lengths = [max(length, max(lengths) / 2) for length in lengths]
    starts, ends = [], []
    for axis in (0, 1):
        length = min(round(lengths[axis]), size[axis])
        start = round((low[axis] + high[axis] - length) / 2)
        start = min(max(start, 0), size[axis] - length)
        starts.append(start)
        ends.append(start + length)
    return starts[0], starts[1], ends[0], ends[1]
