"""From what a model returns for an image to its line of a results file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mmdefect.decision import ImageScores
from mmdefect.errors import InputError

__all__ = ['score_sample', 'shown_classes']

# Tiles of a classifier that are kept, the best, as many as detectors of MMDetection keep boxes.
_MOST_TILES = 100


def score_sample(
    sample: Any,
    classes: Sequence[str],
    sha256: str,
    *,
    labelled: bool = True,
    part: str | None = None,
) -> ImageScores:
    """Take truth, scores and boxes out of a data sample.

    The scores are the highest per class of ``pred_instances``, or ``pred_score`` (C,) of a
    classifier, whose boxes are then its best tiles. What an image shows is told by the meta key
    ``instances``, else by ``gt_instances``; ignored boxes do not count, and of an image that has
    no others nobody says whether it is good.

    Args:
        sample (BaseDataElement): Output of a model, with the meta key ``img_path``.
        classes (Sequence[str]): Class names by index.
        sha256 (str): Hash of the image file.
        labelled (bool): Whether the data set says what its images show. Default True.
        part (str | None): Part that the image shows. Default None.

    Returns:
        ImageScores: The line; boxes in pixels of the image, rounded to hundredths.

    Raises:
        InputError: A score is NaN or not from 0 to 1, the path is missing, or there are neither
            boxes nor scores.

    Example:
        >>> import torch
        >>> from mmengine.structures import BaseDataElement
        >>> sample = BaseDataElement(
        ...     metainfo=dict(img_path='a.png', instances=[]), pred_score=torch.tensor([0.25]))
        >>> score_sample(sample, ['rust'], 64 * '0').scores
        {'rust': 0.25}
    """
    path = sample.get('img_path')
    if path is None:
        raise InputError(
            "the meta key 'img_path' is not packed; pack with dict(type='mmdefect.PackInputs') or "
            'add it to meta_keys of PackDetInputs'
        )
    shown = shown_classes(sample) if labelled else None
    truth = None if shown is None else [classes[index] for index in shown]
    if sample.get('pred_instances') is not None:
        found = sample.pred_instances
        boxes, labels, scores = (_array(found[key]) for key in ('bboxes', 'labels', 'scores'))
        highest = None
    elif sample.get('pred_score') is not None:
        highest = _array(sample.pred_score)
        boxes, labels, scores = _best_tiles(sample.get('pred_tiles'))
    else:
        raise InputError(f'{path}: the model gives neither pred_instances nor pred_score')
    if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
        raise InputError(
            f'{path}: the model gives boxes or scores that are not finite; check its weights'
        )
    line = ImageScores.from_detections(
        str(path), sha256, classes, labels, scores, boxes=np.round(boxes.astype(float), 2),
        part=part, truth=truth,
    )  # fmt: skip
    if highest is None:
        return line
    whole = ImageScores.from_detections(
        str(path), sha256, classes, np.arange(len(highest)), highest, part=part, truth=truth
    )
    return whole.model_copy(update={'boxes': line.boxes})


def shown_classes(sample: Any) -> list[int] | None:
    """Say which classes an image shows.

    Args:
        sample (BaseDataElement | Mapping): With the meta key ``instances``, else ``gt_instances``.

    Returns:
        list[int]: Sorted, without those of ignored boxes; None if nobody says: there are neither
        or ignored boxes alone.

    Example:
        >>> shown_classes(dict(instances=[dict(bbox_label=1, ignore_flag=0)]))
        [1]
    """
    if (instances := sample.get('instances')) is not None:
        labels = [item['bbox_label'] for item in instances if not item.get('ignore_flag', 0)]
        ignored = len(instances) - len(labels)
    else:
        truth = sample.get('gt_instances')
        if truth is None or 'labels' not in truth:
            return None
        labels = _array(truth.labels).tolist()
        ignored = len(sample.get('ignored_instances') or ())
    return sorted({int(label) for label in labels}) if labels or not ignored else None


def _best_tiles(tiles: Any) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    if tiles is None:
        return np.zeros((0, 4)), np.zeros(0, int), np.zeros(0)
    scores = _array(tiles.scores)
    order = np.argsort(-scores, axis=None, kind='stable')[:_MOST_TILES]
    rows, labels = np.unravel_index(order, scores.shape)
    return _array(tiles.bboxes)[rows], labels, scores[rows, labels]


def _array(values: Any) -> npt.NDArray[Any]:
    values = getattr(values, 'tensor', values).detach().cpu()
    return np.asarray((values.float() if values.is_floating_point() else values).numpy())
