"""A student that learns from its own average, on single images or on all views of a part."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import torch
from mmdet.models.detectors import SemiBaseDetector
from mmdet.models.utils import rename_loss_dict, reweight_loss_dict
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor

from mmdefect.errors import InputError, reject_unknown_keys, strict_keys
from mmdefect.models.pseudo_labels.box_projection import project_boxes
from mmdefect.models.pseudo_labels.class_thresholds import ClassThresholds
from mmdefect.models.pseudo_labels.one_stage import OneStageStep
from mmdefect.models.pseudo_labels.policy import PseudoLabelPolicy
from mmdefect.models.pseudo_labels.statistics import PseudoLabelStatistics
from mmdefect.models.pseudo_labels.two_stage import TwoStageStep
from mmdefect.models.pseudo_labels.view_pair import ViewPair, bare_samples, pair_views
from mmdefect.registry import MODELS

__all__ = ['MultiViewSoftTeacher']

_KEYS = (
    'classes', 'burn_in', 'sup_weight', 'unsup_weight', 'warmup', 'thresholds', 'policy',
    'uncertainty', 'consensus', 'statistics', 'freeze_teacher',
)  # fmt: skip


@MODELS.register_module()
@strict_keys
class MultiViewSoftTeacher(SemiBaseDetector):
    """Soft Teacher for two-stage and one-stage detectors, with votes of the views of a part.

    The teacher finds boxes in weakly augmented unlabelled images; led through the homographies of
    the augmentations they teach the student, who sees the same images strongly augmented.

    * All of the teacher's boxes above the smallest threshold are kept. Which of them feed which
      loss is said by ``thresholds``: ``initial`` (candidates of box regression, beside the limit
      of ``uncertainty``), ``cls`` and, with an RPN, ``rpn``.
    * With ``consensus`` the views of a part vote, and the weights of boxes multiply their losses.
    * In a two-stage detector, background RoIs weigh as much as the teacher is sure of them.
    * Reference views feed the fusion of :class:`MultiViewDetector` and nothing else.
    * The teacher is in evaluation mode always, without gradients. It is averaged by
      :class:`mmdefect.engine.hooks.MeanTeacherHook`, during whose burn-in only labelled images
      count.

    Ground truth of unlabelled images is taken off before anything learns, and read by
    ``statistics`` alone, if at all.

    Args:
        detector (dict): Config of a detector: MMDetection's ``FasterRCNN``, ``RetinaNet`` and
            what takes its targets as they do, or :class:`MultiViewFasterRCNN` and
            :class:`MultiViewRetinaNet`. Student and teacher are both built of it.
        semi_train_cfg (dict): ``classes`` (Sequence[str]): names in the order of the labels.
            ``burn_in`` (int): iterations on labelled images alone, in which the teacher is a
            copy of the student, default 0: both begin with the weights of ``load_from``, be it
            a checkpoint of this model or of ``detector``.
            ``sup_weight``, ``unsup_weight`` (float): factors of the losses, default 1 each.
            ``warmup`` (int): iterations, after the burn-in, during which the unsupervised factor
            rises evenly, default 0. ``thresholds`` (dict):
            :class:`mmdefect.models.ClassThresholds` (default) or ``MixtureThresholds``.
            ``policy`` (dict): :class:`mmdefect.models.PseudoLabelPolicy`, whose ``clean_images``
            has no default. ``uncertainty`` (dict): :class:`mmdefect.models.BoxJitter` (default)
            for two-stage, ``CandidateSpread`` (default) for one-stage detectors. ``consensus``
            (dict | None): ``ViewConsensus``, default None. ``statistics`` (dict):
            :class:`mmdefect.models.PseudoLabelStatistics` (default).
        semi_test_cfg (dict | None): ``predict_on``, ``forward_on`` and ``extract_feat_on``,
            ``'teacher'`` or ``'student'``. Default None: teacher.
        data_preprocessor (dict | None): ``MultiBranchDataPreprocessor``. Default None.
        init_cfg (dict | None): As for any detector. Default None.

    Raises:
        InputError: A key is unknown or missing, a part does not fit the detector, or the number
            of classes differs from that of the detector's head.

    Source:
        Xu et al., "End-to-End Semi-Supervised Object Detection with Soft Teacher", ICCV 2021.

    Example:
        >>> MultiViewSoftTeacher(detector={}, semi_train_cfg=dict(class_names=['dent']))
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: MultiViewSoftTeacher: semi_train_cfg: unknown key \
'class_names'; did you mean 'classes'?
    """

    unsupervised_iterations: Tensor

    def __init__(
        self,
        detector: Mapping[str, Any],
        semi_train_cfg: Mapping[str, Any] | None = None,
        semi_test_cfg: Mapping[str, Any] | None = None,
        data_preprocessor: Mapping[str, Any] | None = None,
        init_cfg: Any = None,
        **unknown: Any,
    ) -> None:
        name = 'MultiViewSoftTeacher'
        known = ('detector', 'semi_train_cfg', 'semi_test_cfg', 'data_preprocessor', 'init_cfg')
        reject_unknown_keys(name, unknown, known)
        config = dict(semi_train_cfg or {})
        # Said, as MMDetection's validation loop writes back what it finds here.
        test_config = {'predict_on': 'teacher', **(semi_test_cfg or {})}
        reject_unknown_keys(f'{name}: semi_train_cfg', config, _KEYS)
        reject_unknown_keys(
            f'{name}: semi_test_cfg', test_config, ('predict_on', 'forward_on', 'extract_feat_on')
        )
        for key, twin in test_config.items():
            if twin not in ('teacher', 'student'):
                raise InputError(
                    f"{name}: semi_test_cfg.{key} must be 'teacher' or 'student', got {twin!r}"
                )
        if not config.get('classes'):
            raise InputError(f'{name}: semi_train_cfg.classes must name the classes; give them')
        if config.get('freeze_teacher', True) is not True:
            raise InputError(f'{name}: the teacher takes no gradients; remove freeze_teacher')
        super().__init__(detector, config, test_config, data_preprocessor, init_cfg)
        self._build_parts(config)
        # Set by MeanTeacherHook: while True, only the supervised loss counts.
        self.burning_in = False
        self.register_buffer('unsupervised_iterations', torch.zeros((), dtype=torch.int64))
        # What the teacher said in the last iteration, for whoever draws it.
        self.last_pseudo_labels: list[DetDataSample] = []

    def train(self, mode: bool = True) -> MultiViewSoftTeacher:
        """Put the student into training mode; the teacher stays in evaluation mode.

        Args:
            mode (bool): False for evaluation mode. Default True.

        Returns:
            MultiViewSoftTeacher: This model.
        """
        super().train(mode)
        self.teacher.eval()
        return self

    def loss(
        self,
        multi_batch_inputs: Mapping[str, Tensor],
        multi_batch_data_samples: Mapping[str, Sequence[DetDataSample]],
    ) -> dict[str, Any]:
        """Losses of labelled and unlabelled images, and numbers about the pseudo labels.

        Args:
            multi_batch_inputs (Mapping[str, Tensor]): Images of the branches ``sup``,
                ``unsup_teacher`` and ``unsup_student``, each of shape (N, C, h, w).
            multi_batch_data_samples (Mapping[str, Sequence[DetDataSample]]): Likewise.

        Returns:
            dict[str, Any]: ``sup_...`` and ``unsup_...`` losses, and scalars ``pseudo/...``.
            During the burn-in those of the labelled images only.

        Raises:
            InputError: The branches do not fit each other.
        """
        inputs, samples = multi_batch_inputs, multi_batch_data_samples
        losses = self.loss_by_gt_instances(inputs['sup'], samples['sup'])
        if self.burning_in:
            return losses
        self.thresholds.advance()
        bare = [bare_samples(samples[branch]) for branch in ('unsup_teacher', 'unsup_student')]
        with torch.no_grad():
            features, views = _extract(self.teacher, inputs['unsup_teacher'], bare[0])
        seen, student_views = _extract(self.student, inputs['unsup_student'], bare[1])
        pair = pair_views(views, student_views, inputs['unsup_student'].device)
        origin = {id(sample): index for index, sample in enumerate(bare[0])}
        originals = [samples['unsup_teacher'][origin[id(view)]] for view in views]
        boxes, learned, numbers = self._pseudo_labels(features, pair, originals)
        found, per_class, per_level = self.step.losses(
            self.student, seen, boxes, learned, self.teacher, features, pair
        )
        weight = self._unsupervised_weight()
        losses.update(rename_loss_dict('unsup_', reweight_loss_dict(found, weight)))
        numbers.update(self.statistics.positives(per_class, per_level))
        return {**losses, **numbers}

    def parse_losses(self, losses: dict[str, Any]) -> tuple[Tensor, dict[str, Tensor]]:
        """Sum the losses; numbers about pseudo labels are handed through to the log.

        MMEngine tells a loss by ``loss`` in its name, which may stand in the name of a class.

        Args:
            losses (dict[str, Any]): Of :meth:`loss`.

        Returns:
            tuple[Tensor, dict[str, Tensor]]: The sum, and what is logged.
        """
        numbers = {name: losses[name] for name in losses if name.startswith('pseudo/')}
        rest = {name: value for name, value in losses.items() if name not in numbers}
        total, logged = super().parse_losses(rest)
        return total, {**logged, **numbers}

    def _build_parts(self, config: Mapping[str, Any]) -> None:
        """Build what decides about pseudo labels, as it fits the detector."""
        detector, classes = self.student, tuple(config['classes'])
        two_stage = hasattr(detector, 'rpn_head')
        if two_stage and not getattr(detector, 'with_roi_head', False):
            raise InputError(
                'MultiViewSoftTeacher: a detector with an RPN needs a RoI head, '
                f'{type(detector).__name__} has none'
            )
        head = detector.roi_head.bbox_head if two_stage else detector.bbox_head
        number = getattr(head, 'num_classes', len(classes))
        if number != len(classes):
            raise InputError(
                f'MultiViewSoftTeacher: semi_train_cfg.classes names {len(classes)} classes, but '
                f'the detector has num_classes={number}; make them equal'
            )
        kind = TwoStageStep if two_stage else OneStageStep
        uncertainty = _build(config.get('uncertainty'), kind.uncertainty_type)
        if not isinstance(uncertainty, kind.uncertainty_type):
            raise InputError(
                f'MultiViewSoftTeacher: {type(detector).__name__} needs uncertainty of type '
                f'{kind.uncertainty_type.__name__}, got {type(uncertainty).__name__}'
            )
        self.step = kind(detector, uncertainty)
        self.thresholds = _build(
            config.get('thresholds'), ClassThresholds, classes=classes, two_stage=two_stage
        )
        self.policy = _build(config.get('policy'), PseudoLabelPolicy)
        self.policy.check(self.thresholds)
        self.statistics = _build(config.get('statistics'), PseudoLabelStatistics, classes=classes)
        votes = config.get('consensus')
        self.consensus = None if votes is None else _build(votes, None, classes=classes)
        self.burn_in, self.warmup = (_iterations(config, key) for key in ('burn_in', 'warmup'))
        for key in ('sup_weight', 'unsup_weight'):
            weight = config.get(key, 1.0)
            if not (isinstance(weight, Real) and 0 <= weight < math.inf):
                raise InputError(
                    f'MultiViewSoftTeacher: semi_train_cfg.{key} must be finite and >= 0, got '
                    f'{weight!r}'
                )

    def _unsupervised_weight(self) -> float:
        self.unsupervised_iterations += 1
        rise = self.unsupervised_iterations.item() / max(self.warmup, 1)
        return self.semi_train_cfg.get('unsup_weight', 1.0) * min(rise, 1.0)

    @torch.no_grad()
    def _pseudo_labels(
        self, features: tuple[Tensor, ...], pair: ViewPair, originals: Sequence[DetDataSample]
    ) -> tuple[list[InstanceData], list[bool], dict[str, Tensor]]:
        """Boxes of each image in the student's pixels, which images count, and the numbers."""
        thresholds, policy, images = self.thresholds, self.policy, len(pair.teacher)
        found = self.step.find(self.teacher, features, pair.teacher, policy.score_floor)
        candidates = _flat(found)
        thresholds.observe(candidates.scores, candidates.labels)
        kept = [policy.keep(image, thresholds) for image in found]
        votes: dict[str, Tensor] = {}
        if self.consensus is not None:
            kept, counts = self.consensus(kept, pair.teacher)
            votes = self.statistics.votes(*counts)
        boxes = _flat(kept)
        boxes.cls_weights = boxes.weights if 'weights' in boxes else torch.ones_like(boxes.scores)
        policy.mark(boxes, thresholds)
        boxes.reg_weights = boxes.cls_weights * self.step.regression_weights(
            self.teacher, features, boxes, pair.teacher_shapes
        )
        best = candidates.scores.new_zeros(images)
        best.scatter_reduce_(0, candidates.images, candidates.scores, 'amax')
        learned = policy.learned(boxes.images.bincount(minlength=images), best)
        numbers = {**self.statistics.summarise(candidates, boxes, thresholds, learned), **votes}
        if self.statistics.hidden_truth:
            truth = [sample.get('gt_instances', InstanceData()) for sample in originals]
            numbers.update(self.statistics.judge(boxes, truth))
        self._show(boxes, pair, originals)
        boxes = _with_doubtful(
            boxes, _flat([policy.doubtful(image, thresholds) for image in found])
        )
        boxes.bboxes = project_boxes(
            boxes.bboxes, pair.to_student[boxes.images], pair.student_shapes[boxes.images]
        )
        sides = (boxes.bboxes[:, 2:] - boxes.bboxes[:, :2]).amin(1)
        return _per_image(boxes[sides >= policy.min_size], images), learned.tolist(), numbers

    def _show(
        self, boxes: InstanceData, pair: ViewPair, originals: Sequence[DetDataSample]
    ) -> None:
        """Leave the pseudo labels, in the teacher's pixels, for whoever draws them."""
        self.last_pseudo_labels = bare_samples(pair.teacher)
        shown = _per_image(boxes[:], len(pair.teacher))
        for sample, found, original in zip(self.last_pseudo_labels, shown, originals, strict=True):
            sample.pred_instances = found
            if self.statistics.hidden_truth:
                sample.gt_instances = original.gt_instances


