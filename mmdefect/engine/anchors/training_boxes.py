"""The boxes that a config trains on, as its model sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from mmengine.config import Config

from mmdefect.datasets.audit.sources import dataset_configs, dataset_source
from mmdefect.datasets.audit.table import Track, read_table
from mmdefect.engine.anchors.resizing import pipeline_steps, resize_images
from mmdefect.engine.check.known_traps import nodes
from mmdefect.errors import InputError
from mmdefect.evaluation.anchors import PlacedBoxes

__all__ = ['TrainingBoxes', 'read_training_boxes']


@dataclass(frozen=True, eq=False)
class TrainingBoxes:
    """Boxes of the labelled training images.

    Args:
        placed (PlacedBoxes): The boxes on the resized and padded images.
        input_size (tuple[int, int]): Median ``(w, h)`` of what the model is given, pixels.
        original (np.ndarray): The same boxes in the image files, ``xyxy``, float32, shape (N, 4).
        labels (np.ndarray): Class of each, int64, shape (N,).
        classes (list[str]): Class names.
        paths (list[Path]): Image files.
        notes (list[str]): What was left out, or is not followed.

    Example:
        >>> none = np.zeros((0, 2), np.int64)
        >>> boxes = np.zeros((0, 4), np.float32)
        >>> placed = PlacedBoxes(boxes, np.zeros(0, np.int64), none, none)
        >>> TrainingBoxes(placed, (64, 64), boxes, np.zeros(0, np.int64), ['rust'], [], []).classes
        ['rust']
    """

    placed: PlacedBoxes
    input_size: tuple[int, int]
    original: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    classes: list[str]
    paths: list[Path]
    notes: list[str]


def read_training_boxes(
    config: Config, name: str, seed: int = 0, track: Track | None = None
) -> TrainingBoxes:
    """Read the training data of a config and apply the resizing of its pipeline.

    Unlabelled parts of semi-supervised data sets and ignored boxes are left out; what reaches
    beyond the image is cut off, as :class:`mmdefect.datasets.DefectDataset` does. No image is
    loaded.

    Args:
        config (Config): Config of a detector.
        name (str): Its file, for messages.
        seed (int): Seed of scales drawn by the pipeline. Default 0.
        track (Callable | None): Shows progress. Default None.

    Returns:
        TrainingBoxes: The boxes.

    Raises:
        InputError: There are no training data, no box, or a box is bad and the data set does not
            say ``on_error='drop'``.

    Example:
        >>> read_training_boxes(Config(dict(model=dict())), 'c.py')
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: c.py: no training data in train_dataloader; give a config \
that trains
    """
    loader = config.get('train_dataloader') or {}
    datasets = [item for item in dataset_configs(loader.get('dataset')) if _is_labelled(item)]
    if not datasets:
        raise InputError(f'{name}: no training data in train_dataloader; give a config that trains')
    stated = [(item.get('metainfo') or {}).get('classes') for item in datasets]
    classes = [str(one) for one in next(filter(None, stated), ())]
    notes: list[str] = []
    parts = [_read(item, name, classes, seed, notes, track) for item in datasets]
    boxes, original, labels, owners, sizes, inputs, paths = zip(*parts, strict=True)
    starts = np.cumsum([0, *(len(part) for part in sizes[:-1])])
    image_sizes = np.concatenate(sizes)
    placed = PlacedBoxes(
        np.concatenate(boxes),
        np.concatenate([part + start for part, start in zip(owners, starts, strict=True)]),
        image_sizes,
        _padded(config, image_sizes),
    )
    if not len(placed):
        raise InputError(f'{name}: no box in the training data; annotate some, or correct the path')
    seen = _padded(config, np.concatenate(inputs))
    return TrainingBoxes(
        placed,
        (int(np.median(seen[:, 0])), int(np.median(seen[:, 1]))),
        np.concatenate(original),
        np.concatenate(labels),
        classes,
        [path for part in paths for path in part],
        list(dict.fromkeys(notes)),
    )


def _is_labelled(dataset: Mapping[str, Any]) -> bool:
    for kind, step in pipeline_steps(dataset.get('pipeline')):
        if kind == 'LoadEmptyAnnotations' or (kind == 'MultiBranch' and 'sup' not in step):
            return False
    return True


def _read(
    dataset: Mapping[str, Any],
    name: str,
    classes: list[str],
    seed: int,
    notes: list[str],
    track: Track | None,
) -> tuple[Any, ...]:
    """Boxes, original boxes, labels, owners, sizes whole and as given, paths of a data set."""
    table = read_table([dataset_source(dataset, 'train', name)], classes, track)
    if table.problems and dataset.get('on_error', 'raise') == 'raise':
        raise InputError(
            f'{table.problems[0][1]} ({len(table.problems)} such; correct them, or set '
            "on_error='drop' in the data set)"
        )
    if table.problems:
        notes.append(f'{len(table.problems)} bad boxes or images left out: {table.problems[0][1]}')
    if not classes:
        classes += table.classes
    limits = np.tile(table.sizes, 2)[table.owners]
    original = np.clip(table.boxes, 0, limits).astype(np.float32)
    inside = (original[:, 2:] > original[:, :2]).all(axis=1)
    known = table.labels < len(classes)
    if not known.all():
        others = ', '.join(table.classes[len(classes) :])
        notes.append(f'{(~known).sum()} boxes of classes that metainfo lacks left out: {others}')
    if not inside.all():
        notes.append(f'{(~inside).sum()} boxes outside their images left out')
    kept = known & inside & ~table.ignored
    resized = resize_images(dataset.get('pipeline'), table.sizes, seed)
    if resized.not_followed:
        notes.append(
            f'{", ".join(resized.not_followed)} in the pipeline: changes sizes or places of boxes '
            'in a way that is not followed here'
        )
    if resized.cuts:
        notes.append(
            f'{", ".join(resized.cuts)} in the pipeline: boxes are taken on whole images, as if '
            'no crop cut them'
        )
    whole = np.rint(table.sizes * resized.factors).astype(np.int64) if resized.cuts else None
    owners = table.owners[kept]
    original = original[kept]
    return (
        (original * np.tile(resized.factors, 2)[owners]).astype(np.float32),
        original,
        table.labels[kept].astype(np.int64),
        owners,
        resized.sizes if whole is None else whole,
        resized.sizes,
        table.paths,
    )


def _padded(config: Config, sizes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    found = nodes(config.model.get('data_preprocessor'), '')
    divisors = [node['pad_size_divisor'] for _, node in found if 'pad_size_divisor' in node]
    divisor = int(divisors[0]) if divisors else 1
    return -(-sizes // divisor) * divisor
