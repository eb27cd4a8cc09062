"""Masks found in tiles, as run lengths of the whole image."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco_mask

__all__ = ['encode_tile_masks', 'unite_masks']


def encode_tile_masks(
    masks: npt.NDArray[np.bool_],
    tile: npt.NDArray[np.integer],
    image_shape: tuple[int, int],
) -> list[dict[str, Any]]:
    """Encode masks of a tile in the frame of the image, which is never filled.

    Args:
        masks (np.ndarray): N masks, shape (N, h, w), stretched over the tile; nearest neighbour
            where it has another size.
        tile (np.ndarray): Where the tile lies, ``xyxy`` in pixels, shape (4,); what lies beyond
            the image is cut off.
        image_shape (tuple[int, int]): Height and width of the image in pixels.

    Returns:
        list[dict]: N compressed COCO run lengths, ``size`` (h, w) and ``counts``.

    Example:
        >>> rle = encode_tile_masks(np.ones((1, 2, 2), bool), np.array([3, 1, 5, 3]), (3, 6))[0]
        >>> coco_mask.decode(rle).tolist()
        [[0, 0, 0, 0, 0, 0], [0, 0, 0, 1, 1, 0], [0, 0, 0, 1, 1, 0]]
    """
    height, width = image_shape
    runs = []
    for mask in masks:
        crop, left, top = _place(mask, tile)
        crop = crop[: max(0, height - top), : max(0, width - left)]
        # Run lengths go down the columns. Where a run ends and the next one begins, at the foot
        # of a full column, both bounds fall out.
        padded = np.zeros((crop.shape[1], crop.shape[0] + 2), np.int8)
        padded[:, 1:-1] = crop.T
        column, row = np.nonzero(np.diff(padded, axis=1))
        bounds, times = np.unique((left + column) * height + top + row, return_counts=True)
        counts = np.diff(np.concatenate([[0], bounds[times == 1], [height * width]]))
        runs.append({'size': [height, width], 'counts': counts.tolist()})
    return coco_mask.frPyObjects(runs, height, width) if runs else []


def unite_masks(masks: list[dict[str, Any]]) -> dict[str, Any]:
    """Unite masks of one image.

    Args:
        masks (list[dict]): Compressed COCO run lengths, at least one.

    Returns:
        dict: Where any of them is set.

    Example:
        >>> left, right = encode_tile_masks(np.array([[[1, 0]], [[0, 1]]], bool),
        ...                                 np.array([0, 0, 2, 1]), (1, 2))
        >>> coco_mask.area(unite_masks([left, right])).item()
        2
    """
    return masks[0] if len(masks) == 1 else coco_mask.merge(masks)


def _place(
    mask: npt.NDArray[np.bool_], tile: npt.NDArray[np.integer]
) -> tuple[npt.NDArray[np.bool_], int, int]:
    """The part of a mask that holds anything, in pixels of the image, and where it begins."""
    x1, y1, x2, y2 = (int(side) for side in tile)
    if mask.shape != (y2 - y1, x2 - x1):
        stretched = cv2.resize(
            mask.astype(np.uint8), (x2 - x1, y2 - y1), interpolation=cv2.INTER_NEAREST
        )
        mask = stretched.astype(bool)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return mask[:0, :0], x1, y1
    top, left = int(rows[0]), int(columns[0])
    return mask[top : rows[-1] + 1, left : columns[-1] + 1], x1 + left, y1 + top
