"""What the data sets of a config hold, before and after their filters."""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from mmdefect.datasets.labelled_boxes import is_unlabelled, labels_of
from mmdefect.engine.check.findings import Finding

__all__ = ['DataFlow', 'count_data']


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
        densest (int): Boxes of the image that has most, of a part of the view that has most.
        labelled (bool): False for the unlabelled part of a semi-supervised data set.
        item (str): What is counted: ``image``, or ``part`` where an item has several views.
            Default ``image``.
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
    item: str = 'image'
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
    item = 'image'
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        labels = labels_of(info)
        good += not labels
        item = 'part' if 'views' in info else item
        densest = max(densest, *(len(labels_of(view)) for view in info.get('views', [info])))
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
        labelled=not is_unlabelled(dataset),
        item=item,
    )


def _before_filter(dataset: Any) -> list[dict[str, Any]] | None:
    """All images that the annotations name; None where no filter is at work."""
    if not getattr(dataset, 'filter_cfg', None) or getattr(dataset, 'test_mode', False):
        return None
    if getattr(dataset, '_indices', None) is not None:
        return None
    return list(copy.copy(dataset).load_data_list())
