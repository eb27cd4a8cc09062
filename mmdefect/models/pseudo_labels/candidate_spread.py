"""How sure a one-stage teacher is of a box's place: by what overlaps it before NMS."""

from __future__ import annotations

from typing import Any

from mmengine.structures import InstanceData
from torch import Tensor

from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.ops.overlaps import as_columns, iou
from mmdefect.registry import MODELS

__all__ = ['CandidateSpread']


@MODELS.register_module()
class CandidateSpread:
    """Regression weights of boxes by the spread of overlapping candidates, for one-stage detectors.

    A one-stage detector predicts a defect from many anchors; NMS keeps one of these boxes and
    throws the others away, which say how well they agree. Around each kept box the candidates of
    its class with an IoU of at least ``iou`` are taken, weighted by their scores. Their standard
    deviation, relative to width and height and averaged over the four coordinates, is the spread;
    the weight of the box in the regression loss is ``1 - spread / limit``, at least 0. A box
    with fewer than ``least`` candidates has nothing to judge it by, and weight 0.

    Args:
        iou (float): Overlap from which a candidate counts, in (0, 1). Default 0.5.
        limit (float): Spread at which the weight reaches 0. Default 0.15.
        least (int): Candidates that a box needs, itself included; at least 2. Default 3.

    Raises:
        InputError: A key is unknown or a number is out of range.

    Source:
        Our counterpart to the box jitter of Xu et al., ICCV 2021, section 3.3, which needs a RoI
        head; score-weighted candidates as in Soft-NMS's variance voting (He et al., "Bounding Box
        Regression with Uncertainty", CVPR 2019, section 3.3).

    Example:
        >>> import torch
        >>> boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 8]])
        >>> candidates = InstanceData(
        ...     bboxes=boxes, scores=torch.tensor([0.9, 0.6, 0.5]), labels=torch.tensor([0, 0, 0]))
        >>> CandidateSpread(limit=0.2).measure(candidates[:1], candidates).tolist()
        [0.02...]
        >>> CandidateSpread(limit=0.2).weigh(torch.tensor([0.0, 0.1, float('inf')])).tolist()
        [1.0, 0.5, 0.0]
    """

    def __init__(
        self, iou: float = 0.5, limit: float = 0.15, least: int = 3, **unknown: Any
    ) -> None:
        reject_unknown_keys('CandidateSpread', unknown, ('iou', 'limit', 'least'))
        if not 0 < iou < 1:
            raise InputError(f'CandidateSpread: iou must be in (0, 1), got {iou}')
        if not 0 < limit < float('inf'):
            raise InputError(f'CandidateSpread: limit must be positive, got {limit}')
        if isinstance(least, bool) or not isinstance(least, int) or least < 2:
            raise InputError(f'CandidateSpread: least must be an integer >= 2, got {least!r}')
        self.iou, self.limit, self.least = iou, limit, least

    def measure(self, boxes: InstanceData, candidates: InstanceData) -> Tensor:
        """Spread of the candidates around each box of an image.

        Extra memory: about 25 bytes per pair of box and candidate.

        Args:
            boxes (InstanceData): Kept boxes: ``bboxes``, float32, shape (K, 4), and ``labels``.
            candidates (InstanceData): Before NMS: ``bboxes``, shape (N, 4), ``scores``,
                ``labels``.

        Returns:
            Tensor: float32, shape (K,); infinite where there are fewer than ``least``.
        """
        if not len(boxes) or not len(candidates):
            return boxes.bboxes.new_full((len(boxes),), float('inf'))
        place, others = boxes.bboxes.float(), candidates.bboxes.float()
        overlaps = iou(as_columns(place, 0), as_columns(others, 0), 0) >= self.iou
        overlaps &= boxes.labels[:, None] == candidates.labels
        weight = overlaps * candidates.scores.float()
        total = weight.sum(1, keepdim=True).clamp(min=1e-6)
        mean = (weight[..., None] * others).sum(1) / total
        variance = (weight[..., None] * (others - mean[:, None]).square()).sum(1) / total
        size = (mean[:, 2:] - mean[:, :2]).clamp(min=1).repeat(1, 2)
        spread = (variance.sqrt() / size).mean(1)
        return spread.masked_fill(overlaps.sum(1) < self.least, float('inf'))

    def weigh(self, spread: Tensor) -> Tensor:
        """Weights in the regression loss.

        Args:
            spread (Tensor): Of :meth:`measure`, shape (K,).

        Returns:
            Tensor: In [0, 1], float32, shape (K,).
        """
        return (1 - spread / self.limit).clamp(min=0)
