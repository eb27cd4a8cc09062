"""How sure a two-stage teacher is of a box's place: by shaking it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.registry import MODELS

__all__ = ['BoxJitter']


@MODELS.register_module()
class BoxJitter:
    """Uncertainty of boxes under box jitter, for detectors with a RoI head.

    Each box is shifted ``times`` times by Gaussian noise, the RoI head refines each shifted box,
    and the standard deviation of the results, relative to the size of their mean, is the
    uncertainty. All boxes of all images go through the RoI head in one call. The noise comes
    from PyTorch's default generator, whose state checkpoints hold.

    Args:
        times (int): Shifted copies of each box, at least 2. Default 10.
        scale (float): Standard deviation of the shift of each coordinate, relative to width or
            height. Default 0.06.
        limit (float): Boxes with an uncertainty above take no part in the box-regression loss.
            Default 0.02.

    Raises:
        InputError: A key is unknown or a number is out of range.

    Source:
        Xu et al., "End-to-End Semi-Supervised Object Detection with Soft Teacher", ICCV 2021,
        section 3.3, equations 7 and 8.

    Example:
        >>> BoxJitter(times=1)
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: BoxJitter: times must be an integer >= 2, got 1
    """

    def __init__(
        self, times: int = 10, scale: float = 0.06, limit: float = 0.02, **unknown: Any
    ) -> None:
        reject_unknown_keys('BoxJitter', unknown, ('times', 'scale', 'limit'))
        if isinstance(times, bool) or not isinstance(times, int) or times < 2:
            raise InputError(f'BoxJitter: times must be an integer >= 2, got {times!r}')
        for key, value in (('scale', scale), ('limit', limit)):
            if not 0 < value < float('inf'):
                raise InputError(f'BoxJitter: {key} must be positive, got {value}')
        self.times, self.scale, self.limit = times, scale, limit

    def shift(self, boxes: Tensor) -> Tensor:
        """Copies of boxes, shifted at random.

        Args:
            boxes (Tensor): Boxes ``x1, y1, x2, y2`` in pixels, float32, shape (K, 4).

        Returns:
            Tensor: Shape (times, K, 4), first corner left of and above the second.
        """
        size = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1).repeat(1, 2)
        noise = torch.randn(self.times, *boxes.shape, device=boxes.device)
        first, second = (boxes + noise * self.scale * size).split(2, dim=2)
        return torch.cat([torch.minimum(first, second), torch.maximum(first, second)], 2)

    def measure(
        self,
        roi_head: nn.Module,
        features: tuple[Tensor, ...],
        boxes: Tensor,
        labels: Tensor,
        images: Tensor,
        shapes: Tensor,
    ) -> Tensor:
        """Uncertainty of each box.

        Args:
            roi_head (nn.Module): The teacher's RoI head; it is left as it is.
            features (tuple[Tensor, ...]): Its feature maps, shape (B, D, H_i, W_i).
            boxes (Tensor): Boxes in pixels of the teacher's images, float32, shape (K, 4).
            labels (Tensor): Their classes, int64, shape (K,).
            images (Tensor): Index of each box's image, int64, shape (K,).
            shapes (Tensor): ``h, w`` of each box's image, shape (K, 2).

        Returns:
            Tensor: Mean over the four coordinates of standard deviation over width or height,
            float32, shape (K,).
        """
        if not len(boxes):
            return boxes.new_zeros(0)
        moved = self.shift(boxes).flatten(0, 1)
        rois = torch.cat([images.repeat(self.times)[:, None].float(), moved], 1)
        deltas = roi_head._bbox_forward(features, rois)['bbox_pred'].float()
        head = roi_head.bbox_head
        if not head.reg_class_agnostic:
            deltas = deltas.view(len(rois), -1, 4)
            deltas = deltas[torch.arange(len(rois)), labels.repeat(self.times)]
        refined = head.bbox_coder.decode(moved, deltas).view(self.times, -1, 2, 2)
        refined = refined.clamp(min=0).minimum(shapes.flip(1)[:, None].to(refined.dtype))
        corners = refined.mean(0)
        size = (corners[:, 1] - corners[:, 0]).clamp(min=1)
        return (refined.std(0) / size[:, None]).flatten(1).mean(1)
