"""How well the anchors of a config cover its boxes, and which would cover them better."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from mmengine.config import Config

from mmdefect.datasets.audit.table import Track
from mmdefect.engine.anchors.anchors_seen import AnchorsSeen, see_anchors, unreached_boxes
from mmdefect.engine.anchors.head_anchors import read_head_anchors
from mmdefect.engine.anchors.proposal import config_fragment, generator_keys
from mmdefect.engine.anchors.remarks import fit_notes, report_warnings
from mmdefect.engine.anchors.training_boxes import TrainingBoxes, read_training_boxes
from mmdefect.evaluation.anchors import (
    ShapeStatistics,
    best_shape_iou,
    fit_shapes,
    shape_statistics,
)
from mmdefect.evaluation.anchors.coverage import QUANTILES
from mmdefect.evaluation.anchors.fit import MOST_ANCHORS

__all__ = ['AnchorReport', 'report_anchors']

# Mean best IoU worth a new training.
_WORTH = 0.01


@dataclass(frozen=True)
class AnchorReport:
    """What ``mmdefect anchors`` shows.

    Args:
        config (str): The config.
        generator (str): Dotted key of its generator.
        kind (str): Type of it.
        boxes (TrainingBoxes): What was looked at.
        positive (float): IoU from which an anchor is positive.
        negative (float): IoU below which an anchor is negative.
        strides (list[float]): Stride of each level along x, pixels.
        statistics (list[ShapeStatistics]): Shapes of the boxes: all of them, then per class.
        now (AnchorsSeen): The config's anchors.
        now_sizes (np.ndarray): Their ``(w, h)``, pixels, shape (A, 2).
        transposed (float): Mean best IoU, shape only, of the transposed anchors.
        unreached (list[dict]): ``file``, ``class``, ``box`` (``xyxy`` in the file, pixels) and
            ``iou`` of boxes that no anchor of the config reaches, worst first, 1,000 at most.
        proposed (AnchorsSeen): The fitted anchors.
        proposed_sizes (np.ndarray): Their ``(w, h)``, pixels, shape (B, 2).
        keys (dict[str, Any]): They, as keys of ``DefectAnchorGenerator``.
        seed (int): Seed of the fit.
        warnings (list[str]): What should be changed.
        notes (list[str]): What was left out or assumed.
    """

    config: str
    generator: str
    kind: str
    boxes: TrainingBoxes
    positive: float
    negative: float
    strides: list[float]
    statistics: list[ShapeStatistics]
    now: AnchorsSeen
    now_sizes: npt.NDArray[np.float64]
    transposed: float
    unreached: list[dict[str, Any]]
    proposed: AnchorsSeen
    proposed_sizes: npt.NDArray[np.float64]
    keys: dict[str, Any]
    seed: int
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def fragment(self) -> str | None:
        """The proposal as a piece of config; None where it must be set by hand."""
        return config_fragment(self.generator, self.keys)

    @property
    def images(self) -> int:
        """Image files, each counted once."""
        return len(set(self.boxes.paths))

    @property
    def reach(self) -> float:
        """IoU below which an anchor learns background, whatever box it lies on."""
        return min(self.positive, self.negative)

    @property
    def gain(self) -> float:
        """Mean best IoU on the real grid that the proposal adds; negative where it loses."""
        return (self.proposed.total.grid.mean or 0.0) - (self.now.total.grid.mean or 0.0)

    @property
    def price(self) -> float:
        """Anchors of the proposal per present one."""
        return self.proposed.per_image / self.now.per_image

    @property
    def worthwhile(self) -> bool:
        """Whether the proposal covers the boxes clearly better, or about as well with fewer."""
        return self.gain >= _WORTH or (self.price < 1 and self.gain > -_WORTH)

    def fitted_to(self) -> dict[str, Any]:
        """Say in a file of anchors where they come from.

        Returns:
            dict[str, Any]: Config, generator, boxes, seed, coverage before and after.
        """
        return {
            'config': self.config,
            'generator': self.generator,
            'boxes': len(self.boxes.placed),
            'seed': self.seed,
            'coverage_before': asdict(self.now.total),
            'coverage_after': asdict(self.proposed.total),
        }

    def as_dict(self) -> dict[str, Any]:
        """What JSON shows of it.

        Returns:
            dict[str, Any]: Everything but the boxes.
        """
        return {
            'config': self.config,
            'generator': self.generator,
            'type': self.kind,
            'images': self.images,
            'boxes': len(self.boxes.placed),
            'input_size': list(self.boxes.input_size),
            'positive_iou': self.positive,
            'negative_iou': self.negative,
            'reach_iou': self.reach,
            'quantiles': list(QUANTILES),
            'statistics': [asdict(item) for item in self.statistics],
            'now': asdict(self.now),
            'transposed_mean_shape_iou': self.transposed,
            'unreached': self.unreached,
            'proposed': asdict(self.proposed),
            'anchors': self.keys,
            'fragment': self.fragment,
            'worthwhile': self.worthwhile,
            'seed': self.seed,
            'warnings': self.warnings,
            'notes': self.notes,
        }


def report_anchors(
    config: Config,
    name: str,
    *,
    head: str | None = None,
    budget: int | None = None,
    seed: int = 0,
    track: Track | None = None,
    progress: Callable[[str], None] | None = None,
) -> AnchorReport:
    """Measure the anchors of a config on its training boxes and fit better ones.

    Args:
        config (Config): Config of a detector with anchors.
        name (str): Its file, for messages.
        head (str | None): Which head, where several have anchors. Default None: the only one.
        budget (int | None): Anchors per place to fit. Default None: as many as now, 100 at most.
        seed (int): Seed of the fit and of scales that the pipeline draws. Default 0.
        track (Callable | None): Shows progress of reading. Default None.
        progress (Callable[[str], None] | None): Called with what is being done. Default None.

    Returns:
        AnchorReport: What was found.

    Raises:
        InputError: The config has no anchors or no boxes, or the budget is out of range.

    Example:
        >>> report_anchors(Config(dict(model=dict())), 'c.py')
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: c.py: no anchor generator; model is None, which has no \
anchors to fit: `mmdefect check` shows its positives per level, or take a config of RetinaNet, \
SSD or Faster R-CNN
    """
    say = progress or (lambda stage: None)
    found = read_head_anchors(config, name, head)
    say('reading the boxes')
    boxes = read_training_boxes(config, name, seed, track)
    say('fitting anchors')
    own = max(found.anchors.per_location)
    shapes = fit_shapes(
        boxes.placed,
        found.form,
        min(own, MOST_ANCHORS) if budget is None else budget,
        seed=seed,
        allowed_border=found.allowed_border,
        known=found.shapes,
    )
    fitted = found.form.anchors(shapes.ratios, shapes.scales)
    say('measuring coverage')
    now, best = see_anchors(found.anchors, boxes, found)
    proposed, _ = see_anchors(fitted, boxes, found)
    transposed = best_shape_iou(boxes.placed.extents, found.anchors.transposed())
    extents = boxes.placed.extents
    everything = np.zeros(len(extents), np.int64)
    report = AnchorReport(
        config=name,
        generator=found.path,
        kind=found.kind,
        boxes=boxes,
        positive=found.positive,
        negative=found.negative,
        strides=found.form.strides[:, 0].tolist(),
        statistics=[
            *shape_statistics(extents, everything, ['all']),
            *shape_statistics(extents, boxes.labels, boxes.classes),
        ],
        now=now,
        now_sizes=found.anchors.sizes,
        transposed=float(transposed.mean(dtype=np.float64)),
        unreached=unreached_boxes(best, boxes, min(found.positive, found.negative)),
        proposed=proposed,
        proposed_sizes=fitted.sizes,
        keys=generator_keys(found.form, shapes),
        seed=seed,
        notes=[*filter(None, [found.note]), *fit_notes(extents, own, budget), *boxes.notes],
    )
    report.warnings.extend(report_warnings(report, found.shapes))
    return report
