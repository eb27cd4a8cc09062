"""Data sets with what wraps them, and what that makes of sizes and boxes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mmdefect.engine.anchors.naming_key import naming_key
from mmdefect.engine.anchors.resizing import resize_images
from mmdefect.engine.anchors.tiling import tile_boxes

__all__ = ['SeenBoxes', 'dataset_chains', 'follow_chain']

# Wrappers that repeat, join or draw images and change none but by their pipeline.
_PLAIN = ('ClassBalancedDataset', 'ConcatDataset', 'MultiImageMixDataset', 'RepeatDataset')


def dataset_chains(
    dataset: Any, outer: Sequence[Mapping[str, Any]] = ()
) -> Iterator[Sequence[Mapping[str, Any]]]:
    """Find the data sets that read annotations, each with what wraps it.

    Args:
        dataset (Any): ``dataset`` of a loader's config.
        outer (Sequence[Mapping]): What wraps all of it. Default: nothing.

    Yields:
        Sequence[Mapping]: Configs of a data set and its wrappers, the outermost last.

    Example:
        >>> inner = dict(type='mmdefect.DefectDataset')
        >>> (chain,) = dataset_chains(dict(type='RepeatDataset', times=2, dataset=inner))
        >>> [item['type'] for item in chain]
        ['mmdefect.DefectDataset', 'RepeatDataset']
    """
    if not isinstance(dataset, Mapping):
        return
    inner = [dataset['dataset']] if 'dataset' in dataset else dataset.get('datasets')
    chain = (dataset, *outer)
    if inner is None:
        yield chain
        return
    for part in inner:
        yield from dataset_chains(part, chain)


@dataclass(frozen=True, eq=False)
class SeenBoxes:
    """Boxes as the model sees them.

    Args:
        boxes (np.ndarray): ``xyxy`` in pixels of the model, float32, shape (K, 4).
        rows (np.ndarray): Which annotated box each is, or is a part of, int64, shape (K,).
        owners (np.ndarray): Which view each lies on, int64, shape (K,).
        images (np.ndarray): Image of each view, int64, shape (V,); a view is an image or a tile.
        sizes (np.ndarray): ``(w, h)`` of each view in pixels, as if no crop cut it, int64,
            shape (V, 2).
        input_sizes (np.ndarray): The same with crops, int64, shape (V, 2).
        notes (list[str]): What was cut, or is not followed.

    Example:
        >>> row, size = np.zeros(1, np.int64), np.array([[4, 4]])
        >>> SeenBoxes(np.array([[0., 0, 2, 4]]), row, row, row, size, size, []).images
        array([0])
    """

    boxes: npt.NDArray[np.float32]
    rows: npt.NDArray[np.int64]
    owners: npt.NDArray[np.int64]
    images: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]
    input_sizes: npt.NDArray[np.int64]
    notes: list[str]


def follow_chain(
    chain: Sequence[Mapping[str, Any]],
    boxes: npt.NDArray[np.float32],
    owners: npt.NDArray[np.int64],
    sizes: npt.NDArray[np.int64],
    name: str,
    seed: int = 0,
) -> SeenBoxes:
    """Apply the pipelines and the tiles of a data set and its wrappers, from the inside out.

    Args:
        chain (Sequence[Mapping]): One of :func:`dataset_chains`.
        boxes (np.ndarray): Annotated boxes, ``xyxy`` in pixels, float32, shape (N, 4).
        owners (np.ndarray): Image of each, int64, ascending, shape (N,).
        sizes (np.ndarray): ``(w, h)`` of the images in pixels, int64, shape (M, 2).
        name (str): The config file, for messages.
        seed (int): Seed of scales and crops that are drawn. Default 0.

    Returns:
        SeenBoxes: The boxes, or parts of boxes, with their views.

    Raises:
        InputError: A step or a wrapper has keys or values that it refuses.

    Example:
        >>> tiled = dict(type='mmdefect.TiledDataset', size=(4, 4),
        ...              pipeline=[dict(type='Resize', scale_factor=2.0)])
        >>> seen = follow_chain([dict(type='mmdefect.DefectDataset'), tiled],
        ...     np.array([[5, 0, 7, 4]], np.float32), np.array([0]), np.array([[8, 4]]), 'c.py')
        >>> seen.boxes.tolist(), seen.sizes.tolist()
        ([[2.0, 0.0, 6.0, 8.0]], [[8, 8], [8, 8]])
    """
    rows, images = np.arange(len(boxes)), np.arange(len(sizes))
    placed: npt.NDArray[np.floating] = boxes
    inputs = sizes
    notes = []
    for dataset in chain:
        kind = str(dataset.get('type')).rpartition('.')[2]
        if kind == 'TiledDataset':
            with naming_key(name):
                tiled = tile_boxes(dataset, placed, owners, sizes)
            placed, owners, sizes = tiled.boxes, tiled.owners, tiled.sizes
            rows, images, inputs = rows[tiled.rows], images[tiled.images], sizes
            notes.append(tiled.note)
        elif dataset is not chain[0] and kind not in _PLAIN:
            notes.append(f'{kind} around the data set: not followed but for its pipeline')
        resized = resize_images(dataset.get('pipeline'), inputs, seed, name)
        placed = placed * np.tile(resized.factors, 2)[owners]
        sizes = np.rint(sizes * resized.factors).astype(np.int64)
        inputs = resized.sizes
        if resized.not_followed:
            notes.append(
                f'{", ".join(resized.not_followed)} in the pipeline: changes sizes or places of '
                'boxes in a way that is not followed here'
            )
        if resized.cuts:
            notes.append(
                f'{", ".join(resized.cuts)} in the pipeline: boxes are taken on whole images, as '
                'if no crop cut them'
            )
    return SeenBoxes(placed.astype(np.float32), rows, owners, images, sizes, inputs, notes)
