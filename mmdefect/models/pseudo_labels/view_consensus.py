"""What several views say of the same place decides how much a pseudo label weighs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import BaseBoxes, get_box_tensor
from mmengine.structures import InstanceData

from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.geometry import group_views
from mmdefect.models.fusion.part_views import PartViews
from mmdefect.models.pseudo_labels.part_boxes import PartBoxes, box_from_views, join_boxes
from mmdefect.models.pseudo_labels.view_frame import ViewFrame, read_view_frame
from mmdefect.registry import MODELS

__all__ = ['ConsensusCounts', 'ViewConsensus']

# Pixels; thinner boxes are no labels.
_MIN_SIDE = 1.0


@dataclass(frozen=True, slots=True)
class _Votes:
    """Which of V views had a vote on N boxes, (V, N); how many, their votes, what those make up."""

    had_vote: npt.NDArray[np.bool_]
    votes: npt.NDArray[np.int64]
    views: npt.NDArray[np.int64]
    support: npt.NDArray[np.float64]


class ConsensusCounts(NamedTuple):
    """What the views of a batch said.

    Attributes:
        judged (NDArray): Boxes of each class that two or more views had a vote on, int64, (C,).
        confirmed (NDArray): Those of them with all the votes that their class asks for, (C,).
        added (int): Boxes added to views that missed them.
    """

    judged: npt.NDArray[np.int64]
    confirmed: npt.NDArray[np.int64]
    added: int


@MODELS.register_module()
class ViewConsensus:
    """Weigh pseudo labels by how many views of the part confirm them.

    **Registered views** (``part_homography`` known): a box of the teacher is led through the
    inverse of its augmentation into its view and on to the part, as a quadrilateral. Boxes of one
    class in different views are matched one to one by intersection over the smaller
    (:func:`mmdefect.geometry.group_views`). A view has a vote on a box if its image contains at
    least ``inside`` of the place; it votes for the box if it has one in the same group.

    **Free views** (``part_homography`` absent): every view has a vote, and it votes for a box if
    it has one of the same class.

    Where fewer than two views have a vote, the weight stays 1. Else a box with as many votes as
    its class asks for (or as there are, if fewer) is confirmed and weighs ``confirmed_weight``,
    one that only its own view votes for ``lonely_weight``, and between the two the weight rises
    evenly. Reference views neither vote nor are changed, except that their labels weigh 1.

    With ``add_missed``, a confirmed box is added to each view that has a vote but no box of the
    group: the upright box that the other views suggest
    (:func:`mmdefect.models.pseudo_labels.part_boxes.box_from_views`), clipped. Boxes cut off by
    the border of their image say nothing there unless there are no others.

    Args:
        min_overlap (float): Lowest intersection over the smaller of a match, above 0, at most 1.
            Default 0.5.
        inside (float): Lowest share of a place that an image must contain to have a vote, above
            0, at most 1. Default 0.75.
        min_votes (int | Mapping[str, int]): Votes that confirm a box, its own included, at least
            2; or by class name, for hard classes, 2 for those not named. Default 2.
        classes (Sequence[str] | None): Class names in label order, for the counts, and
            needed where ``min_votes`` has names. Default None.
        confirmed_weight (float): Weight of a confirmed box, at least 1. Default 1.25.
        lonely_weight (float): Weight of a box that no other view confirms, 0 to 1. Default 0.5.
        add_missed (bool): Add confirmed boxes to views that missed them; registered views only.
            Default False.
        added_weight (float): Weight of an added box, 0 or more. Default 0.5.
        **unknown: Refused, naming the nearest known key.

    Raises:
        InputError: An unknown key or class name, or a value out of range.

    Source:
        This project; no paper.

    Example:
        >>> meta = dict(part_id='p', homography_matrix=np.eye(3), part_homography=np.eye(3),
        ...             img_shape=(50, 50), ori_shape=(50, 50))
        >>> samples = [DetDataSample(metainfo=dict(meta, view_id=view)) for view in range(3)]
        >>> found = [InstanceData(bboxes=torch.tensor(boxes), scores=torch.full((len(boxes),), .9),
        ...                       labels=torch.zeros(len(boxes), dtype=torch.int64))
        ...          for boxes in ([[5., 5, 20, 20]], [[6., 5, 20, 20], [30., 30, 40, 40]],
        ...                        torch.zeros(0, 4))]
        >>> labels, counts = ViewConsensus(add_missed=True)(found, samples)
        >>> [instances.weights.tolist() for instances in labels]
        [[1.25], [1.25, 0.5], [0.5]]
        >>> labels[2].bboxes.tolist(), labels[2].added.tolist()
        ([[6.0, 5.0, 20.0, 20.0]], [True])
        >>> counts
        ConsensusCounts(judged=array([3]), confirmed=array([2]), added=1)
    """

    def __init__(
        self,
        min_overlap: float = 0.5,
        inside: float = 0.75,
        min_votes: int | Mapping[str, int] = 2,
        classes: Sequence[str] | None = None,
        confirmed_weight: float = 1.25,
        lonely_weight: float = 0.5,
        add_missed: bool = False,
        added_weight: float = 0.5,
        **unknown: Any,
    ) -> None:
        known = (
            'min_overlap', 'inside', 'min_votes', 'classes', 'confirmed_weight', 'lonely_weight',
            'add_missed', 'added_weight',
        )  # fmt: skip
        reject_unknown_keys('ViewConsensus', unknown, known)
        for key, value, low, high in (
            ('min_overlap', min_overlap, 1e-6, 1),
            ('inside', inside, 1e-6, 1),
            ('confirmed_weight', confirmed_weight, 1, np.inf),
            ('lonely_weight', lonely_weight, 0, 1),
            ('added_weight', added_weight, 0, np.inf),
        ):
            if not low <= value <= high:
                limits = f'{low:g} to {high:g}' if high < np.inf else f'at least {low:g}'
                raise InputError(f'ViewConsensus: {key} must be {limits}, got {value!r}')
        self.min_overlap = min_overlap
        self.inside = inside
        self.confirmed_weight = confirmed_weight
        self.lonely_weight = lonely_weight
        self.add_missed = add_missed
        self.added_weight = added_weight
        self.classes = tuple(classes or ())
        self._min_votes = _votes_by_label(min_votes, classes)

    def __call__(
        self, predictions: list[InstanceData], samples: Sequence[DetDataSample]
    ) -> tuple[list[InstanceData], ConsensusCounts]:
        """Weigh the teacher's boxes of a batch.

        Args:
            predictions (list[InstanceData]): Per image the teacher's boxes: ``bboxes`` (``x1, y1,
                x2, y2`` in pixels of its augmented image, (N, 4)), ``scores`` (N,) and
                ``labels`` (N,). Not changed.
            samples (Sequence[DetDataSample]): Per image the meta keys ``part_id``, ``view_id``,
                ``homography_matrix``, ``img_shape``, ``ori_shape`` and, where they exist,
                ``view_role`` and ``part_homography``.

        Returns:
            tuple[list[InstanceData], ConsensusCounts]: Per image the same boxes with ``weights``
            (float32) and ``added`` (bool), added ones last; what else the boxes carry, an added
            box has from the best box of its group. And how many were judged, confirmed, added.

        Raises:
            InputError: A meta key is missing or no homography, a label has no class, or some
                views of a part are registered and others are not.
            ValueError: The two lists differ in length, or a box is not finite.
        """
        if len(predictions) != len(samples):
            raise ValueError(
                f'predictions and samples must have the same length, got {len(predictions)} and '
                f'{len(samples)}'
            )
        weights = [np.ones(len(instances), np.float32) for instances in predictions]
        added: list[list[InstanceData]] = [[] for _ in predictions]
        # Labels of the boxes that two or more views had a vote on, and of the confirmed ones.
        judged: list[npt.NDArray[np.int64]] = []
        confirmed: list[npt.NDArray[np.int64]] = []
        views = PartViews(samples)
        for slots, inspect in zip(views.slots, views.inspect, strict=True):
            images = slots[inspect]
            frames = {int(image): read_view_frame(samples[image]) for image in images}
            boxes = join_boxes(predictions, frames)
            registered = _is_registered(frames, samples)
            groups = self._group(boxes, registered)
            votes = self._count_votes(boxes, groups, frames if registered else None)
            several = votes.views >= 2
            rise = (self.confirmed_weight - self.lonely_weight) * votes.support
            weight = np.where(several, self.lonely_weight + rise, 1)
            for image in images:
                own = boxes.image == image
                weights[image][boxes.row[own]] = weight[own]
            judged.append(boxes.labels[several])
            confirmed.append(boxes.labels[several & (votes.support >= 1)])
            if self.add_missed and registered:
                self._add(predictions, frames, boxes, groups, votes, added)
        number = _count_labels(judged, len(self.classes))
        counts = ConsensusCounts(
            number, _count_labels(confirmed, len(number)), sum(map(len, added))
        )
        labels = [
            _finish(*parts, self.added_weight)
            for parts in zip(predictions, weights, added, strict=True)
        ]
        return labels, counts

    def _group(self, boxes: PartBoxes, registered: bool) -> npt.NDArray[np.int64]:
        if not registered:
            return boxes.labels
        return group_views(boxes.places, boxes.image, boxes.labels, self.min_overlap)

    def _count_votes(
        self,
        boxes: PartBoxes,
        groups: npt.NDArray[np.int64],
        frames: dict[int, ViewFrame] | None,
    ) -> _Votes:
        """Votes of the views for each box; without frames every view has a vote."""
        votes = boxes.has_any(groups)
        had_vote = np.ones_like(votes)
        for view, frame in enumerate((frames or {}).values()):
            had_vote[view] = frame.shares_shown(boxes.places) >= self.inside
            had_vote[view] |= boxes.image == boxes.images[view]
        number, views = (votes & had_vote).sum(axis=0), had_vote.sum(axis=0)
        wanted = np.minimum(self._wanted(boxes.labels), views)
        # Where only its own view has a vote, nothing supports a box.
        support = (number - 1) / np.maximum(wanted - 1, 1)
        return _Votes(had_vote, number, views, support.clip(0, 1))

    def _wanted(self, labels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        if self._min_votes.size == 1:
            return np.full(len(labels), self._min_votes)
        if len(labels) and labels.max() >= len(self._min_votes):
            raise InputError(
                f'ViewConsensus: label {labels.max()} has no name; classes lists '
                f'{len(self._min_votes)}'
            )
        return self._min_votes[labels]

    def _add(
        self,
        predictions: list[InstanceData],
        frames: dict[int, ViewFrame],
        boxes: PartBoxes,
        groups: npt.NDArray[np.int64],
        votes: _Votes,
        added: list[list[InstanceData]],
    ) -> None:
        """Put what confirmed groups hold into the images that missed it."""
        for group in np.unique(groups[(votes.views > votes.votes) & (votes.support >= 1)]):
            members = np.flatnonzero(groups == group)
            order = np.lexsort((-boxes.scores[members], boxes.cut_off[members]))
            leader = members[order[0]]
            trusted = members[order][~boxes.cut_off[members[order]]]
            places = boxes.places[trusted if len(trusted) else [leader]]
            missed = votes.had_vote[:, leader] & ~np.isin(boxes.images, boxes.image[members])
            for image in boxes.images[missed].tolist():
                frame = frames[image]
                box = box_from_views(places, frame, self.min_overlap)
                if (box[2:] - box[:2]).min() >= _MIN_SIDE:
                    source = predictions[boxes.image[leader]]
                    score = float(boxes.scores[members].mean())
                    added[image].append(_copy(source, int(boxes.row[leader]), box, score))


def _votes_by_label(
    min_votes: int | Mapping[str, int], classes: Sequence[str] | None
) -> npt.NDArray[np.int64]:
    """One number for all, shape (), or one per label, shape (C,)."""
    named = dict(min_votes) if isinstance(min_votes, Mapping) else {'min_votes': min_votes}
    for name, value in named.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 2:
            raise InputError(
                f'ViewConsensus: min_votes must be a whole number of at least 2, got {value!r} '
                f'for {name}; a box always has the vote of its own view'
            )
    if not isinstance(min_votes, Mapping):
        return np.array(min_votes, np.int64)
    if classes is None:
        raise InputError(
            'ViewConsensus: min_votes names classes; give classes=(...) in label order too'
        )
    reject_unknown_keys('ViewConsensus min_votes', min_votes, classes)
    return np.array([min_votes.get(name, 2) for name in classes], np.int64).reshape(-1)


def _is_registered(frames: dict[int, ViewFrame], samples: Sequence[DetDataSample]) -> bool:
    free = [image for image, frame in frames.items() if frame.to_part is None]
    if free and len(free) < len(frames):
        raise InputError(
            f'{samples[free[0]].get("img_path")}: part_homography is absent, but other views of '
            f'part {samples[free[0]].get("part_id")!r} have one; give it to all views or to none'
        )
    return not free


def _copy(source: InstanceData, row: int, box: npt.NDArray[np.float64], score: float) -> Any:
    """One instance like a given one, elsewhere."""
    instance = source[[row]]
    boxes = get_box_tensor(instance.bboxes).new_tensor(box[None])
    is_plain = not isinstance(instance.bboxes, BaseBoxes)
    instance.bboxes = boxes if is_plain else type(instance.bboxes)(boxes)
    instance.scores = instance.scores.new_tensor([score])
    return instance


def _finish(
    instances: InstanceData,
    weights: npt.NDArray[np.float32],
    added: list[InstanceData],
    added_weight: float,
) -> InstanceData:
    """A copy of instances, with the added ones behind, and their weights."""
    device = get_box_tensor(instances.bboxes).device
    joined = InstanceData.cat([instances, *added]) if added else instances.new()
    joined.weights = torch.from_numpy(
        np.append(weights, np.full(len(added), added_weight, np.float32))
    ).to(device)
    joined.added = torch.arange(len(weights) + len(added), device=device) >= len(weights)
    return joined


def _count_labels(labels: list[npt.NDArray[np.int64]], classes: int) -> npt.NDArray[np.int64]:
    none = np.zeros(0, np.int64)
    return np.bincount(np.concatenate([none, *labels]), minlength=classes)
