"""How well the anchors of a config cover its boxes, and which would cover them better."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from mmengine.config import Config

from mmdefect.datasets.audit.table import Track
from mmdefect.engine.anchors.head_anchors import HeadAnchors, read_head_anchors
from mmdefect.engine.anchors.proposal import config_fragment, generator_keys
from mmdefect.engine.anchors.training_boxes import TrainingBoxes, read_training_boxes
from mmdefect.evaluation.anchors import (
    AnchorSet,
    Coverage,
    FittedShapes,
    ShapeStatistics,
    best_grid_iou,
    best_shape_iou,
    fit_shapes,
    shape_statistics,
)
from mmdefect.evaluation.anchors.coverage import QUANTILES
from mmdefect.wording import counted

__all__ = ['AnchorReport', 'AnchorsSeen', 'ClassCoverage', 'report_anchors']

# Mean best IoU by which transposed ratios must win to be worth a word.
_TRANSPOSED = 0.01
# Mean best IoU worth a new training.
_WORTH = 0.01
# Boxes below which the fit says little of others.
_FEW = 30
# Unreached boxes that are listed, worst first.
_LISTED = 1000


@dataclass(frozen=True, slots=True)
class ClassCoverage:
    """Coverage of the boxes of a class.

    Args:
        name (str): The class.
        shape (Coverage): With the anchors centred on each box.
        grid (Coverage): With the anchors where they are.

    Example:
        >>> ClassCoverage('rust', Coverage.of([.8], .5), Coverage.of([.6], .5)).grid.at_70
        0.0
    """

    name: str
    shape: Coverage
    grid: Coverage


@dataclass(frozen=True, slots=True)
class AnchorsSeen:
    """A set of anchors against the boxes.

    Args:
        per_location (list[int]): Anchors per place of each level.
        per_image (int): Anchors of an input of median size.
        total (ClassCoverage): Coverage of all boxes.
        classes (list[ClassCoverage]): Coverage of each class.
        levels (list[float]): Share of the boxes that each level covers best.
        unreached (int): Boxes with which every anchor stays below both thresholds.

    Example:
        >>> total = ClassCoverage('all', Coverage.of([.8], .5), Coverage.of([.6], .5))
        >>> AnchorsSeen([9], 900, total, [], [1.0], 0).per_image
        900
    """

    per_location: list[int]
    per_image: int
    total: ClassCoverage
    classes: list[ClassCoverage]
    levels: list[float]
    unreached: int


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
    def fragment(self) -> str:
        """The proposal as a piece of config."""
        return config_fragment(self.generator, self.keys)

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
            'images': len(self.boxes.paths),
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
        budget (int | None): Anchors per place to fit. Default None: as many as now.
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
    shapes = fit_shapes(
        boxes.placed,
        found.form,
        max(found.anchors.per_location) if budget is None else budget,
        seed=seed,
        allowed_border=found.allowed_border,
        known=found.shapes,
    )
    fitted = found.form.anchors(shapes.ratios, shapes.scales)
    say('measuring coverage')
    now, best = _see(found.anchors, boxes, found)
    proposed, _ = _see(fitted, boxes, found)
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
        unreached=_unreached(best, boxes, min(found.positive, found.negative)),
        proposed=proposed,
        proposed_sizes=fitted.sizes,
        keys=generator_keys(found.form, shapes),
        seed=seed,
        notes=[*filter(None, [found.note, _few_shapes(extents)]), *boxes.notes],
    )
    report.warnings.extend(_warnings(report, found.shapes))
    return report


def _see(
    anchors: AnchorSet, boxes: TrainingBoxes, found: HeadAnchors
) -> tuple[AnchorsSeen, npt.NDArray[np.float32]]:
    placed = boxes.placed
    shape = best_shape_iou(placed.extents, anchors)
    grid, which = best_grid_iou(placed, anchors, found.allowed_border)

    def of(name: str, rows: Any) -> ClassCoverage:
        parts = (Coverage.of(best[rows], found.positive) for best in (shape, grid))
        return ClassCoverage(name, *parts)

    levels = np.bincount(anchors.levels[which], minlength=len(anchors.strides)) / len(placed)
    seen = AnchorsSeen(
        per_location=anchors.per_location,
        per_image=anchors.count(boxes.input_size),
        total=of('all', slice(None)),
        classes=[of(name, boxes.labels == label) for label, name in enumerate(boxes.classes)],
        levels=levels.tolist(),
        unreached=int((grid < np.float32(min(found.positive, found.negative))).sum()),
    )
    return seen, grid


def _unreached(
    best: npt.NDArray[np.float32], boxes: TrainingBoxes, reach: float
) -> list[dict[str, Any]]:
    rows = np.flatnonzero(best < np.float32(reach))
    rows = rows[np.argsort(best[rows], kind='stable')][:_LISTED]
    return [
        {
            'file': str(boxes.paths[boxes.placed.owners[row]]),
            'class': boxes.classes[boxes.labels[row]],
            'box': [round(value, 2) for value in boxes.original[row].tolist()],
            'iou': round(float(best[row]), 4),
        }
        for row in rows.tolist()
    ]


def _few_shapes(extents: npt.NDArray[np.float64]) -> str:
    """What makes the boxes a poor guide to others; empty where nothing does."""
    if len(extents) > 1 and np.ptp(extents, axis=0).max() < 0.01:
        width, height = extents[0].tolist()
        return (
            f'all {len(extents)} boxes have one size, {width:.4g} x {height:.4g} pixels; boxes '
            'drawn by hand differ, so look at the annotations'
        )
    if len(extents) < _FEW:
        return (
            f'{counted(len(extents), "box", "boxes")} to fit to: the proposal suits '
            f'{"it" if len(extents) == 1 else "them"} and says little of others'
        )
    return ''


def _warnings(report: AnchorReport, shapes: FittedShapes | None) -> list[str]:
    mean = report.now.total.shape.mean or 0.0
    if report.transposed < mean + _TRANSPOSED:
        return []
    kind = report.kind.rpartition('.')[2]
    if kind == 'DefectAnchorGenerator':
        cure = 'say the other ratio_order, or exchange width and height in the ratios'
    elif shapes is not None:
        cure = (
            f'{kind} reads ratios as height / width: write '
            f'ratios={[float(f"{ratio:.3g}") for ratio in shapes.ratios]}, or '
            "type='mmdefect.DefectAnchorGenerator' with ratio_order='w/h'"
        )
    else:
        cure = 'exchange width and height of the anchors'
    return [
        f'{report.generator}: the transposed ratios would cover the boxes better, mean best IoU '
        f'(shape only) {report.transposed:.3f} against {mean:.3f}; {cure}'
    ]
