"""Anchors, assigner and border rule of the head of a config."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import TASK_UTILS

from mmdefect.engine.anchors.naming_key import naming_key
from mmdefect.engine.check.known_traps import nodes
from mmdefect.errors import InputError
from mmdefect.evaluation.anchors import AnchorForm, AnchorSet, FittedShapes

__all__ = ['HeadAnchors', 'read_head_anchors']

_KEYS = ('anchor_generator', 'prior_generator')


@dataclass(frozen=True, eq=False)
class HeadAnchors:
    """What the head of a config is given to predict from.

    Args:
        path (str): Dotted key of the generator, such as ``model.bbox_head.anchor_generator``.
        kind (str): Type of the generator.
        anchors (AnchorSet): Its anchors.
        form (AnchorForm): What stays when shapes are fitted.
        shapes (FittedShapes | None): Its ratios and scales; None where it has no such form.
        positive (float): IoU from which an anchor is positive.
        negative (float): IoU below which an anchor is negative.
        allowed_border (float): Pixels by which trained anchors may leave the image; negative: any.
        note (str): What was assumed of the assigner, or is not measured. Default ``''``.

    Example:
        >>> anchors = dict(type='AnchorGenerator', strides=[16], ratios=[1.], scales=[4])
        >>> head = dict(type='RetinaHead', anchor_generator=anchors)
        >>> found = read_head_anchors(Config(dict(model=dict(bbox_head=head))), 'c.py')
        >>> found.path, found.anchors.sizes.tolist()
        ('model.bbox_head.anchor_generator', [[64.0, 64.0]])
    """

    path: str
    kind: str
    anchors: AnchorSet
    form: AnchorForm
    shapes: FittedShapes | None
    positive: float
    negative: float
    allowed_border: float
    note: str = ''


def read_head_anchors(config: Config, name: str, head: str | None = None) -> HeadAnchors:
    """Build the anchor generator of a config and read what decides which anchors are positive.

    Args:
        config (Config): Config of a detector.
        name (str): Its file, for messages.
        head (str | None): Which head, where several have anchors, such as ``model.rpn_head``.
            Default None: the only one.

    Returns:
        HeadAnchors: The anchors.

    Raises:
        InputError: No head, or several, have anchors, the generator cannot be built, or a
            threshold of the assigner is no IoU.

    Example:
        >>> read_head_anchors(Config(dict(model=dict(bbox_head=dict(type='FCOSHead')))), 'c.py')
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: c.py: no anchor generator; model.bbox_head is FCOSHead, which \
has no anchors to fit: `mmdefect check` shows its positives per level, or take a config of \
RetinaNet, SSD or Faster R-CNN
    """
    every = dict(nodes(config.model, 'model'))
    found: dict[str, tuple[str, Mapping[str, Any], Any]] = {}
    points: dict[str, tuple[str, Mapping[str, Any], Any]] = {}
    for path, node in every.items():
        for key in _KEYS:
            settings = node.get(key)
            if isinstance(settings, Mapping):
                with naming_key(f'{name}: {path}.{key}'):
                    generator = TASK_UTILS.build({'_scope_': 'mmdet', **settings})
                where = found if hasattr(generator, 'base_anchors') else points
                where[path] = (key, settings, generator)
    if head is not None and head not in found:
        raise InputError(
            f'{name}: {head} has no anchor generator; heads that have one: '
            f'{", ".join(found) or "none"}'
        )
    if not found:
        raise InputError(f'{name}: no anchor generator; {_other_head(every, points)}')
    if head is None and len(found) > 1:
        raise InputError(
            f'{name}: {len(found)} heads have anchors; choose one with --head: {", ".join(found)}'
        )
    path = head or next(iter(found))
    key, settings, generator = found[path]
    anchors = _anchor_set(generator, f'{name}: {path}.{key}')
    form, shapes = _form(generator, anchors)
    place = next((place for place in _rule_places(path) if every.get(place)), '')
    rules = every.get(place, {})
    with naming_key(f'{name}: {place}'):
        positive, negative, note = _thresholds(rules.get('assigner'))
        border = _number('allowed_border', rules.get('allowed_border', -1), -math.inf, math.inf)
    return HeadAnchors(
        f'{path}.{key}',
        str(settings['type']),
        anchors,
        form,
        shapes,
        positive,
        negative,
        border,
        note,
    )


def _other_head(every: Mapping[str, Any], points: Mapping[str, Any]) -> str:
    others = [
        f'{path}.{key}'
        for path, node in every.items()
        for key in node
        if key.endswith(_KEYS) and key not in _KEYS
    ]
    if others:
        return (
            f'{" and ".join(others)} cannot be fitted: of a head only {" and ".join(_KEYS)} are '
            'read; take a config of RetinaNet, SSD or Faster R-CNN'
        )
    heads = [
        (path, node)
        for path, node in every.items()
        if path.rpartition('.')[2] in ('bbox_head', 'rpn_head', 'query_head') and 'type' in node
    ]
    path, node = next(
        (item for item in heads if item[0] in points), [*heads, ('model', every['model'])][0]
    )
    kind = points[path][1]['type'] if path in points else None
    by = f' but predicts from points ({kind})' if kind else ''
    return (
        f'{path} is {node.get("type")}, which has no anchors to fit{by}: `mmdefect check` shows '
        'its positives per level, or take a config of RetinaNet, SSD or Faster R-CNN'
    )


def _anchor_set(generator: Any, where: str) -> AnchorSet:
    levels = [level.double().numpy() for level in generator.base_anchors]
    boxes = np.concatenate(levels)
    try:
        return AnchorSet(
            np.repeat(np.arange(len(levels)), [len(level) for level in levels]),
            boxes[:, 2:] - boxes[:, :2],
            (boxes[:, 2:] + boxes[:, :2]) / 2,
            np.array(generator.strides, float).reshape(-1, 2),
        )
    except ValueError as error:
        raise InputError(f'{where}: anchors cannot be used, {error}') from None


def _form(generator: Any, anchors: AnchorSet) -> tuple[AnchorForm, FittedShapes | None]:
    """Levels and base sizes; the geometric mean of a level's anchors where it has no base size."""
    count = len(anchors.strides)
    first = np.searchsorted(anchors.levels, np.arange(count))
    base_sizes = generator.base_sizes
    if np.ndim(base_sizes) != 1:
        size = np.log(anchors.sizes.prod(axis=1)) / 2
        base_sizes = [np.exp(size[anchors.levels == level].mean()) for level in range(count)]
    form = AnchorForm(anchors.strides, np.array(base_sizes, float), anchors.centres[first])
    # SSD has other ratios on each level, YOLO none at all.
    ratios, scales = (getattr(generator, key, None) for key in ('ratios', 'scales'))
    if not (isinstance(ratios, torch.Tensor) and isinstance(scales, torch.Tensor)):
        return form, None
    widths = sorted(float(f'{1 / ratio:.4g}') for ratio in ratios.tolist())
    return form, FittedShapes(widths, sorted(float(f'{scale:.4g}') for scale in scales.tolist()))


