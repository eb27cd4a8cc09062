"""What the data sets of a config hold, before and after their filters."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from mmdefect.engine.check.findings import Finding

__all__ = ['DataFlow', 'count_data', 'labels_of', 'leaves']


@dataclass
class DataFlow:
    """What one data set holds and what of it arrives at the model.

    Args:
        name (str): ``train``, ``val`` or ``test``, and the part of a concatenated data set.
        images (int): Images that are used, after ``filter_cfg`` and ``indices``.
        good (int): Those without a box that counts.
        images_before (int): Images before ``filter_cfg``.
        good_before (int): Good ones before ``filter_cfg``.
        boxes (dict[str, int]): Boxes that are used, per class.
        densest (int): Boxes of the image that has most.
        labelled (bool): False for the unlabelled part of a semi-supervised data set.
        good_tried (int): Good images that went through the pipeline.
        good_arrived (int): Those of them that came out of it.
        marked_tried (int): Images with boxes that went through the pipeline.
        marked_arrived (int): Those that came out with a box.
        boxes_tried (int): Boxes of the images that went through.
        boxes_arrived (int): Boxes that came out.
        seconds_per_image (float | None): Median time of the pipeline for one image.

    Example:
        >>> DataFlow('train', 8, 2, 8, 2, {'rust': 9}, 3).lost_by_filter
        0
    """

    name: str
    images: int
    good: int
    images_before: int
    good_before: int
    boxes: dict[str, int]
    densest: int
    labelled: bool = True
    good_tried: int = 0
    good_arrived: int = 0
    marked_tried: int = 0
    marked_arrived: int = 0
    boxes_tried: int = 0
    boxes_arrived: int = 0
    seconds_per_image: float | None = None
    findings: list[Finding] = field(default_factory=list)

    @property
    def lost_by_filter(self) -> int:
        """Good images that ``filter_cfg`` drops."""
        return self.good_before - self.good

    def to_dict(self) -> dict[str, Any]:
        """Give the counts as JSON-serialisable values.

        Returns:
            dict[str, Any]: The fields without the findings.
        """
        values = asdict(self)
        del values['findings']
        return values


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


def count_data(dataset: Any, name: str) -> DataFlow | None:
    """Count what a data set holds before and after its filter.

    Args:
        dataset (Dataset): A data set that reads annotations.
        name (str): What to call it.

    Returns:
        DataFlow | None: The counts; None where it is not a data set of MMEngine.

    Example:
        >>> count_data(range(3), 'train') is None
        True
    """
    if not hasattr(dataset, 'get_data_info') or not hasattr(dataset, 'metainfo'):
        return None
    classes = [str(value) for value in dataset.metainfo.get('classes') or ()]
    counts = np.zeros(len(classes), np.int64)
    good = densest = 0
    for index in range(len(dataset)):
        labels = labels_of(dataset.get_data_info(index))
        good += not labels
        densest = max(densest, len(labels))
        counts += np.bincount(labels, minlength=len(classes))[: len(classes)] if labels else 0
    before = _before_filter(dataset)
    return DataFlow(
        name=name,
        images=len(dataset),
        good=good,
        images_before=len(dataset) if before is None else len(before),
        good_before=good if before is None else sum(not labels_of(info) for info in before),
        boxes={key: int(count) for key, count in zip(classes, counts, strict=True)},
        densest=densest,
        labelled=not _is_unlabelled(dataset),
    )


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


def _before_filter(dataset: Any) -> list[dict[str, Any]] | None:
    """All images that the annotations name; None where no filter is at work."""
    if not getattr(dataset, 'filter_cfg', None) or getattr(dataset, 'test_mode', False):
        return None
    if getattr(dataset, '_indices', None) is not None:
        return None
    return list(copy.copy(dataset).load_data_list())


def _is_unlabelled(dataset: Any) -> bool:
    steps = getattr(getattr(dataset, 'pipeline', None), 'transforms', ())
    return any(type(step).__name__ == 'LoadEmptyAnnotations' for step in steps)
