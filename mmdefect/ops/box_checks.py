"""Checks of boxes, scores and labels that several operators share."""

from __future__ import annotations

from torch import Tensor

__all__ = ['check_boxes', 'check_labels', 'check_metric']

_METRICS = ('iou', 'ios')


def check_boxes(boxes: Tensor, scores: Tensor) -> None:
    """Refuse boxes and scores that no operator can read.

    Args:
        boxes (Tensor): Boxes ``x1, y1, x2, y2``, floating point, finite, shape (N, 4).
        scores (Tensor): Scores, floating point, finite, shape (N,), on the same device.

    Raises:
        ValueError: Wrong type, shape or device, or a value that is not finite.

    Example:
        >>> import torch
        >>> check_boxes(torch.zeros(2, 4), torch.tensor([0.5, float('nan')]))
        Traceback (most recent call last):
        ...
        ValueError: scores must be finite, got nan at index 1
    """
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f'boxes must be of shape (N, 4), got {tuple(boxes.shape)}')
    if scores.shape != boxes.shape[:1]:
        raise ValueError(f'scores must be of shape ({len(boxes)},), got {tuple(scores.shape)}')
    if scores.device != boxes.device:
        raise ValueError(f'scores must be on {boxes.device} as boxes are, got {scores.device}')
    for name, values in (('boxes', boxes), ('scores', scores)):
        if not values.is_floating_point():
            raise ValueError(f'{name} must be floating point, got {values.dtype}')
        finite = values.isfinite()
        if not finite.all():
            row = int((~finite).nonzero()[0, 0])
            raise ValueError(f'{name} must be finite, got {values[row].tolist()} at index {row}')


def check_labels(labels: Tensor, boxes: Tensor, name: str = 'labels') -> None:
    """Refuse labels that are no class numbers.

    Args:
        labels (Tensor): Class of each box, integers >= 0, shape (N,), on the device of the boxes.
        boxes (Tensor): Boxes, shape (N, 4).
        name (str): Name of the argument in messages. Default ``'labels'``.

    Raises:
        ValueError: Wrong type, shape or device, or a negative label.

    Example:
        >>> import torch
        >>> check_labels(torch.tensor([0, -1]), torch.zeros(2, 4))
        Traceback (most recent call last):
        ...
        ValueError: labels must be >= 0, got -1 at index 1
    """
    if labels.shape != boxes.shape[:1]:
        raise ValueError(f'{name} must be of shape ({len(boxes)},), got {tuple(labels.shape)}')
    if labels.is_floating_point() or labels.is_complex():
        raise ValueError(f'{name} must be integers, got {labels.dtype}')
    if labels.device != boxes.device:
        raise ValueError(f'{name} must be on {boxes.device} as boxes are, got {labels.device}')
    negative = labels < 0
    if negative.any():
        row = int(negative.nonzero()[0, 0])
        raise ValueError(f'{name} must be >= 0, got {int(labels[row])} at index {row}')


def check_metric(metric: str) -> None:
    """Refuse the name of an overlap that no operator knows.

    Args:
        metric (str): ``'iou'`` or ``'ios'``.

    Raises:
        ValueError: Another one.

    Example:
        >>> check_metric('giou')
        Traceback (most recent call last):
        ...
        ValueError: metric must be one of iou, ios, got 'giou'
    """
    if metric not in _METRICS:
        raise ValueError(f'metric must be one of {", ".join(_METRICS)}, got {metric!r}')