def _rule_places(path: str) -> Iterator[str]:
    """Where the rules by which a head trains may stand: its own, or those of what holds it."""
    parts = path.split('.')
    for count in range(len(parts), 0, -1):
        place = '.'.join((*parts[:count], 'train_cfg'))
        inner = parts[count:]
        if 'rpn_head' in inner:
            # A head of several stages has a list of rules.
            yield from (f'{place}.rpn.{part}' for part in inner if part.isdigit())
            yield f'{place}.rpn'
        yield place


def _thresholds(assigner: Any) -> tuple[float, float, str]:
    settings = assigner if isinstance(assigner, Mapping) else {}
    positive, negative = settings.get('pos_iou_thr'), settings.get('neg_iou_thr')
    if isinstance(negative, (tuple, list)) and len(negative) == 2:
        negative = negative[1]
    if positive is None:
        kind = settings.get('type')
        has = f'{kind} has no IoU threshold' if kind else 'no assigner is stated'
        return 0.5, 0.4, f'{has}; .5 and .4 are taken as in RetinaNet'
    note = ''
    if settings.get('centre_ratio') is not None:
        note = (
            f'{settings["type"]} also wants the centre of an anchor in the middle of the box, '
            'which is not measured here; `mmdefect check` counts the positives'
        )
    positive = _number('assigner.pos_iou_thr', positive, 0, 1)
    negative = positive if negative is None else negative
    return positive, _number('assigner.neg_iou_thr', negative, 0, 1), note


def _number(key: str, value: Any, low: float, high: float) -> float:
    if isinstance(value, (int, float)) and math.isfinite(value) and low <= value <= high:
        return float(value)
    limits = f' of {low:g} to {high:g}' if math.isfinite(high) else ''
    raise InputError(f'{key} must be a number{limits}, got {value!r}')
