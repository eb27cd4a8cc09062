"""Boxes found in the tiles of an image become the boxes of the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mmdefect.errors import InputError
from mmdefect.inference.cut_boxes import drop_cut_boxes
from mmdefect.inference.tile_masks import unite_masks
from mmdefect.ops import batched_nms, non_max_merging, weighted_box_fusion
from mmdefect.structures import Detections

__all__ = ['TileMerge']

_METHODS = ('nms', 'nmm', 'wbf')
_METRICS = ('iou', 'ios')


@dataclass(frozen=True)
class TileMerge:
    """How overlapping boxes of different tiles are merged.

    First, boxes cut by a tile side that is no side of the image are dropped where a whole box of
    their class exists (:func:`mmdefect.inference.cut_boxes.drop_cut_boxes`). Then overlapping
    boxes of a class are merged:

    - ``'nms'`` keeps the best (:func:`mmdefect.ops.batched_nms`);
    - ``'nmm'`` keeps their hull, for objects larger than a tile
      (:func:`mmdefect.ops.non_max_merging`);
    - ``'wbf'`` keeps their mean, weighted by score (:func:`mmdefect.ops.weighted_box_fusion`).

    The score is always that of the best. Masks of what is merged by ``'nmm'`` and ``'wbf'`` are
    united.

    Args:
        method ('nms' | 'nmm' | 'wbf'): What to keep. Default ``'nms'``.
        metric ('iou' | 'ios'): Overlap: intersection over union, or over the smaller box.
            Default ``'iou'``.
        threshold (float): Overlap above which boxes are merged, 0 to 1. Default 0.5.
        class_agnostic (bool): Merge across classes. Default False.
        drop_cut (bool): Drop boxes cut by an inner side. Default True.
        max_per_image (int): At most this many boxes, the best; -1 for all. Default -1.

    Raises:
        InputError: A value out of range.

    Example:
        >>> TileMerge('nmm', 'ios').threshold
        0.5
    """

    method: str = 'nms'
    metric: str = 'iou'
    threshold: float = 0.5
    class_agnostic: bool = False
    drop_cut: bool = True
    max_per_image: int = -1

    def __post_init__(self) -> None:
        """Check the values."""
        for name, known in (('method', _METHODS), ('metric', _METRICS)):
            value = getattr(self, name)
            if value not in known:
                raise InputError(f'merge: {name} must be one of {", ".join(known)}, got {value!r}')
        if not 0 <= self.threshold <= 1:
            raise InputError(f'merge: threshold must be in 0..1, got {self.threshold!r}')
        if self.max_per_image == 0 or self.max_per_image < -1:
            raise InputError(
                f'merge: max_per_image must be -1 or at least 1, got {self.max_per_image!r}'
            )

    def __call__(
        self,
        boxes: Tensor,
        scores: Tensor,
        labels: Tensor,
        cut: Tensor,
        masks: Sequence[dict[str, Any]] | None = None,
    ) -> Detections:
        """Merge the boxes of one image.

        Args:
            boxes (Tensor): ``xyxy`` in pixels of the image, float32, finite, shape (N, 4).
            scores (Tensor): Finite, 0 or more, shape (N,). Of equal scores the lower index goes
                first.
            labels (Tensor): Classes, int64, shape (N,).
            cut (Tensor): Whether an inner side of its tile cuts the box, bool, shape (N,).
            masks (Sequence[dict] | None): COCO run lengths of the whole image. Default None.

        Returns:
            Detections: The boxes of the image, best first.

        Example:
            >>> boxes = torch.tensor([[0.0, 0, 10, 10], [1, 0, 11, 10]])
            >>> found = TileMerge()(boxes, torch.tensor([.5, .75]), torch.zeros(2).long(),
            ...                     torch.zeros(2).bool())
            >>> found.boxes.tolist(), found.scores.tolist()
            ([[1.0, 0.0, 11.0, 10.0]], [0.75])
        """
        groups = torch.zeros_like(labels) if self.class_agnostic else labels
        if self.drop_cut:
            kept, scores = drop_cut_boxes(boxes, scores, groups, cut)
            boxes, scores, labels, groups = (
                values[kept] for values in (boxes, scores, labels, groups)
            )
            masks = masks if masks is None else [masks[index] for index in kept.tolist()]
        arguments = (boxes, scores, groups, self.threshold)
        if self.method == 'nms':
            best = batched_nms(*arguments, metric=self.metric)
            boxes, members = boxes[best], None
        else:
            if self.method == 'nmm':
                merged = non_max_merging(*arguments, metric=self.metric)
            else:
                merged = weighted_box_fusion(*arguments, score_mode='max', metric=self.metric)
            boxes, members = merged.boxes, merged.members
            best = _best_members(members, scores, len(boxes))
        best = best[: self.max_per_image] if self.max_per_image > 0 else best
        return Detections(
            boxes=boxes[: len(best)].numpy(),
            labels=labels[best].numpy(),
            scores=scores[best].numpy(),
            masks=None if masks is None else _merge_masks(masks, best, members),
        )


def _best_members(members: Tensor, scores: Tensor, number: int) -> Tensor:
    """Best box of each merged one, (M,), from the merged box of each box, (N,)."""
    order = scores.sort(descending=True, stable=True).indices
    ranks = torch.full((number,), len(order))
    ranks.scatter_reduce_(0, members[order], torch.arange(len(order)), 'amin')
    return order[ranks]


def _merge_masks(
    masks: Sequence[dict[str, Any]], best: Tensor, members: Tensor | None
) -> tuple[dict[str, Any], ...]:
    if members is None:
        return tuple(masks[index] for index in best.tolist())
    order = members.sort(stable=True)
    sizes = torch.bincount(members).tolist()
    groups = order.indices.split(sizes)[: len(best)]
    return tuple(unite_masks([masks[index] for index in group.tolist()]) for group in groups)
