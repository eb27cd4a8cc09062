"""The unsupervised step of detectors with one dense head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor

from mmdefect.errors import InputError
from mmdefect.models.pseudo_labels.candidate_spread import CandidateSpread
from mmdefect.models.pseudo_labels.view_pair import ViewPair, pseudo_samples
from mmdefect.models.pseudo_labels.weighted_targets import can_weigh_targets, weighted_targets

__all__ = ['OneStageStep']


class OneStageStep:
    """Teacher's boxes, their regression weights and the student's losses, with anchors alone.

    Args:
        detector (nn.Module): Student or teacher: both have the same structure.
        uncertainty (CandidateSpread): How sure the teacher is of a box's place.

    Raises:
        InputError: The detector's head takes no weights of boxes.
    """

    uncertainty_type = CandidateSpread

    def __init__(self, detector: Any, uncertainty: CandidateSpread) -> None:
        if not can_weigh_targets(detector.bbox_head):
            raise InputError(
                f'MultiViewSoftTeacher: bbox_head of type {type(detector.bbox_head).__name__} '
                'takes no weights of single boxes; use RetinaHead or another head with the '
                'targets of AnchorHead'
            )
        self.uncertainty = uncertainty

    def find(
        self,
        teacher: Any,
        features: tuple[Tensor, ...],
        samples: Sequence[DetDataSample],
        floor: float,
    ) -> list[InstanceData]:
        """Boxes of the teacher, and how far the candidates around each spread.

        Args:
            teacher (nn.Module): The teacher.
            features (tuple[Tensor, ...]): Its feature maps.
            samples (Sequence[DetDataSample]): Of its images.
            floor (float): Lowest score.

        Returns:
            list[InstanceData]: Per image ``bboxes``, ``scores``, ``labels`` and ``spread``.
        """
        head = teacher.bbox_head
        metainfo = [sample.metainfo for sample in samples]
        # Upstream cuts with >, so well below.
        config = type(head.test_cfg)({**head.test_cfg, 'score_thr': floor / 2})
        options = dict(cfg=config, rescale=False)
        candidates = head.predict_by_feat(
            *head(features), batch_img_metas=metainfo, with_nms=False, **options
        )
        found = []
        for image, meta in zip(candidates, metainfo, strict=True):
            boxes = head._bbox_post_process(image[:], img_meta=meta, with_nms=True, **options)
            boxes = boxes[boxes.scores >= floor]
            boxes.spread = self.uncertainty.measure(boxes, image)
            found.append(boxes)
        return found

    def regression_weights(
        self,
        teacher: Any,
        features: tuple[Tensor, ...],
        boxes: InstanceData,
        shapes: Tensor,
    ) -> Tensor:
        """Weights of boxes in the box-regression loss, besides those of the consensus.

        Args:
            teacher (nn.Module): Not used.
            features (tuple[Tensor, ...]): Not used.
            boxes (InstanceData): With ``spread`` and ``for_initial``, shape (K,).
            shapes (Tensor): Not used.

        Returns:
            Tensor: Of the spread for candidates, else 0; shape (K,).
        """
        return self.uncertainty.weigh(boxes.spread) * boxes.for_initial

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
        """Losses of the dense head.

        Args:
            student (nn.Module): The student.
            features (tuple[Tensor, ...]): Its feature maps.
            boxes (Sequence[InstanceData]): Pseudo boxes of each image, in the student's pixels.
            learned (Sequence[bool]): Whether the image takes part.
            teacher (nn.Module): Not used.
            teacher_features (tuple[Tensor, ...]): Not used.
            pair (ViewPair): Samples of the student.

        Returns:
            tuple[dict[str, Any], Tensor, Tensor]: Losses; positive anchors per class; per level.
        """
        taught = [
            image[image.for_cls | (image.reg_weights > 0) | image.ignorable] for image in boxes
        ]
        with weighted_targets(student.bbox_head, taught, learned) as counts:
            losses = student.bbox_head.loss(features, pseudo_samples(pair.student, taught))
        return losses, counts.per_class, counts.per_level
