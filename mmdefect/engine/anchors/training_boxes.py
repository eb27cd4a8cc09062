"""The boxes that a config trains on, as its model sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from mmengine.config import Config

from mmdefect.datasets.audit.sources import dataset_source
from mmdefect.datasets.audit.table import AuditTable, Track, read_table
from mmdefect.engine.anchors.data_chain import dataset_chains, follow_chain
from mmdefect.engine.anchors.naming_key import naming_key
from mmdefect.engine.anchors.resizing import pipeline_steps
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
        original (np.ndarray): The annotated boxes that they are, or are parts of, in the image
            files, ``xyxy``, float32, shape (N, 4).
        labels (np.ndarray): Class of each, int64, shape (N,).
        classes (list[str]): Class names.
        paths (list[Path]): File of each image of ``placed``; tiles of an image share it.
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
    """Read the training data of a config and apply its tiles and the resizing of its pipelines.

    Left out are images that ``filter_cfg`` or ``indices`` take away, unlabelled parts of
    semi-supervised data sets and ignored boxes; what reaches beyond the image is cut off, as
    :class:`mmdefect.datasets.DefectDataset` does. No image is loaded.

    Args:
        config (Config): Config of a detector.
        name (str): Its file, for messages.
        seed (int): Seed of scales drawn by the pipeline. Default 0.
        track (Callable | None): Shows progress. Default None.

    Returns:
        TrainingBoxes: The boxes.

    Raises:
        InputError: There are no training data, no box, a box is bad and the data set does not
            say ``on_error='drop'``, or the data set has a key that it refuses.

    Example:
        >>> read_training_boxes(Config(dict(model=dict())), 'c.py')
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: c.py: no training data in train_dataloader; give a config \
that trains
    """
    loader = config.get('train_dataloader') or {}
    chains = [chain for chain in dataset_chains(loader.get('dataset')) if _is_labelled(chain)]
    if not chains:
        raise InputError(f'{name}: no training data in train_dataloader; give a config that trains')
    stated = [(chain[0].get('metainfo') or {}).get('classes') for chain in chains]
    classes = [str(one) for one in next(filter(None, stated), ())]
    notes: list[str] = []
    parts = [_read(chain, name, classes, seed, notes, track) for chain in chains]
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
        left_out = f' ({"; ".join(notes)})' if notes else ''
        raise InputError(
            f'{name}: no box in the training data{left_out}; annotate some, or correct the config'
        )
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


def _is_labelled(chain: Sequence[Mapping[str, Any]]) -> bool:
    for dataset in chain:
        for kind, step in pipeline_steps(dataset.get('pipeline')):
            if kind == 'LoadEmptyAnnotations' or (kind == 'MultiBranch' and 'sup' not in step):
                return False
    return True


def _read(
    chain: Sequence[Mapping[str, Any]],
    name: str,
    classes: list[str],
    seed: int,
    notes: list[str],
    track: Track | None,
) -> tuple[Any, ...]:
    """Boxes, original boxes, labels, owners, sizes whole and as given, paths of a data set."""
    dataset = chain[0]
    table = read_table([dataset_source(dataset, 'train', name)], classes, track)
    if table.problems and dataset.get('on_error', 'raise') == 'raise':
        raise InputError(
            f'{table.problems[0][1]} ({len(table.problems)} such; correct them, or set '
            "on_error='drop' in the data set)"
        )
    if table.problems:
        notes.append(f'{len(table.problems)} bad boxes or images left out: {table.problems[0][1]}')
    notes.extend(note for _, note in table.notes)
    if dataset.get('single_class'):
        if len(classes) != 1:
            raise InputError(
                f'{name}: single_class needs one name in metainfo.classes, got {classes}'
            )
        table.labels = np.zeros_like(table.labels)
    elif not classes:
        classes += table.classes
    with naming_key(f'{name}: {dataset.get("type")}'):
        used = _used_images(dataset, table, notes)
    limits = np.tile(table.sizes, 2)[table.owners]
    original = np.clip(table.boxes, 0, limits).astype(np.float32)
    inside = (original[:, 2:] > original[:, :2]).all(axis=1)
    known = table.labels < len(classes)
    if not known.all():
        others = ', '.join(table.classes[len(classes) :])
        notes.append(f'{(~known).sum()} boxes of classes that metainfo lacks left out: {others}')
    if not inside.all():
        notes.append(f'{(~inside).sum()} boxes outside their images left out')
    kept = known & inside & ~table.ignored & used[table.owners]
    original = original[kept]
    owners = (np.cumsum(used) - 1)[table.owners[kept]]
    seen = follow_chain(chain, original, owners, table.sizes[used], name, seed)
    notes.extend(seen.notes)
    paths = list(compress(table.paths, used))
    return (
        seen.boxes,
        original[seen.rows],
        table.labels[kept].astype(np.int64)[seen.rows],
        seen.owners,
        seen.sizes,
        seen.input_sizes,
        [paths[image] for image in seen.images.tolist()],
    )


def _used_images(
    dataset: Mapping[str, Any], table: AuditTable, notes: list[str]
) -> npt.NDArray[np.bool_]:
    """Images that ``filter_cfg`` and ``indices`` leave, as MMEngine applies them."""
    used = np.ones(len(table), bool)
    rules, indices = dataset.get('filter_cfg') or {}, dataset.get('indices')
    if str(dataset.get('type')).endswith('MultiViewDataset'):
        if rules or indices is not None:
            notes.append(
                'filter_cfg and indices of MultiViewDataset: not followed, all parts taken'
            )
        return used
    if rules and not dataset.get('test_mode'):
        used &= table.sizes.min(axis=1) >= rules.get('min_size', 0)
        if rules.get('filter_empty_gt'):
            used &= np.bincount(table.owners[~table.ignored], minlength=len(table)) > 0
    if indices is None:
        return used
    rows = np.flatnonzero(used)
    if isinstance(indices, int):
        chosen = rows[:indices] if indices >= 0 else rows[indices:]
    else:
        chosen = rows[np.array(indices, np.int64)]
    return np.isin(np.arange(len(table)), chosen)


def _padded(config: Config, sizes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    # The preprocessor may lie in a detector inside another.
    found = nodes(config.model, 'model')
    divisors = [node['pad_size_divisor'] for _, node in found if 'pad_size_divisor' in node]
    divisor = int(divisors[0]) if divisors else 1
    return -(-sizes // divisor) * divisor
