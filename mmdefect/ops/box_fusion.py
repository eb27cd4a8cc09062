"""Weighted box fusion: boxes of several detectors or views become one each."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mmdefect.ops.box_checks import check_boxes, check_labels, check_metric
from mmdefect.ops.overlaps import OVERLAPS, as_columns, neighbourhood_order, split_near

__all__ = ['FusedBoxes', 'weighted_box_fusion']

_SCORE_MODES = ('mean', 'max')
_BLOCK = 256


class FusedBoxes(NamedTuple):
    """What :func:`weighted_box_fusion` returns.

    Attributes:
        boxes (Tensor): Fused boxes ``x1, y1, x2, y2``, float32, shape (M, 4), in descending order
            of score.
        scores (Tensor): Their scores, float32, shape (M,).
        labels (Tensor): Their classes, int64, shape (M,).
        members (Tensor): Position of the fused box that each input box went into, int64, shape
            (N,).
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    members: Tensor


def weighted_box_fusion(
    boxes: Tensor,
    scores: Tensor,
    labels: Tensor,
    iou_threshold: float = 0.55,
    sources: Tensor | None = None,
    num_sources: int = 1,
    score_mode: str = 'mean',
    metric: str = 'iou',
) -> FusedBoxes:
    """Fuse overlapping boxes of a class into their score-weighted mean.

    Boxes are visited in descending order of score. A box joins the fused box of its class that it
    overlaps most, if that is greater than the threshold, and moves it: its coordinates are
    the mean of those of its members so far, weighted by their scores. Else it starts a new one.
    At last the mean score of a fused box of n members is multiplied by ``min(n, num_sources) /
    num_sources``: what few sources saw counts less.

    Runs on the CPU, one step per box, in float64 whatever the input type. Extra memory: about
    1 KiB per box.

    Args:
        boxes (Tensor): Boxes ``x1, y1, x2, y2`` in pixels, floating point, shape (N, 4).
        scores (Tensor): Scores, floating point, >= 0, shape (N,). Of equal scores, the lower index
            goes first; of equal overlaps, the older fused box wins.
        labels (Tensor): Class of each box, integers >= 0, shape (N,).
        iou_threshold (float): Overlap above which a box joins, in [0, 1]. Default 0.55.
        sources (Tensor | None): Detector or view that each box comes from, integers in
            0..num_sources-1, shape (N,): then n counts the sources of a fused box, not its
            members. Default None.
        num_sources (int): Detectors or views whose boxes are fused. Default 1.
        score_mode (str): Score of a fused box: ``'mean'`` of its members times that factor, or
            their ``'max'`` as it is. Default ``'mean'``.
        metric ('iou' | 'ios'): Overlap: intersection over union, or over the smaller box.
            Default ``'iou'``.

    Returns:
        FusedBoxes: Boxes, scores, labels, and where each input box went. Of equal scores, the
        fused box whose first member has the lower index goes first.

    Raises:
        ValueError: Wrong shapes, types or devices; boxes or scores that are not finite; negative
            scores or labels; arguments out of range.

    Source:
        Solovyev et al., "Weighted boxes fusion: Ensembling boxes from different object detection
        models", Image and Vision Computing 107, 2021, section 3.

    Example:
        >>> boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 8], [20, 20, 30, 30]])
        >>> scores, labels = torch.tensor([0.75, 0.25, 0.5]), torch.tensor([0, 0, 1])
        >>> fused = weighted_box_fusion(boxes, scores, labels, num_sources=2)
        >>> fused.boxes.tolist(), fused.scores.tolist()
        ([[0.0, 0.0, 10.0, 9.5], [20.0, 20.0, 30.0, 30.0]], [0.5, 0.25])
        >>> fused.members.tolist()
        [0, 0, 1]
    """
    _check(boxes, scores, labels, iou_threshold, sources, num_sources, score_mode)
    check_metric(metric)
    device, number = boxes.device, len(boxes)
    coordinates, weights = boxes.detach().cpu().double(), scores.detach().cpu().double()
    classes = labels.detach().cpu().long()
    order = weights.sort(descending=True, stable=True).indices
    by_class = classes[order].sort(stable=True)
    sizes = by_class.values.unique_consecutive(return_counts=True)[1].tolist()
    # The box that started the fused box of each box.
    starters = torch.empty(number, dtype=torch.int64)
    for group in order[by_class.indices].split(sizes) if number else ():
        starters[group] = group[_join(coordinates[group], weights[group], iou_threshold, metric)]
    firsts, members, counts = starters.unique(return_inverse=True, return_counts=True)
    fused = coordinates.new_zeros(len(firsts), 4)
    # In order of score, as the means were formed.
    shares = _shares(weights)[order, None]
    fused.index_add_(0, members[order], coordinates[order] * shares)
    fused /= fused.new_zeros(len(firsts), 1).index_add_(0, members[order], shares)
    final = weights.new_zeros(len(firsts))
    if score_mode == 'max':
        final.scatter_reduce_(0, members, weights, 'amax')
    else:
        final.index_add_(0, members[order], weights[order]).div_(counts)
        if sources is not None:
            pairs = members * num_sources + sources.detach().cpu()
            counts = torch.bincount(pairs.unique() // num_sources, minlength=len(firsts))
        final *= counts.clamp(max=num_sources).double() / num_sources
    ranking = final.sort(descending=True, stable=True).indices
    places = torch.empty_like(ranking)
    places[ranking] = torch.arange(len(ranking))
    return FusedBoxes(
        boxes=fused[ranking].float().to(device),
        scores=final[ranking].float().to(device),
        labels=classes[firsts[ranking]].to(device),
        members=places[members].to(device),
    )


def _check(
    boxes: Tensor,
    scores: Tensor,
    labels: Tensor,
    iou_threshold: float,
    sources: Tensor | None,
    num_sources: int,
    score_mode: str,
) -> None:
    check_boxes(boxes, scores)
    check_labels(labels, boxes)
    if len(scores) and scores.min() < 0:
        row = int(scores.argmin())
        raise ValueError(f'scores must be >= 0, got {float(scores[row])} at index {row}')
    if not 0 <= iou_threshold <= 1:
        raise ValueError(f'iou_threshold must be in [0, 1], got {iou_threshold}')
    if num_sources < 1:
        raise ValueError(f'num_sources must be positive, got {num_sources}')
    if score_mode not in _SCORE_MODES:
        raise ValueError(f'score_mode must be one of {", ".join(_SCORE_MODES)}, got {score_mode!r}')
    if sources is not None:
        check_labels(sources, boxes, 'sources')
        if len(sources) and sources.max() >= num_sources:
            row = int(sources.argmax())
            raise ValueError(
                f'sources must be in 0..{num_sources - 1}, got {int(sources[row])} at index {row}'
            )


def _shares(scores: Tensor) -> Tensor:
    """Weights of means; boxes of score 0 alone weigh the same instead of nothing."""
    return scores.clamp(min=torch.finfo(torch.float64).tiny)


def _join(boxes: Tensor, scores: Tensor, threshold: float, metric: str) -> Tensor:
    """Position of the box that started the fused box of each box, (N,), best box first.

    For a block of boxes, fused boxes that they overlap enough are looked up at once; within the
    block only those that have moved since are looked at again.
    """
    columns = as_columns(boxes.float(), 0)
    known = torch.empty_like(columns)
    rows, shares = boxes.tolist(), _shares(scores).tolist()
    fused: list[list[float]] = []
    sums: list[list[float]] = []
    starters: list[int] = []
    result: list[int] = []
    for start in range(0, len(boxes), _BLOCK):
        block = columns[:, start : start + _BLOCK]
        candidates = _candidates(block, known[:, : len(fused)], threshold, metric)
        moved: dict[int, None] = {}
        for position in range(start, start + block.shape[1]):
            box, share = rows[position], shares[position]
            near = [*candidates[position - start], *moved]
            joined = _best(box, fused, near, threshold, metric)
            if joined < 0:
                joined = len(fused)
                starters.append(position)
                fused.append(box)
                sums.append([0.0] * 5)
            total, *parts = sums[joined] = [
                old + share * new for old, new in zip(sums[joined], [1.0, *box], strict=True)
            ]
            fused[joined] = [part / total for part in parts]
            moved[joined] = None
            result.append(starters[joined])
        latest = torch.tensor([fused[index] for index in moved], dtype=torch.float64)
        known[:, list(moved)] = as_columns(latest.float(), 0)
    return torch.tensor(result, dtype=torch.int64)


def _candidates(block: Tensor, fused: Tensor, threshold: float, metric: str) -> list[list[int]]:
    """For each box of a block (5, n), the fused boxes (5, m) that it may overlap enough."""
    found: list[list[int]] = [[] for _ in range(block.shape[1])]
    if fused.shape[1]:
        # What float32 rounds is decided in float64 later.
        enough = max(0.0, threshold - 1e-3)
        order = neighbourhood_order(fused[:4].t())
        for part, near in split_near(block, fused[:, order], 0):
            overlap = OVERLAPS[metric](block[:, near], fused[:, order[part]], 0)
            hits = (overlap > enough).nonzero()
            pairs = zip(near[hits[:, 0]].tolist(), order[part][hits[:, 1]].tolist(), strict=True)
            for member, index in pairs:
                found[member].append(index)
    return found


def _best(
    box: list[float],
    fused: list[list[float]],
    candidates: list[int],
    threshold: float,
    metric: str,
) -> int:
    """The fused box, of some, that a box overlaps most, more than the threshold; -1 for none."""
    x1, y1, x2, y2 = box
    area = (x2 - x1) * (y2 - y1)
    most, best = threshold, -1
    for index in candidates:
        left, top, right, bottom = fused[index]
        if left >= x2 or right <= x1 or top >= y2 or bottom <= y1:
            continue
        inter = (min(x2, right) - max(x1, left)) * (min(y2, bottom) - max(y1, top))
        if not inter:  # of lines that cross
            continue
        other = (right - left) * (bottom - top)
        overlap = inter / (area + other - inter if metric == 'iou' else min(area, other))
        if overlap > most or (overlap == most and 0 <= index < best):
            most, best = overlap, index
    return best
