"""Which of the teacher's boxes become pseudo labels, and what images without one teach."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.structures import InstanceData
from torch import Tensor

from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.models.pseudo_labels.class_thresholds import ClassThresholds
from mmdefect.registry import MODELS

__all__ = ['PseudoLabelPolicy']

_CLEAN = ('background', 'ignore', 'unless_doubtful')
_DOUBTFUL = ('background', 'ignore')


@MODELS.register_module()
class PseudoLabelPolicy:
    """Decides what feeds which loss; the numbers come from :class:`ClassThresholds`.

    An image is *clean* where no box of the teacher reaches the smallest threshold of its class.
    What a clean image teaches is decided for each image by itself.

    Args:
        clean_images (str): ``'background'``: everything in it is background. ``'ignore'``: it
            takes no part in any loss. ``'unless_doubtful'``: background if all its scores lie
            below ``doubtful_score``, else it takes no part. No default, as each is wrong
            somewhere: the first where the teacher misses much, the second where most images are
            clean and the false alarms on them are the problem.
        doubtful_boxes (str): What the place of a box teaches that a loss's threshold rejects.
            ``'background'``: background, with 1 less the score as weight where another loss keeps
            the box, else with full weight. ``'ignore'``: nothing; boxes count as doubtful from
            ``doubtful_score`` on. It keeps a teacher that misses much from teaching its misses.
            Default ``'background'``.
        doubtful_score (float): See there; in (0, 1). Default 0.2.
        score_floor (float): The teacher's boxes below are not looked at at all: no candidates, no
            score statistics, no votes. In (0, 1), at most the smallest threshold. Default 0.05.
        min_size (float): Pseudo boxes of which less than this many pixels of width or height are
            left in the student's image are dropped. Default 1.

    Raises:
        InputError: A key is unknown or missing, or a number is out of range.

    Example:
        >>> policy = PseudoLabelPolicy(clean_images='unless_doubtful', doubtful_score=0.3)
        >>> policy.learned(torch.tensor([2, 0, 0]), torch.tensor([0.9, 0.1, 0.3])).tolist()
        [True, True, False]
    """

    def __init__(
        self,
        clean_images: str | None = None,
        doubtful_boxes: str = 'background',
        doubtful_score: float = 0.2,
        score_floor: float = 0.05,
        min_size: float = 1.0,
        **unknown: Any,
    ) -> None:
        known = ('clean_images', 'doubtful_boxes', 'doubtful_score', 'score_floor', 'min_size')
        reject_unknown_keys('PseudoLabelPolicy', unknown, known)
        for key, word, words in (
            ('clean_images', clean_images, _CLEAN),
            ('doubtful_boxes', doubtful_boxes, _DOUBTFUL),
        ):
            if word not in words:
                raise InputError(
                    f'PseudoLabelPolicy: {key} must be one of {", ".join(words)}, got {word!r}'
                )
        for key, value in (('doubtful_score', doubtful_score), ('score_floor', score_floor)):
            if not 0 < value < 1:
                raise InputError(f'PseudoLabelPolicy: {key} must be in (0, 1), got {value}')
        if doubtful_score < score_floor:
            raise InputError(
                'PseudoLabelPolicy: doubtful_score must be at least score_floor, '
                f'got {doubtful_score} and {score_floor}'
            )
        if not 0 < min_size < float('inf'):
            raise InputError(f'PseudoLabelPolicy: min_size must be positive, got {min_size}')
        self.clean_images, self.doubtful_boxes = clean_images, doubtful_boxes
        self.doubtful_score = doubtful_score
        self.score_floor, self.min_size = score_floor, min_size

    def keep(self, boxes: InstanceData, thresholds: ClassThresholds) -> InstanceData:
        """Keep the boxes above the smallest threshold of their class.

        Args:
            boxes (InstanceData): With ``scores``, shape (K,), and ``labels``, int64, shape (K,).
            thresholds (ClassThresholds): In force.

        Returns:
            InstanceData: Those with ``score >= threshold``.
        """
        return boxes[boxes.scores >= thresholds.lowest()[boxes.labels]]

    def doubtful(self, boxes: InstanceData, thresholds: ClassThresholds) -> InstanceData:
        """Find the boxes that :meth:`keep` drops and whose places teach nothing.

        Args:
            boxes (InstanceData): As for :meth:`keep`.
            thresholds (ClassThresholds): In force.

        Returns:
            InstanceData: Those from ``doubtful_score`` on below all thresholds of their class;
            none where ``doubtful_boxes`` is ``'background'``.
        """
        if self.doubtful_boxes == 'background':
            return boxes[:0]
        below = boxes.scores < thresholds.lowest()[boxes.labels]
        return boxes[below & (boxes.scores >= self.doubtful_score)]

    def mark(self, boxes: InstanceData, thresholds: ClassThresholds) -> None:
        """Say of each box which losses it feeds.

        Args:
            boxes (InstanceData): With ``scores`` and ``labels``. It gets ``for_initial``,
                ``for_cls`` and, with an RPN, ``for_rpn``, bool, shape (K,); a score exactly on
                the threshold counts. ``ignorable``, bool, shape (K,): whether a loss that does
                not take the box takes nothing of its place.
            thresholds (ClassThresholds): In force.
        """
        for loss in thresholds.losses:
            boxes.set_field(boxes.scores >= thresholds.of(loss)[boxes.labels], f'for_{loss}')
        ignorable = self.doubtful_boxes == 'ignore'
        boxes.ignorable = torch.full_like(boxes.labels, ignorable, dtype=torch.bool)

    def learned(self, counts: Tensor, best: Tensor) -> Tensor:
        """Which images take part in the unsupervised losses.

        Args:
            counts (Tensor): Pseudo boxes of each image, int64, shape (B,).
            best (Tensor): Highest score of the teacher in each image, 0 without a box, shape (B,).

        Returns:
            Tensor: bool, shape (B,).
        """
        found = counts > 0
        if self.clean_images == 'background':
            return torch.ones_like(found)
        if self.clean_images == 'ignore':
            return found
        return found | (best < self.doubtful_score)

    def check(self, thresholds: ClassThresholds) -> None:
        """Compare the floor with the smallest thresholds that can come into force.

        Args:
            thresholds (ClassThresholds): They know how low they can go.

        Raises:
            InputError: The floor lies above one of them.
        """
        for name, value in zip(thresholds.classes, thresholds.bottom().tolist(), strict=True):
            if value < self.score_floor:
                raise InputError(
                    f'PseudoLabelPolicy: score_floor {self.score_floor} lies above the smallest '
                    f'threshold that class {name!r} can have, {value:.3g}; lower the floor'
                )
