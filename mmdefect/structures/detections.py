"""What a model finds in an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ['Detections', 'InspectedImage']


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """What a model detects in one image.

    Args:
        boxes (NDArray[np.float32]): ``xyxy`` in pixels of the upright image, shape (N, 4).
        labels (NDArray[np.int64]): Class indices of the model, shape (N,).
        scores (NDArray[np.float32]): 0 to 1, shape (N,), falling.
        masks (tuple[dict, ...] | None): N masks of the whole image as compressed COCO run
            lengths, ``size`` (h, w) and ``counts`` (bytes), which ``pycocotools.mask.decode``
            reads. Default None: the model has none.

    Example:
        >>> empty = np.zeros((0, 4), np.float32)
        >>> len(Detections(empty, np.zeros(0, np.int64), np.zeros(0, np.float32)))
        0
    """

    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    scores: NDArray[np.float32]
    masks: tuple[dict[str, Any], ...] | None = None

    def __len__(self) -> int:
        """Number of detections."""
        return len(self.scores)


@dataclass(frozen=True, slots=True, eq=False)
class InspectedImage:
    """One image after its tiles have been looked at.

    Args:
        source (str): Path as given; ``image 3`` for the third array.
        width (int): Pixels, upright; 0 where the image cannot be read.
        height (int): Likewise.
        tiles (int): Number of tiles that the model has seen, the whole image as one included.
        detections (Detections): What was found; nothing where there is an error.
        error (str | None): Why the image could not be inspected. Default None: it was.

    Example:
        >>> nothing = Detections(np.zeros((0, 4), np.float32), np.zeros(0, int), np.zeros(0))
        >>> InspectedImage('a.png', 0, 0, 0, nothing, 'a.png: image file is missing').error
        'a.png: image file is missing'
    """

    source: str
    width: int
    height: int
    tiles: int
    detections: Detections
    error: str | None = None