def _extract(
    detector: Any, inputs: Tensor, samples: list[DetDataSample]
) -> tuple[tuple[Tensor, ...], list[DetDataSample]]:
    """Feature maps and samples of the images that heads look at."""
    if hasattr(detector, 'extract_views'):
        return detector.extract_views(inputs, samples)
    return detector.extract_feat(inputs), samples


def _iterations(config: Mapping[str, Any], key: str) -> int:
    value = config.get(key, 0)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InputError(
            f'MultiViewSoftTeacher: semi_train_cfg.{key} must be an integer >= 0, got {value!r}'
        )
    return value


def _build(config: Mapping[str, Any] | None, kind: type | None, **given: Any) -> Any:
    """Build a part whose type has a default."""
    return MODELS.build({'type': kind, **(config or {})}, default_args=given)


def _flat(images: Sequence[InstanceData]) -> InstanceData:
    """All boxes of a batch, with the index of their image."""
    numbered = []
    for index, image in enumerate(images):
        image = image[:]
        image.images = image.labels.new_full((len(image),), index)
        numbered.append(image)
    return InstanceData.cat(numbered)


def _with_doubtful(boxes: InstanceData, doubtful: InstanceData) -> InstanceData:
    """Add boxes that no loss takes: all flags and weights are 0, but that they are ignorable."""
    if not len(doubtful):
        return boxes
    for name in set(boxes.keys()) - set(doubtful.keys()):
        field = boxes.get(name)
        doubtful.set_field(field.new_zeros(len(doubtful), *field.shape[1:]), name)
    doubtful.ignorable[:] = True
    return InstanceData.cat([boxes, doubtful])


def _per_image(boxes: InstanceData, images: int) -> list[InstanceData]:
    return [boxes[boxes.images == index] for index in range(images)]
