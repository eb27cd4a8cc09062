"""RoI head that predicts from the sigmoids it is trained with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from mmdet.models.losses import FocalLoss
from mmdet.models.roi_heads.bbox_heads import BBoxHead, Shared2FCBBoxHead
from mmdet.structures.bbox import get_box_tensor
from mmengine.structures import InstanceData
from torch import Tensor

from mmdefect.errors import InputError, constructor_keys, reject_unknown_keys
from mmdefect.models.losses import focal_config, mean_positives
from mmdefect.registry import MODELS

__all__ = ['FocalBBoxHead']

_FOCAL = {'type': 'FocalLoss'}


class _ClassFocalLoss(FocalLoss):
    """Focal loss with what MMDetection's RoI heads ask a loss about channels and scores."""

    custom_cls_channels = custom_activation = custom_accuracy = True

    def __init__(self, exclusive: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.exclusive = exclusive

    def get_cls_channels(self, num_classes: int) -> int:
        """One channel per class, none for the background."""
        return num_classes

    def get_activation(self, cls_score: Tensor) -> Tensor:
        """Scores, and the background column that MMDetection's NMS drops."""
        logits = cls_score.float()
        none = logits.new_zeros(len(logits), 1)
        if self.exclusive:
            # A sigmoid's odds are exp(logit), so this is its probability given that at most one
            # class is there.
            return torch.cat([logits, none], dim=1).softmax(dim=1)
        return torch.cat([logits.sigmoid(), none], dim=1)

    def get_accuracy(self, cls_score: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Per cent of RoIs that get their class, or no score from .5 on if they have none."""
        if not len(labels):
            return {'acc': cls_score.new_zeros(1)}
        logit, found = cls_score.detach().max(dim=1)
        found = torch.where(logit >= 0, found, cls_score.shape[1])
        return {'acc': (found == labels).float().mean(dim=0, keepdim=True) * 100}


@MODELS.register_module()
class FocalBBoxHead(Shared2FCBBoxHead):
    """MMDetection's ``Shared2FCBBoxHead`` with one sigmoid per class and focal loss.

    With ``FocalLoss`` the stock head trains sigmoids over ``num_classes + 1`` channels and predicts
    with softmax; with ``FocalCustomLoss`` its last class is dropped as background. Here there are
    ``num_classes`` channels, the scores are the sigmoids that were trained, and a background
    column is appended where MMDetection drops one, before NMS. Both losses are divided
    by the positives of the batch (at least 1), averaged over the ranks of a distributed training;
    the stock head divides by the number of sampled RoIs, so box losses are larger here by the
    share of positives, and ``loss_bbox.loss_weight`` is read with that in mind.

    Raw predictions (``rcnn_test_cfg=None``) have :meth:`background_scores` as last column, which
    is what Soft Teacher takes as weight of its background RoIs.

    Args:
        fc_out_channels (int): Channels of the two shared layers. Default 1024.
        loss_cls (dict | None): ``FocalLoss`` with ``gamma``, ``alpha`` and ``loss_weight``. Default
            None: gamma 2, alpha .25, weight 1.
        prior_prob (float): Score of every class before training, above 0 and below 1. Default
            0.01.
        exclusive (bool): What is scored. False: each class by itself, the sigmoids that were
            trained. True: a box has one class at most, and scores are the probabilities of
            independent sigmoids given that: ``exp(z_c) / (1 + sum_k exp(z_k))`` of the logits z.
            Classes that the model cannot tell apart share the score, instead of each giving a
            box of its own with the whole. Default False.
        init_cfg (dict | list[dict] | None): Initialisation of the layers; one that is given
            replaces the whole, the prior included. Default None: as the stock head, with the
            prior.
        **kwargs: As for ``BBoxHead``: ``num_classes``, ``in_channels``, ``roi_feat_size``,
            ``with_avg_pool``, ``with_reg``, ``bbox_coder``, ``reg_class_agnostic``,
            ``reg_decoded_bbox``, ``reg_predictor_cfg``, ``cls_predictor_cfg``, ``loss_bbox``,
            ``predict_box_type``.

    Raises:
        InputError: An unknown key, another loss, a head without classification, or an argument
            out of range.

    Source:
        Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, equation 5 and section 4.1
        (prior).

    Example:
        >>> head = FocalBBoxHead(num_classes=3, in_channels=4, roi_feat_size=2, fc_out_channels=8)
        >>> scores, deltas = head(torch.rand(5, 4, 2, 2))
        >>> scores.shape, deltas.shape
        (torch.Size([5, 3]), torch.Size([5, 12]))
    """

    def __init__(
        self,
        fc_out_channels: int = 1024,
        loss_cls: Mapping[str, Any] | None = None,
        prior_prob: float = 0.01,
        exclusive: bool = False,
        init_cfg: Any = None,
        **kwargs: Any,
    ) -> None:
        name = type(self).__name__
        own = ('fc_out_channels', 'prior_prob', 'exclusive')
        # The other keys of Shared2FCBBoxHead's bases are of layers that it does not have.
        reject_unknown_keys(name, kwargs, (*own, *constructor_keys(BBoxHead)))
        if not 0 < prior_prob < 1:
            raise InputError(f'{name}: prior_prob must be above 0 and below 1, got {prior_prob}')
        if not kwargs.get('with_cls', True):
            raise InputError(f'{name}: with_cls must be True, got False; use Shared2FCBBoxHead')
        if not isinstance(exclusive, bool):
            raise InputError(f'{name}: exclusive must be True or False, got {exclusive!r}')
        options = focal_config(name, loss_cls or _FOCAL)
        loss_cls = dict(type=_ClassFocalLoss, exclusive=exclusive, **options)
        if init_cfg is None:
            init_cfg = [
                dict(type='Normal', std=0.01, bias_prob=prior_prob, override=dict(name='fc_cls')),
                dict(type='Xavier', distribution='uniform', override=dict(name='shared_fcs')),
            ]
            if kwargs.get('with_reg', True):
                init_cfg.append(dict(type='Normal', std=0.001, override=dict(name='fc_reg')))
        super().__init__(fc_out_channels, loss_cls=loss_cls, init_cfg=init_cfg, **kwargs)

    def loss(
        self,
        cls_score: Tensor | None,
        bbox_pred: Tensor | None,
        rois: Tensor,
        labels: Tensor,
        label_weights: Tensor,
        bbox_targets: Tensor,
        bbox_weights: Tensor,
        reduction_override: str | None = None,
    ) -> dict[str, Tensor]:
        """Losses of the RoIs of a batch.

        Args:
            cls_score (Tensor | None): Logits, shape (N, num_classes); None for the box loss alone.
            bbox_pred (Tensor | None): Encoded boxes, shape (N, 4), or (N, 4 num_classes) where
                each class has its own; None without regression.
            rois (Tensor): ``batch index, x1, y1, x2, y2`` in image pixels, shape (N, 5).
            labels (Tensor): Class of each RoI, int64, shape (N,); ``num_classes``: background.
            label_weights (Tensor): Weight of each RoI, shape (N,).
            bbox_targets (Tensor): Encoded boxes, or boxes where ``reg_decoded_bbox``, (N, 4).
            bbox_weights (Tensor): Their weights, shape (N, 4).
            reduction_override (str | None): ``'none'`` for the loss of each RoI. Default None.

        Returns:
            dict[str, Tensor]: ``loss_cls``, ``loss_bbox`` (exactly 0 without positives) and
            ``acc``, per cent of RoIs classified right at a score of .5; those of what is given.
        """
        # Ranks wait for each other in it, so it comes before anything that depends on the batch.
        divisor = mean_positives([labels], self.num_classes)
        common = dict(avg_factor=divisor, reduction_override=reduction_override)
        losses = {}
        if cls_score is not None:
            # Compiled operators refuse to work on nothing.
            losses['loss_cls'] = cls_score.sum()
            if len(labels):
                losses['loss_cls'] = self.loss_cls(cls_score, labels, label_weights, **common)
            losses.update(self.loss_cls.get_accuracy(cls_score, labels))
        if bbox_pred is None:
            return losses
        positive = ((labels >= 0) & (labels < self.num_classes)).nonzero().flatten()
        boxes = bbox_pred
        if self.reg_decoded_bbox:
            boxes = get_box_tensor(self.bbox_coder.decode(rois[:, 1:], boxes))
        if not len(positive):
            losses['loss_bbox'] = boxes[positive].sum()
            return losses
        if self.reg_class_agnostic:
            boxes = boxes[positive]
        else:
            boxes = boxes.view(len(boxes), self.num_classes, -1)[positive, labels[positive]]
        losses['loss_bbox'] = self.loss_bbox(
            boxes, bbox_targets[positive], bbox_weights[positive], **common
        )
        return losses

    def background_scores(self, cls_score: Tensor) -> Tensor:
        """How sure the head is that a RoI has no class.

        1 less its best score, or less their sum where classes are exclusive.

        Args:
            cls_score (Tensor): Logits, shape (N, num_classes).

        Returns:
            Tensor: Shape (N,), float32, without gradient.

        Example:
            >>> head = FocalBBoxHead(num_classes=2, in_channels=1, roi_feat_size=1)
            >>> head.background_scores(torch.tensor([[0.0, -9.0], [-9.0, -9.0]]))
            tensor([0.5000, 0.9999])
        """
        scores = self.loss_cls.get_activation(cls_score.detach())
        return scores[:, -1] if self.loss_cls.exclusive else 1 - scores.amax(dim=1)

    def _predict_by_feat_single(
        self,
        roi: Tensor,
        cls_score: Tensor,
        bbox_pred: Tensor,
        img_meta: dict[str, Any],
        rescale: bool = False,
        rcnn_test_cfg: Any = None,
    ) -> InstanceData:
        """As the stock head; raw scores get the background column."""
        results = super()._predict_by_feat_single(
            roi, cls_score, bbox_pred, img_meta, rescale, rcnn_test_cfg
        )
        if rcnn_test_cfg is None and len(roi):
            results.scores[:, -1] = self.background_scores(cls_score)
        return results
