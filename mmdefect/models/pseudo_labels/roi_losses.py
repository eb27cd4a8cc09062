"""Losses of a RoI head from pseudo labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from mmdet.utils import reduce_mean
from mmengine.structures import InstanceData
from torch import Tensor, nn

__all__ = ['background_scores', 'roi_losses']


def background_scores(bbox_head: nn.Module, cls_score: Tensor) -> Tensor:
    """How sure a RoI head is that a RoI is background.

    Args:
        bbox_head (nn.Module): A box head. One with sigmoids tells by ``background_scores``
            (:class:`mmdefect.models.FocalBBoxHead`); a softmax has a column for it.
        cls_score (Tensor): Logits, shape (N, C) or (N, C + 1).

    Returns:
        Tensor: Shape (N,), float32.

    Example:
        >>> background_scores(nn.Identity(), torch.tensor([[0.0, 0.0]]))
        tensor([0.5000])
    """
    if hasattr(bbox_head, 'background_scores'):
        return bbox_head.background_scores(cls_score)
    return cls_score.float().softmax(1)[:, -1]


def roi_losses(
    roi_head: nn.Module,
    features: tuple[Tensor, ...],
    proposals: Sequence[InstanceData],
    boxes: Sequence[InstanceData],
    learned: Sequence[bool],
    background_of: Callable[[Tensor], Tensor],
) -> tuple[dict[str, Tensor], Tensor]:
    """Classification and box-regression loss of the student's RoIs.

    One assignment, one sample and one pass through the head serve both losses, where MMDetection
    takes two: the boxes of either loss are assigned together. A RoI of a box that is not of the
    classification loss is background there, or takes no part if the box is ignorable. Background
    RoIs weigh as much as the teacher is sure of them; RoIs of a box weigh as the box does, in both
    losses. The classification loss of a softmax head is divided by the sum of the weights before
    those of the boxes multiply them, so that these act as factors; heads with sigmoids divide by
    the positives themselves.

    Args:
        roi_head (nn.Module): The student's ``StandardRoIHead``.
        features (tuple[Tensor, ...]): Its feature maps.
        proposals (Sequence[InstanceData]): Proposals of each image: ``bboxes``.
        boxes (Sequence[InstanceData]): Pseudo boxes of each image: ``bboxes``, ``labels``,
            ``for_cls`` and ``ignorable`` (bool), ``cls_weights`` and ``reg_weights`` (0: not of
            the regression loss).
        learned (Sequence[bool]): Whether the image takes part at all.
        background_of (Callable): Scores of the teacher for RoIs ``image, x1, y1, x2, y2`` of the
            student, shape (N, 5) to (N,).

    Returns:
        tuple[dict[str, Tensor], Tensor]: ``loss_cls``, ``loss_bbox`` and ``acc``; positive RoIs
        of each class, int64, shape (C,).
    """
    head = roi_head.bbox_head
    sampled, rois, flat, assigned, start = [], [], [], [], 0
    for image, (found, pseudo, used) in enumerate(zip(proposals, boxes, learned, strict=True)):
        if not used:
            continue
        pseudo = pseudo[pseudo.for_cls | (pseudo.reg_weights > 0) | pseudo.ignorable]
        sample = _sample(roi_head, features, image, found, pseudo)
        sampled.append(sample)
        rois.append(nn.functional.pad(sample.priors, (1, 0), value=image))
        # Positives come first; what belongs to no box gets the last entry, below.
        assigned.append(sample.pos_assigned_gt_inds + start)
        assigned.append(assigned[-1].new_full((len(sample.neg_priors),), -1))
        flat.append(pseudo)
        start += len(pseudo)
    reference = features[0].new_zeros(0, dtype=torch.float32)
    rois = torch.cat(rois) if rois else reference.new_zeros(0, 5)
    outputs = roi_head._bbox_forward(features, rois)
    if sampled:
        labels, _, box_targets, box_weights = head.get_targets(sampled, roi_head.train_cfg)
        owner = torch.cat(assigned)
    else:
        labels = owner = reference.new_zeros(0, dtype=torch.int64)
        box_targets = box_weights = reference.new_zeros(0, 4)
    owned = owner >= 0
    taught = owned.clone()
    cls_weights = torch.ones_like(rois[:, 0])
    if start:
        pseudo = InstanceData.cat(flat)
        taught[owned] = pseudo.for_cls[owner[owned]]
        cls_weights[taught] = pseudo.cls_weights[owner[taught]]
        box_weights[owned] *= pseudo.reg_weights[owner[owned], None]
    shown = torch.where(taught, labels, head.num_classes)
    base = torch.ones_like(cls_weights)
    base[~taught] = background_of(rois[~taught]).to(base.dtype)
    if start:
        left_out = torch.zeros_like(taught)
        left_out[owned] = ~taught[owned] & pseudo.ignorable[owner[owned]]
        base[left_out] = 0
        # What is of no loss at all must not count in the divisor of the regression loss either.
        left_out[owned] &= pseudo.reg_weights[owner[owned]] == 0
        labels = torch.where(left_out, head.num_classes, labels)
    weights = base * cls_weights
    scores, deltas = outputs['cls_score'], outputs['bbox_pred']
    losses = head.loss(scores, None, rois, shown, weights, box_targets, box_weights)
    # The labels of the regression loss differ where a box is of this loss only.
    losses['loss_bbox'] = head.loss(None, deltas, rois, labels, weights, box_targets, box_weights)[
        'loss_bbox'
    ]
    if not len(rois):
        losses.setdefault('loss_cls', scores.sum())
        losses.setdefault('acc', scores.new_zeros(1))
    if not hasattr(head, 'background_scores'):
        _divide_again(losses, weights, base)
    return losses, shown[taught].bincount(minlength=head.num_classes)


def _sample(
    roi_head: nn.Module,
    features: tuple[Tensor, ...],
    image: int,
    proposals: InstanceData,
    pseudo: InstanceData,
) -> Any:
    """Assign and sample the proposals of an image, as StandardRoIHead does."""
    priors = InstanceData(priors=proposals.bboxes)
    truth = InstanceData(bboxes=pseudo.bboxes, labels=pseudo.labels)
    assigned = roi_head.bbox_assigner.assign(priors, truth, None)
    return roi_head.bbox_sampler.sample(
        assigned, priors, truth, feats=[level[image][None] for level in features]
    )


def _divide_again(losses: dict[str, Tensor], weights: Tensor, base: Tensor) -> None:
    """Replace the divisors of a softmax head, counts of this rank, by means over all ranks."""
    number = (weights > 0).sum().clamp(min=1)
    means = reduce_mean(torch.stack([base.sum(), base.new_tensor(float(len(base)))]))
    total, rois = means.clamp(min=1)
    losses['loss_cls'] = losses['loss_cls'] * number / total
    losses['loss_bbox'] = losses['loss_bbox'] * (max(len(base), 1) / rois)
