"""Boxes that data sets hold, below whatever wraps them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ['count_boxes', 'is_unlabelled', 'labels_of', 'leaves']


def leaves(dataset: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The data sets that read annotations, below whatever wraps them.

    Args:
        dataset (Dataset): A data set or a wrapper (``ConcatDataset``, ``RepeatDataset``, ...).
        name (str): What to call it.

    Yields:
        tuple[str, Dataset]: Name and data set.

    Example:
        >>> [name for name, _ in leaves(range(3), 'train')]
        ['train']
    """
    parts = getattr(dataset, 'datasets', None)
    inner = getattr(dataset, 'dataset', None)
    if isinstance(parts, (list, tuple)):
        for number, part in enumerate(parts, start=1):
            yield from leaves(part, f'{name} part {number}')
    elif inner is not None and hasattr(inner, '__len__'):
        yield from leaves(inner, name)
    else:
        yield name, dataset


def count_boxes(dataset: Any) -> dict[str, int]:
    """Count the boxes that a training learns from, without those of unlabelled images.

    Args:
        dataset (Dataset): A data set or a wrapper of several.

    Returns:
        dict[str, int]: Boxes that count, per class; empty where no part knows its classes.

    Example:
        >>> count_boxes(range(3))
        {}
    """
    counts: dict[str, int] = {}
    for _, part in leaves(dataset, ''):
        classes = (getattr(part, 'metainfo', None) or {}).get('classes') or ()
        if not hasattr(part, 'get_data_info'):
            continue
        for name in classes:
            counts.setdefault(str(name), 0)
        if is_unlabelled(part):
            continue
        for index in range(len(part)):
            for label in labels_of(part.get_data_info(index)):
                counts[str(classes[label])] += 1
    return counts


def labels_of(info: Mapping[str, Any]) -> list[int]:
    """Labels of the boxes of an image that count.

    Args:
        info (Mapping): What ``get_data_info`` says of the image.

    Returns:
        list[int]: Class indices; ignored boxes are left out.

    Example:
        >>> labels_of({'instances': [{'bbox_label': 2}, {'bbox_label': 1, 'ignore_flag': 1}]})
        [2]
    """
    return [
        int(item['bbox_label'])
        for item in info.get('instances') or ()
        if not item.get('ignore_flag', 0)
    ]


def is_unlabelled(dataset: Any) -> bool:
    """Say whether a data set is the unlabelled part of a semi-supervised one.

    Args:
        dataset (Dataset): A data set with a pipeline.

    Returns:
        bool: True if its pipeline loads no boxes, or sends images to branches none of which is
        ``sup``, whatever boxes the files name.

    Example:
        >>> is_unlabelled(range(3))
        False
    """
    steps = list(_steps(getattr(dataset, 'pipeline', None)))
    if any(type(step).__name__ == 'LoadEmptyAnnotations' for step in steps):
        return True
    branches = [set(step) for step in steps if isinstance(step, Mapping)]
    return bool(branches) and not any('sup' in names for names in branches)


def _steps(step: Any) -> Iterator[Any]:
    """The steps of a pipeline, those inside others too, and the branches of ``MultiBranch``."""
    inner = getattr(step, 'transforms', None)
    for part in getattr(inner, 'transforms', inner) or ():
        yield part
        yield from _steps(part)
    branches = getattr(step, 'branch_pipelines', None)
    if isinstance(branches, Mapping):
        yield branches
