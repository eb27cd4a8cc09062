"""The unsupervised step of detectors with an RPN and a RoI head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmdet.models.roi_heads import StandardRoIHead
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor

from mmdefect.errors import InputError
from mmdefect.models.pseudo_labels.box_jitter import BoxJitter
from mmdefect.models.pseudo_labels.box_projection import project_boxes
from mmdefect.models.pseudo_labels.roi_losses import background_scores, roi_losses
from mmdefect.models.pseudo_labels.view_pair import ViewPair, pseudo_samples
from mmdefect.models.pseudo_labels.weighted_targets import can_weigh_targets, weighted_targets

__all__ = ['TwoStageStep']


class TwoStageStep:
    """Teacher's boxes, their regression weights and the student's losses, with RoIs.

    Args:
        detector (nn.Module): Student or teacher: both have the same structure.
        uncertainty (BoxJitter): How sure the teacher is of a box's place.

    Raises:
        InputError: The detector's heads take no weights of boxes.
    """

    uncertainty_type = BoxJitter

    def __init__(self, detector: Any, uncertainty: BoxJitter) -> None:
        for name, fits in (
            ('rpn_head', can_weigh_targets(detector.rpn_head)),
            ('roi_head', isinstance(detector.roi_head, StandardRoIHead)),
        ):
            if not fits:
                kind = type(getattr(detector, name)).__name__
                raise InputError(
                    f'MultiViewSoftTeacher: {name} of type {kind} takes no weights of single '
                    'boxes; use RPNHead or mmdefect.FocalRPNHead, and StandardRoIHead'
                )
        self.uncertainty = uncertainty

    def find(
        self,
        teacher: Any,
        features: tuple[Tensor, ...],
        samples: Sequence[DetDataSample],
        floor: float,
    ) -> list[InstanceData]:
        """Boxes of the teacher.

        Args:
            teacher (nn.Module): The teacher.
            features (tuple[Tensor, ...]): Its feature maps.
            samples (Sequence[DetDataSample]): Of its images.
            floor (float): Lowest score.

        Returns:
            list[InstanceData]: Per image ``bboxes``, ``scores`` and ``labels``.
        """
        # Upstream cuts with >, so well below.
        config = {**teacher.test_cfg.rcnn, 'score_thr': floor / 2}
        proposals = teacher.rpn_head.predict(features, samples, rescale=False)
        results = teacher.roi_head.predict_bbox(
            features,
            [sample.metainfo for sample in samples],
            proposals,
            rcnn_test_cfg=type(teacher.test_cfg.rcnn)(config),
            rescale=False,
        )
        return [found[found.scores >= floor] for found in results]

    def regression_weights(
        self,
        teacher: Any,
        features: tuple[Tensor, ...],
        boxes: InstanceData,
        shapes: Tensor,
    ) -> Tensor:
        """Weights of boxes in the box-regression loss, besides those of the consensus.

        Args:
            teacher (nn.Module): The teacher.
            features (tuple[Tensor, ...]): Its feature maps.
            boxes (InstanceData): With ``images`` and ``for_initial``, shape (K,).
            shapes (Tensor): ``h, w`` of the teacher's images, shape (B, 2).

        Returns:
            Tensor: 1 for candidates within the limit of uncertainty, else 0; shape (K,).
        """
        chosen = boxes[boxes.for_initial]
        spread = self.uncertainty.measure(
            teacher.roi_head,
            features,
            chosen.bboxes,
            chosen.labels,
            chosen.images,
            shapes[chosen.images],
        )
        weights = torch.zeros_like(boxes.scores)
        weights[boxes.for_initial] = (spread <= self.uncertainty.limit).to(weights.dtype)
        return weights

    def losses(
        self,
        student: Any,
        features: tuple[Tensor, ...],
        boxes: Sequence[InstanceData],
        learned: Sequence[bool],
        teacher: Any,
        teacher_features: tuple[Tensor, ...],
        pair: ViewPair,
    ) -> tuple[dict[str, Any], Tensor, Tensor]:
        """Losses of RPN and RoI head.

        Args:
            student (nn.Module): The student.
            features (tuple[Tensor, ...]): Its feature maps.
            boxes (Sequence[InstanceData]): Pseudo boxes of each image, in the student's pixels.
            learned (Sequence[bool]): Whether the image takes part.
            teacher (nn.Module): It says how much background RoIs weigh.
            teacher_features (tuple[Tensor, ...]): Its feature maps.
            pair (ViewPair): The way from the student's image to the teacher's.

        Returns:
            tuple[dict[str, Any], Tensor, Tensor]: Losses; positive RoIs per class; positive
            anchors per level.
        """
        proposed = [_for_rpn(image[image.for_rpn | image.ignorable]) for image in boxes]
        settings = student.train_cfg.get('rpn_proposal', student.test_cfg.rpn)
        with weighted_targets(student.rpn_head, proposed, learned) as counts:
            found, proposals = student.rpn_head.loss_and_predict(
                features, pseudo_samples(pair.student, proposed), proposal_cfg=settings
            )
        losses = {name if 'rpn' in name else f'rpn_{name}': value for name, value in found.items()}

        @torch.no_grad()
        def background_of(rois: Tensor) -> Tensor:
            images = rois[:, 0].long()
            places = project_boxes(
                rois[:, 1:], pair.to_teacher[images], pair.teacher_shapes[images]
            )
            outputs = teacher.roi_head._bbox_forward(
                teacher_features, torch.cat([rois[:, :1], places], 1)
            )
            return background_scores(teacher.roi_head.bbox_head, outputs['cls_score'])

        found, per_class = roi_losses(
            student.roi_head, features, proposals, boxes, learned, background_of
        )
        return {**losses, **found}, per_class, counts.per_level


def _for_rpn(boxes: InstanceData) -> InstanceData:
    """Objects without class, which weigh in both RPN losses as the consensus says."""
    return InstanceData(
        bboxes=boxes.bboxes,
        labels=torch.zeros_like(boxes.labels),
        scores=boxes.scores,
        for_cls=boxes.for_rpn,
        ignorable=boxes.ignorable,
        cls_weights=boxes.cls_weights,
        reg_weights=boxes.cls_weights * boxes.for_rpn,
    )
