"""Ratios and scales that cover given boxes, under a budget of anchors per place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmdefect.errors import InputError
from mmdefect.evaluation.anchors.anchor_set import AnchorForm
from mmdefect.evaluation.anchors.box_iou import best_grid_iou
from mmdefect.evaluation.anchors.clustering import cluster_shapes
from mmdefect.evaluation.anchors.placed_boxes import PlacedBoxes

__all__ = ['MOST_ANCHORS', 'FittedShapes', 'fit_shapes']

_Floats = npt.NDArray[np.float64]

# Boxes that shapes are fitted to, and others that choose between the fits.
_FITTED_BOXES, _CHOOSING_BOXES = 2048, 8192
# Starts of each split of the budget: sizes of scale 1, in base sizes.
_STARTS = (1.0, 2.0, 4.0, 8.0)
# Splits of the budget that are polished, and the factors tried on each ratio and scale.
_POLISHED = 3
_STEPS = (1.12, 1.05, 1.02)
_PASSES = 4
# A fit with fewer anchors wins within this much mean best IoU.
_TIE = 0.002
# Ratios, or scales, nearer to each other than this are one.
_SAME = 1.05
# Anchors per place that are fitted at most.
MOST_ANCHORS = 100


@dataclass(frozen=True, slots=True)
class FittedShapes:
    """Shapes of anchors for every level.

    Args:
        ratios (list[float]): Width / height, ascending.
        scales (list[float]): Sizes in base sizes, ascending.

    Example:
        >>> FittedShapes([.5, 1.], [4.]).per_location
        2
    """

    ratios: list[float]
    scales: list[float]

    @property
    def per_location(self) -> int:
        """Anchors per place."""
        return len(self.ratios) * len(self.scales)


def fit_shapes(
    placed: PlacedBoxes,
    form: AnchorForm,
    budget: int,
    *,
    seed: int = 0,
    allowed_border: float = -1,
    known: FittedShapes | None = None,
) -> FittedShapes:
    """Find ratios and scales with a high mean best IoU on the real grid.

    The budget can be spent on ratios or on scales. For each way of spending it, IoU clustering
    (:func:`cluster_shapes`) from several starts; the best ways are polished one ratio or scale at
    a time; boxes that were not fitted to choose among them where there are enough boxes. Of about
    equal fits the one with fewest anchors is taken, and ratios and scales that add less than .002
    are left out. At most 10,240 boxes, drawn by the seed, are
    looked at, so the time hardly depends on their number.

    Args:
        placed (PlacedBoxes): One box or more.
        form (AnchorForm): Levels, base sizes and centres; they stay.
        budget (int): Anchors per place, 1 to 100.
        seed (int): Seed of what is drawn. Default 0.
        allowed_border (float): As in :func:`best_grid_iou`. Default -1.
        known (FittedShapes | None): Shapes that take part in the choice, if within the budget.
            Default None.

    Returns:
        FittedShapes: Rounded to three digits.

    Raises:
        InputError: There is no box, or the budget is out of range.

    Example:
        >>> form = AnchorForm(np.full((1, 2), 8.), np.array([8.]), np.full((1, 2), 4.))
        >>> size = np.array([[64, 64]])
        >>> boxes = np.array([[16, 8, 24, 40], [40, 8, 48, 40]], np.float32)
        >>> placed = PlacedBoxes(boxes, np.zeros(2, int), size, size)
        >>> fit_shapes(placed, form, budget=3)
        FittedShapes(ratios=[0.25], scales=[2.0])
    """
    if not 1 <= budget <= MOST_ANCHORS:
        raise InputError(f'budget must be 1 to {MOST_ANCHORS} anchors per place, got {budget}')
    if not len(placed):
        raise InputError('there is no box to fit anchors to; give annotated images')
    generator = np.random.default_rng(seed)
    drawn = generator.permutation(len(placed))[: _FITTED_BOXES + _CHOOSING_BOXES]
    fitted = placed.take(np.sort(drawn[:_FITTED_BOXES]))
    # Few boxes have to do for both.
    others = drawn[_FITTED_BOXES:] if len(drawn) >= 2 * _FITTED_BOXES else drawn
    choosing = placed.take(np.sort(others))
    fits = [
        max(
            (
                cluster_shapes(fitted, form, *start, generator, allowed_border)
                for start in _starts(fitted, form, ratios, scales)
            ),
            key=lambda fit: fit[0],
        )
        for ratios, scales in _splits(budget)
    ]
    best = sorted(fits, key=lambda fit: -fit[0])[:_POLISHED]
    found = [
        FittedShapes(*map(_distinct, _polish(fitted, form, fit, allowed_border))) for fit in best
    ]
    if known is not None and known.per_location <= budget:
        found.append(known)

    def score(shapes: FittedShapes) -> float:
        return _score(choosing, form, shapes.ratios, shapes.scales, allowed_border)

    scores = list(map(score, found))
    least = max(scores) - _TIE
    good = [shapes for shapes, one in zip(found, scores, strict=True) if one >= least]
    chosen = min(good, key=lambda shapes: (shapes.per_location, -score(shapes)))
    # What adds next to nothing costs anchors all the same.
    while True:
        fewer = [(score(shapes), shapes) for shapes in _one_less(chosen)]
        top, shapes = max(fewer, key=lambda item: item[0], default=(-1.0, chosen))
        if top < least:
            return chosen
        chosen = shapes


def _one_less(shapes: FittedShapes) -> Iterator[FittedShapes]:
    """The same without one of the ratios or scales."""
    ratios, scales = shapes.ratios, shapes.scales
    for index in range(len(ratios) if len(ratios) > 1 else 0):
        yield FittedShapes(ratios[:index] + ratios[index + 1 :], scales)
    for index in range(len(scales) if len(scales) > 1 else 0):
        yield FittedShapes(ratios, scales[:index] + scales[index + 1 :])


def _splits(budget: int) -> Iterator[tuple[int, int]]:
    """Numbers of ratios and scales, the most of each that the other leaves room for."""
    seen = set()
    for ratios in range(1, budget + 1):
        scales = budget // ratios
        pair = (budget // scales, scales)
        if pair not in seen:
            seen.add(pair)
            yield pair


def _starts(
    placed: PlacedBoxes, form: AnchorForm, ratios: int, scales: int
) -> Iterator[tuple[_Floats, _Floats]]:
    """Ratios at quantiles of the boxes; scales within one step between levels."""
    extents = placed.extents
    quantiles = (np.arange(ratios) + 0.5) / ratios
    first = np.quantile(extents[:, 0] / extents[:, 1], quantiles)
    step = np.exp(np.diff(np.log(np.sort(form.base_sizes))).mean()) if len(form.strides) > 1 else 4
    octave = max(float(step), 1.1) ** ((np.arange(scales) + 0.5) / scales - 0.5)
    for size in _STARTS:
        yield first, size * octave
    # Where base sizes tell nothing of the boxes.
    middle = np.median(np.sqrt(extents.prod(axis=1))) / np.median(form.base_sizes)
    yield first, float(middle) * octave


def _score(
    placed: PlacedBoxes,
    form: AnchorForm,
    ratios: npt.ArrayLike,
    scales: npt.ArrayLike,
    border: float,
) -> float:
    iou, _ = best_grid_iou(placed, form.anchors(ratios, scales), border)
    return float(iou.mean(dtype=np.float64))


def _polish(
    placed: PlacedBoxes, form: AnchorForm, fit: tuple[float, _Floats, _Floats], border: float
) -> tuple[_Floats, _Floats]:
    """Stretch or shrink one ratio or scale after the other while that helps."""
    best, ratios, scales = fit
    values, count = np.concatenate([ratios, scales]), len(ratios)
    for step in _STEPS:
        for _ in range(_PASSES):
            before = best
            for index in range(len(values)):
                for factor in (step, 1 / step):
                    trial = values.copy()
                    trial[index] *= factor
                    score = _score(placed, form, trial[:count], trial[count:], border)
                    if score > best:
                        best, values = score, trial
            if best - before < 1e-5:
                break
    return values[:count], values[count:]


def _distinct(values: _Floats) -> list[float]:
    """Three digits, ascending, without what is nearly there twice."""
    kept: list[float] = []
    for value in sorted(float(f'{value:.3g}') for value in values):
        if not kept or value >= kept[-1] * _SAME:
            kept.append(value)
    return kept
