"""The registered metric of multi-view inspection: per view, and per part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.dist import get_world_size
from mmengine.logging import MMLogger

from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.evaluation.analysis import Analysis
from mmdefect.evaluation.defect_metric import DefectMetric, name_numbers, read_result
from mmdefect.evaluation.evidence import describe_numbers
from mmdefect.evaluation.log_tables import log_text
from mmdefect.evaluation.part_analysis import analyse_parts
from mmdefect.evaluation.view_result import ViewResult
from mmdefect.geometry import MERGE_METHODS, as_homography, between_corners
from mmdefect.registry import METRICS

__all__ = ['MultiViewMetric']


@METRICS.register_module()
class MultiViewMetric(DefectMetric):
    """What :class:`DefectMetric` says, over inspect views; and the same over parts.

    A part counts as one: its detections are merged in part coordinates, and a defect that several
    views show is one defect, found if it is found in any of them (``defect_id`` of the
    annotations; where that is absent, by overlap). So ``part_recall`` is the share of defects
    found, ``part_false_alarms_per_good_part`` what a good part is blamed for, and
    ``part_flagged`` and ``part_specificity`` are shares of bad and good parts. Free views are not
    merged (:func:`mmdefect.evaluation.part_analysis.analyse_parts`). Reference views are left
    out. A part may have any number of views; views of one part may come in any order, from any
    rank, and one that a sampler repeats counts once.

    Args:
        max_dets (int): Best-scored detections counted per view and class, and, after merging, per
            part and class. Default 100.
        evidence_images (int): Views whose boxes are kept in :attr:`evidence`. Default 2000.
        merge ('nms' | 'soft_nms' | 'wbf' | 'voting'): How :func:`mmdefect.geometry.merge_views`
            merges. Default ``nms``.
        merge_overlap (float): Overlap from which boxes of two views are the same, above 0, at
            most 1. Default 0.5.
        merge_min_votes (int): Views that ``voting`` asks for, at least 1. Default 2.
        inside (float): Lowest share of a place that an image must contain to show it, above 0,
            at most 1. Default 0.75.
        collect_device (str): ``cpu`` or ``gpu``, for several ranks. Default ``cpu``.
        prefix (str | None): Prefix of the metric names. Default None, which is ``mmdefect``.
        **unknown: Refused, naming the nearest known key.

    Raises:
        InputError: An unknown key or a value out of range.

    Example:
        >>> MultiViewMetric(merge='mean')
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: MultiViewMetric: merge must be one of nms, soft_nms, wbf,
        voting, got 'mean'
    """

    def __init__(
        self,
        max_dets: int = 100,
        evidence_images: int = 2000,
        merge: str = 'nms',
        merge_overlap: float = 0.5,
        merge_min_votes: int = 2,
        inside: float = 0.75,
        collect_device: str = 'cpu',
        prefix: str | None = None,
        **unknown: Any,
    ) -> None:
        known = (
            'max_dets', 'evidence_images', 'merge', 'merge_overlap', 'merge_min_votes', 'inside',
            'collect_device', 'prefix',
        )  # fmt: skip
        reject_unknown_keys('MultiViewMetric', unknown, known)
        if merge not in MERGE_METHODS:
            raise InputError(
                f'MultiViewMetric: merge must be one of {", ".join(MERGE_METHODS)}, got {merge!r}'
            )
        for key, value in (('merge_overlap', merge_overlap), ('inside', inside)):
            if not 0 < value <= 1:
                raise InputError(
                    f'MultiViewMetric: {key} must be above 0 and at most 1, got {value!r}'
                )
        if merge_min_votes < 1:
            raise InputError(
                f'MultiViewMetric: merge_min_votes must be at least 1, got {merge_min_votes!r}'
            )
        super().__init__(
            max_dets=max_dets,
            evidence_images=evidence_images,
            collect_device=collect_device,
            prefix=prefix,
        )
        self.merge = merge
        self.merge_overlap = merge_overlap
        self.merge_min_votes = merge_min_votes
        self.inside = inside

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep ground truth and detections of the inspect views of one batch.

        Args:
            data_batch (Any): Not used.
            data_samples (Sequence[dict]): Outputs of the model with ``pred_instances`` and the
                meta keys ``instances``, ``img_path``, ``ori_shape``, ``part_id``, ``view_id``
                and, where they exist, ``view_role`` and ``part_homography``.

        Raises:
            InputError: A meta key is missing, or ``part_homography`` is no homography.
            ValueError: A box or score is not finite.
        """
        for sample in data_samples:
            if sample.get('view_role') != 'reference':
                self.results.append(_read_view(sample))

    def evaluate(self, size: int) -> dict[str, float]:
        """Bring the views of all ranks together and measure.

        Args:
            size (int): Items of the data set; not used, as an item has several views.

        Returns:
            dict[str, float]: What :meth:`compute_metrics` returns, with the prefix.
        """
        # One entry per rank: collecting by items would cut the views of a part off.
        self.results = [list(self.results)]
        return super().evaluate(get_world_size())

    def compute_metrics(self, results: list[list[ViewResult]]) -> dict[str, float]:
        """Measure views and parts, print both tables and keep the evidence.

        Args:
            results (list[list[ViewResult]]): Views of each rank.

        Returns:
            dict[str, float]: What :meth:`DefectMetric.compute_metrics` returns for the views; the
            same for parts, under names that start with ``part_`` (``part_AP50``,
            ``part_recall/<class>``), with ``part_false_alarms_per_good_part`` for the one per
            good image; ``part_flagged``, the share of bad parts with a detection, and
            ``part_specificity``, that of good parts without.

        Raises:
            InputError: The dataset has no class names, or some views of a part are registered
                and others are not.
        """
        unique = {(view.part_id, view.view_id): view for rank in results for view in rank}
        views = list(unique.values())
        metrics = super().compute_metrics([view.image for view in views])
        classes = list(self.dataset_meta['classes'])
        options = {'min_votes': self.merge_min_votes} if self.merge == 'voting' else {}
        analysis = analyse_parts(
            views,
            len(classes),
            self.max_dets,
            inside=self.inside,
            min_overlap=self.merge_overlap,
            method=self.merge,
            **options,
        )
        self.evidence['parts'] = {'merge': self.merge, **describe_numbers(analysis, classes)}
        MMLogger.get_current_instance().info(
            f'\n{analysis.images} parts of {len(views)} views, merged by {self.merge}:\n'
            + log_text(analysis, classes, image='part', boxes='defects')
        )
        return {**metrics, **_name_part_numbers(analysis, classes)}


