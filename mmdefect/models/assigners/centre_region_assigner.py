"""Assignment of boxes to priors in bounded memory, for packed objects too."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from mmdet.models.task_modules.assigners import AssignResult, BaseAssigner
from mmdet.structures.bbox import get_box_tensor
from mmengine.structures import InstanceData
from torch import Tensor

from mmdefect.errors import InputError, strict_keys
from mmdefect.models.assigners.best_priors import BestPriors
from mmdefect.models.assigners.near_overlaps import block_rows, near_boxes, overlaps
from mmdefect.registry import TASK_UTILS

__all__ = ['CentreRegionAssigner']


@TASK_UTILS.register_module()
@strict_keys
class CentreRegionAssigner(BaseAssigner):
    """MMDetection's ``MaxIoUAssigner`` without its matrix, and with centre sampling.

    ``MaxIoUAssigner`` holds several matrices of all boxes times all priors: 8 GB for 150 boxes
    and 1.8 million anchors. Here runs of priors meet only the boxes that lie near them, a slice
    at a time, so memory grows with the priors alone. Without ``centre_ratio`` and
    ``neg_pos_ratio`` the result is the same, bit for bit on a CPU; on a GPU MMDetection does not
    define which of several boxes with equal IoU a prior gets.

    Between two objects that touch, an anchor of the right size has an IoU of 1/3 with each: at
    ``pos_iou_thr=.3`` every place of a packed shelf would be positive. With ``centre_ratio`` a
    prior is positive for the box that it overlaps most among those in whose centre region its
    centre lies. All others are judged by ``neg_iou_thr``, which may then lie above
    ``pos_iou_thr``: background below it, without effect on the loss from it on. The best priors
    of each box (``match_low_quality``) stay positive wherever they lie.

    Args:
        pos_iou_thr (float): IoU from which on a prior is positive, 0 to 1.
        neg_iou_thr (float | tuple[float, float]): IoU below which a prior is background; of a
            pair, background from the first to below the second. 0 to 1.
        min_pos_iou (float): Lowest IoU at which a box gets its best priors. Default 0, as in
            MMDetection, where a box that no prior overlaps gets all priors that it overlaps by
            zero; set it above 0 for dense scenes.
        gt_max_assign_all (bool): A box gets all priors of its highest IoU; False: the first.
            Default True.
        ignore_iof_thr (float): Priors of which more than this share lies in one ignored box take
            no part; negative: ignored boxes do not count. Default -1.
        ignore_wrt_candidates (bool): Share of the prior; False: of the ignored box. Default True.
        match_low_quality (bool): Each box gets its best priors, whatever their IoU from
            ``min_pos_iou`` on. Default True.
        centre_ratio (float | None): Sides of a box's centre region as a share of the box's,
            above 0, at most 1. Default None: no centre sampling.
        neg_pos_ratio (float | None): Background priors kept for each positive one, above 0; which
            ones is drawn from PyTorch's default generator, and the others take no part. Default
            None: all.
        min_negatives (int): Background priors kept in any case with ``neg_pos_ratio``, so that
            images without boxes teach too. Default 256.

    Raises:
        InputError: A key is unknown, missing or out of range.

    Source:
        Ren et al., "Faster R-CNN", NeurIPS 2015, section 3.1.2 (thresholds, best priors); Tian et
        al., "FCOS", TPAMI 2020, section 3.2 (centre sampling).

    Example:
        >>> import torch
        >>> from mmengine.structures import InstanceData
        >>> priors = InstanceData(priors=torch.tensor([[0.0, 0, 9, 9], [6, 0, 15, 9]]))
        >>> truth = InstanceData(bboxes=torch.tensor([[0.0, 0, 10, 10]]), labels=torch.tensor([2]))
        >>> result = CentreRegionAssigner(pos_iou_thr=0.3, neg_iou_thr=0.3).assign(priors, truth)
        >>> result.gt_inds.tolist(), result.labels.tolist()
        ([1, 0], [2, -1])
    """

    def __init__(
        self,
        pos_iou_thr: float,
        neg_iou_thr: float | Sequence[float],
        min_pos_iou: float = 0.0,
        gt_max_assign_all: bool = True,
        ignore_iof_thr: float = -1,
        ignore_wrt_candidates: bool = True,
        match_low_quality: bool = True,
        centre_ratio: float | None = None,
        neg_pos_ratio: float | None = None,
        min_negatives: int = 256,
    ) -> None:
        name = type(self).__name__
        pair = neg_iou_thr if isinstance(neg_iou_thr, Sequence) else (0.0, neg_iou_thr)
        if len(pair) != 2 or not 0 <= pair[0] <= pair[1] <= 1:
            raise InputError(
                f'{name}: neg_iou_thr must be a number in 0..1 or a pair of them, the lower one '
                f'first, got {neg_iou_thr!r}'
            )
        for key, value in (('pos_iou_thr', pos_iou_thr), ('min_pos_iou', min_pos_iou)):
            if not 0 <= value <= 1:
                raise InputError(f'{name}: {key} must be in 0..1, got {value!r}')
        if centre_ratio is not None and not 0 < centre_ratio <= 1:
            raise InputError(
                f'{name}: centre_ratio must be above 0 and at most 1, got {centre_ratio!r}'
            )
        if neg_pos_ratio is not None and not 0 < neg_pos_ratio < math.inf:
            raise InputError(
                f'{name}: neg_pos_ratio must be finite and above 0, got {neg_pos_ratio!r}'
            )
        if (
            isinstance(min_negatives, bool)
            or min_negatives != int(min_negatives)
            or (min_negatives < 0)
        ):
            raise InputError(
                f'{name}: min_negatives must be a whole number >= 0, got {min_negatives!r}'
            )
        self.pos_iou_thr, self.neg_iou_thr = pos_iou_thr, tuple(pair)
        self.min_pos_iou, self.match_low_quality = min_pos_iou, match_low_quality
        self.gt_max_assign_all = gt_max_assign_all
        self.ignore_iof_thr, self.ignore_wrt_candidates = ignore_iof_thr, ignore_wrt_candidates
        self.centre_ratio = centre_ratio
        self.neg_pos_ratio, self.min_negatives = neg_pos_ratio, min_negatives

    @torch.no_grad()
    def assign(
        self,
        pred_instances: InstanceData,
        gt_instances: InstanceData,
        gt_instances_ignore: InstanceData | None = None,
        **kwargs: Any,
    ) -> AssignResult:
        """Give each prior a box, the background or neither.

        Args:
            pred_instances (InstanceData): ``priors`` in pixels, shape (N, 4); those that lie near
                each other should follow each other, as anchors do.
            gt_instances (InstanceData): ``bboxes`` in pixels, shape (K, 4), and ``labels``, int64,
                shape (K,).
            gt_instances_ignore (InstanceData | None): ``bboxes``, shape (I, 4), whose priors take
                no part. Default None.
            **kwargs: Not used.

        Returns:
            AssignResult: ``gt_inds``: 0 for background, -1 for neither, else the box's position
            plus one, int64, shape (N,); ``max_overlaps``: highest IoU of each prior with a box,
            -1 for ignored ones, shape (N,); ``labels``: the box's class or -1, int64, shape (N,).
        """
        priors = get_box_tensor(pred_instances.priors)[:, :4]
        boxes = get_box_tensor(gt_instances.bboxes)[:, :4]
        if not len(priors) or not len(boxes):
            gt_inds = torch.zeros(len(priors), dtype=torch.int64, device=priors.device)
            best = boxes.new_zeros(len(priors))
            self._balance(gt_inds)
            return AssignResult(len(boxes), gt_inds, best, gt_inds.new_full(gt_inds.shape, -1))
        ignored = self._ignored(priors, gt_instances_ignore)
        best_priors = BestPriors(priors, boxes, ignored)
        gt_inds, best = self._best_boxes(priors, boxes, ignored, best_priors)
        positive = best >= self.pos_iou_thr if self.centre_ratio is None else gt_inds > 0
        background = (best >= self.neg_iou_thr[0]) & (best < self.neg_iou_thr[1]) & ~positive
        gt_inds.masked_fill_(~positive, -1).masked_fill_(background, 0)
        if self.match_low_quality:
            best_priors.give(gt_inds, self.min_pos_iou, self.gt_max_assign_all)
        self._balance(gt_inds)
        # Neither is -1, which reads the last entry.
        none = gt_inds.new_full((1,), -1)
        labels = torch.cat([none, gt_instances.labels.long(), none])[gt_inds]
        return AssignResult(len(boxes), gt_inds, best, labels)

    def _ignored(self, priors: Tensor, ignore: InstanceData | None) -> Tensor | None:
        """Which priors take no part, bool, shape (N,); None: all take part."""
        if self.ignore_iof_thr <= 0 or ignore is None or not len(ignore.bboxes):
            return None
        boxes = get_box_tensor(ignore.bboxes)[:, :4]
        ignored = torch.zeros(len(priors), dtype=torch.bool, device=priors.device)
        over = 'second' if self.ignore_wrt_candidates else 'first'
        for blocks, near in near_boxes(priors, boxes):
            rows = block_rows(blocks, len(priors))
            share = overlaps(boxes[near], priors[rows], over)
            ignored[rows] = share.amax(1) > self.ignore_iof_thr
        return ignored

    def _best_boxes(
        self, priors: Tensor, boxes: Tensor, ignored: Tensor | None, best_priors: BestPriors
    ) -> tuple[Tensor, Tensor]:
        """Best box of each prior, plus one (0: none has it in its centre), and its best IoU."""
        best = torch.zeros(len(priors), dtype=best_priors.highest.dtype, device=priors.device)
        if ignored is not None:
            best.masked_fill_(ignored, -1)
        # Where no box is near, all boxes are equals, and the first is taken.
        found = torch.full_like(best, self.centre_ratio is None, dtype=torch.int64)
        for blocks, near in near_boxes(priors, boxes):
            rows = block_rows(blocks, len(priors))
            some = priors[rows]
            iou = overlaps(boxes[near], some)
            if ignored is not None:
                iou.masked_fill_(ignored[rows][:, None], -1)
            if self.match_low_quality:
                best_priors.add(blocks, near, iou)
            highest, which = iou.max(1)
            best[rows] = highest
            if self.centre_ratio is None:
                found[rows] = torch.where(highest > 0, near.gather(1, which), 0) + 1
                continue
            iou.masked_fill_(~_in_centre(some, boxes[near], self.centre_ratio), -1)
            highest, which = iou.max(1)
            found[rows] = torch.where(highest >= self.pos_iou_thr, near.gather(1, which) + 1, 0)
        return found, best

    def _balance(self, gt_inds: Tensor) -> None:
        """Keep some of the background priors only; ``gt_inds`` is changed."""
        if self.neg_pos_ratio is None:
            return
        keep = max(self.min_negatives, int(self.neg_pos_ratio * int((gt_inds > 0).sum())))
        negatives = (gt_inds == 0).nonzero()[:, 0]
        if len(negatives) > keep:
            drawn = torch.randperm(len(negatives), device=gt_inds.device)
            gt_inds[negatives[drawn[keep:]]] = -1


def _in_centre(priors: Tensor, boxes: Tensor, ratio: float) -> Tensor:
    """Whether centres of priors (B, P, 4) are in centre regions of boxes (B, M, 4): (B, M, P)."""
    centres = (priors[..., :2] + priors[..., 2:])[:, None] / 2
    middles = (boxes[..., :2] + boxes[..., 2:])[:, :, None] / 2
    reach = (boxes[..., 2:] - boxes[..., :2])[:, :, None] * (ratio / 2)
    return ((centres - middles).abs() <= reach).all(3)
