"""The images of a page: named first, then read and embedded, each of them once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mmdefect.report.evaluation import EvaluatedImage
from mmdefect.report.pictures import (
    Picture,
    Track,
    Window,
    crop_window,
    embed_pictures,
    untracked,
)

__all__ = ['Album']


class Album:
    """Collects which images a page shows and where it looks closely, then embeds them.

    Args:
        images (Sequence[EvaluatedImage]): All images.

    Example:
        >>> image = EvaluatedImage(path='none.png', width=9, height=9, ground_truth=[],
        ...     detections=[])
        >>> album = Album([image])
        >>> album.add(0, (0, 0, 4, 4))
        >>> album.embed()
        >>> album.place(0, (0, 0, 4, 4))
        {'picture': 0, 'view': (0, 0, 9, 9), 'crop': None}
    """

    def __init__(self, images: Sequence[EvaluatedImage]) -> None:
        self._images = images
        self._windows: dict[int, list[Window]] = {}
        self._pictures: dict[int, Picture] = {}
        self._numbers: dict[int, int] = {}
        self._crop_numbers: dict[tuple[int, Window], int] = {}
        self.crops: list[str] = []

    def add(self, index: int, box: Sequence[float] | None = None) -> None:
        """Show an image and, where a box is given, a crop around it.

        Args:
            index (int): Position of the image, from 0.
            box (Sequence[float] | None): ``(x1, y1, x2, y2)`` in pixels. Default None.
        """
        windows = self._windows.setdefault(index, [])
        if box is not None and (window := self._window(index, box)) not in windows:
            windows.append(window)

    def embed(self, track: Track = untracked) -> None:
        """Read and embed everything added so far.

        Args:
            track (Track): Shows the progress. Default :func:`untracked`.
        """
        self._pictures = embed_pictures(self._images, self._windows, track)
        self._numbers = {index: number for number, index in enumerate(self._pictures)}
        for index, picture in self._pictures.items():
            for window, uri in picture.crops.items():
                self._crop_numbers[index, window] = len(self.crops)
                self.crops.append(uri)

    def __iter__(self) -> Iterator[tuple[int, Picture]]:
        """Positions and pictures in the order of their numbers in the page."""
        return iter(self._pictures.items())

    def number(self, index: int) -> int:
        """Which picture of the page an image is.

        Args:
            index (int): Position of the image, from 0.

        Returns:
            int: Number in the page, from 0.
        """
        return self._numbers[index]

    def place(self, index: int, box: Sequence[float]) -> dict[str, Any]:
        """Where a box is to be seen.

        Args:
            index (int): Position of the image, from 0.
            box (Sequence[float]): A box that was added, in pixels.

        Returns:
            dict[str, Any]: ``picture``, its number; ``view``, the window ``(x1, y1, x2, y2)`` in
            pixels; ``crop``, the number of its crop, None when the image could not be read.
        """
        view = self._window(index, box)
        return {
            'picture': self._numbers[index],
            'view': view,
            'crop': self._crop_numbers.get((index, view)),
        }

    def _window(self, index: int, box: Sequence[float]) -> Window:
        image = self._images[index]
        return crop_window(box, (image.width, image.height))