def _name_part_numbers(analysis: Analysis, classes: list[str]) -> dict[str, float]:
    numbers = {f'part_{key}': value for key, value in name_numbers(analysis, classes).items()}
    alarms = numbers.pop('part_false_alarms_per_good_image')
    return {
        'part_false_alarms_per_good_part': alarms,
        'part_flagged': float(analysis.table.image_recall()[analysis.at]),
        'part_specificity': float(analysis.table.specificity()[analysis.at]),
        **numbers,
    }


def _read_view(sample: dict) -> ViewResult:
    for key in ('part_id', 'view_id'):
        if sample.get(key) is None:
            raise InputError(
                f"MultiViewMetric: the meta key '{key}' does not reach the metric; use "
                "dict(type='mmdefect.MultiViewDataset') and pack with mmdefect.PackInputs"
            )
    image = read_result(sample)
    to_part = sample.get('part_homography')
    if to_part is not None:
        try:
            to_part = between_corners(as_homography(to_part, 'part_homography'))
        except ValueError as error:
            raise InputError(f'{image.path}: {error}') from error
    return ViewResult(
        image=image,
        part_id=sample['part_id'],
        view_id=int(sample['view_id']),
        to_part=to_part,
        defect_ids=tuple(item.get('defect_id') for item in sample['instances']),
    )
