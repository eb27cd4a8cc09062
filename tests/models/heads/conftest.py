"""Slow losses, written from the papers, one number at a time."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest


def focal(logit, hit, gamma, alpha):
    """Equation 5 of Lin et al. (ICCV 2017) for one sigmoid."""
    p = 1 / (1 + math.exp(-logit))
    if hit:
        return -alpha * (1 - p) ** gamma * math.log(p)
    return -(1 - alpha) * p**gamma * math.log(1 - p)


def focal_sum(logits, labels, weights, gamma, alpha):
    """Sum over all rows and classes; a label beyond the last class is background."""
    total = 0.0
    for row, label, weight in zip(logits, labels, weights, strict=True):
        for index, logit in enumerate(row):
            total += weight * focal(logit, index == label, gamma, alpha)
    return total


def iou(one, two):
    w = min(one[2], two[2]) - max(one[0], two[0])
    h = min(one[3], two[3]) - max(one[1], two[1])
    overlap = max(w, 0) * max(h, 0)
    area = (one[2] - one[0]) * (one[3] - one[1]) + (two[2] - two[0]) * (two[3] - two[1])
    return overlap / (area - overlap)


def encode(anchor, box, stds=(1, 1, 1, 1)):
    """Offsets of a box from an anchor: Girshick et al. (CVPR 2014), appendix C."""
    aw, ah = anchor[2] - anchor[0], anchor[3] - anchor[1]
    w, h = box[2] - box[0], box[3] - box[1]
    offsets = (
        ((box[0] + box[2]) - (anchor[0] + anchor[2])) / 2 / aw,
        ((box[1] + box[3]) - (anchor[1] + anchor[3])) / 2 / ah,
        math.log(w / aw),
        math.log(h / ah),
    )
    return [offset / std for offset, std in zip(offsets, stds, strict=True)]


def assign(anchors, boxes, positive, negative):
    """Box of each anchor, -1 for background, None for neither; the best anchors of a box count."""
    found = []
    for anchor in anchors:
        overlaps = [iou(anchor, box) for box in boxes]
        best = max(overlaps, default=0.0)
        owner = -1 if best < negative else None
        found.append(overlaps.index(best) if best >= positive else owner)
    for number, box in enumerate(boxes):
        overlaps = [iou(anchor, box) for anchor in anchors]
        if max(overlaps) >= negative:
            for index, overlap in enumerate(overlaps):
                if abs(overlap - max(overlaps)) < 1e-9:
                    found[index] = number
    return found


@pytest.fixture(scope='session')
def reference():
    """The functions above."""
    return SimpleNamespace(assign=assign, encode=encode, focal_sum=focal_sum, iou=iou)
