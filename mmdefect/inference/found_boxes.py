"""What the model found in tiles, in the pixels of their images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mmdefect.inference.cut_boxes import CUT_MARGIN
from mmdefect.inference.tile_batches import Tile
from mmdefect.inference.tile_masks import encode_tile_masks

__all__ = ['FoundBoxes', 'collect_boxes']


class FoundBoxes(NamedTuple):
    """Boxes in the pixels of an image, before merging.

    Attributes:
        boxes (Tensor): ``xyxy``, float32, shape (N, 4).
        scores (Tensor): float32, shape (N,).
        labels (Tensor): int64, shape (N,).
        cut (Tensor): Whether an inner side of the tile cuts the box, bool, shape (N,).
        masks (list[dict] | None): COCO run lengths of the whole image; None without masks.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    cut: Tensor
    masks: list[dict[str, Any]] | None

    @classmethod
    def join(cls, parts: Sequence[FoundBoxes]) -> FoundBoxes:
        """Put the boxes of several tiles of an image together.

        Args:
            parts (Sequence[FoundBoxes]): Of each tile; may be none.

        Returns:
            FoundBoxes: All boxes, in that order.

        Example:
            >>> FoundBoxes.join([]).boxes.shape
            torch.Size([0, 4])
        """
        if not parts:
            empty = torch.zeros(0)
            return cls(torch.zeros(0, 4), empty, empty.long(), empty.bool(), None)
        *tensors, masks = zip(*parts, strict=True)
        joined = [torch.cat(values) for values in tensors]
        has_masks = all(mask is not None for mask in masks)
        return cls(*joined, [item for mask in masks for item in mask] if has_masks else None)

    @property
    def is_finite(self) -> bool:
        """Whether all coordinates and scores are numbers."""
        return bool(self.boxes.isfinite().all() and self.scores.isfinite().all())


def collect_boxes(
    tiles: Sequence[Tile], found: Sequence[Any], min_score: float
) -> list[FoundBoxes]:
    """Shift what was found in a batch of tiles to the frames of their images.

    Boxes are clipped to their tile and to the image; what then has no area, as it lay in the
    filling of a tile, is dropped.

    Args:
        tiles (Sequence[Tile]): The batch.
        found (Sequence[InstanceData]): ``bboxes``, ``scores``, ``labels`` and, where the model
            has them, ``masks`` (N, h, w), of each tile in its frame.
        min_score (float): Detections below are dropped; those that are not a number are kept.

    Returns:
        list[FoundBoxes]: Of each tile, on the CPU.
    """
    counts = [len(item.scores) for item in found]
    places = torch.from_numpy(np.stack([tile.box for tile in tiles])).float()
    limits = torch.tensor([tile.image.shape[::-1] for tile in tiles]).float()
    frames = torch.tensor([tile.sample.ori_shape[1::-1] for tile in tiles]).float()
    # One transfer from the device for the whole batch.
    boxes = torch.cat([item.bboxes.reshape(-1, 4).float() for item in found]).cpu()
    scores = torch.cat([item.scores.float() for item in found]).cpu()
    labels = torch.cat([item.labels for item in found]).long().cpu()
    rows = torch.repeat_interleave(torch.arange(len(tiles)), torch.tensor(counts))
    scale = ((places[:, 2:] - places[:, :2]) / frames)[rows]
    place, limit = places[rows], limits[rows]
    boxes = boxes * scale.repeat(1, 2) + place[:, :2].repeat(1, 2)
    ends = torch.minimum(place[:, 2:], limit).repeat(1, 2)
    boxes = torch.minimum(torch.maximum(boxes, place[:, :2].repeat(1, 2)), ends)
    # An inner side is one that the image goes on behind.
    cut_low = (boxes[:, :2] - place[:, :2] <= CUT_MARGIN) & (place[:, :2] > 0)
    cut_high = (place[:, 2:] - boxes[:, 2:] <= CUT_MARGIN) & (place[:, 2:] < limit)
    cut = (cut_low | cut_high).any(1)
    sides = boxes[:, 2:] - boxes[:, :2]
    keep = ~(scores < min_score) & ~(sides <= 0).any(1)
    collected = []
    parts = zip(*(values.split(counts) for values in (boxes, scores, labels, cut, keep)))  # noqa: B905
    for tile, item, (box, score, label, is_cut, kept) in zip(tiles, found, parts, strict=True):
        masks = None
        if 'masks' in item:
            height, width = tile.sample.ori_shape[:2]
            chosen = item.masks[kept.to(item.masks.device), :height, :width].cpu().numpy()
            masks = encode_tile_masks(chosen, tile.box, tile.image.shape)
        collected.append(FoundBoxes(box[kept], score[kept], label[kept], is_cut[kept], masks))
    return collected
