"""What a report of anchors says of itself: why it may mislead, and what should be changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mmdefect.evaluation.anchors.fit import MOST_ANCHORS
from mmdefect.wording import counted

if TYPE_CHECKING:
    from mmdefect.engine.anchors.anchor_report import AnchorReport
    from mmdefect.evaluation.anchors import FittedShapes

__all__ = ['fit_notes', 'report_warnings']

# Mean best IoU by which transposed ratios must win to be worth a word.
_TRANSPOSED = 0.01
# Boxes below which the fit says little of others.
_FEW = 30
# A level that covered more than the first share of the boxes best and keeps less than the second
# has lost its boxes.
_HAD, _LEFT = 0.05, 0.01


def fit_notes(
    extents: npt.NDArray[np.float64], per_location: int, budget: int | None
) -> Iterator[str]:
    """Say what limits the fit.

    Args:
        extents (np.ndarray): ``(w, h)`` of the boxes in pixels, shape (N, 2).
        per_location (int): Anchors per place of the config.
        budget (int | None): Anchors per place that were asked for.

    Yields:
        str: A note.

    Example:
        >>> list(fit_notes(np.array([[2., 4.], [2., 9.]]), 9, None))
        ['2 boxes to fit to: the proposal suits them and says little of others']
    """
    if budget is None and per_location > MOST_ANCHORS:
        yield f'{per_location} anchors per place now; {MOST_ANCHORS} are fitted at most'
    if len(extents) > 1 and np.ptp(extents, axis=0).max() < 0.01:
        width, height = extents[0].tolist()
        yield (
            f'all {len(extents)} boxes have one size, {width:.4g} x {height:.4g} pixels; boxes '
            'drawn by hand differ, so look at the annotations'
        )
    elif len(extents) < _FEW:
        yield (
            f'{counted(len(extents), "box", "boxes")} to fit to: the proposal suits '
            f'{"it" if len(extents) == 1 else "them"} and says little of others'
        )


def report_warnings(report: AnchorReport, shapes: FittedShapes | None) -> Iterator[str]:
    """Say what should be changed, and what a proposal does that its coverage does not show.

    Args:
        report (AnchorReport): The report.
        shapes (FittedShapes | None): Ratios and scales of the config's generator; None where it
            has no such form.

    Yields:
        str: A warning.
    """
    mean = report.now.total.shape.mean or 0.0
    if report.transposed >= mean + _TRANSPOSED:
        yield (
            f'{report.generator}: the transposed ratios would cover the boxes better, mean best '
            f'IoU (shape only) {report.transposed:.3f} against {mean:.3f}; '
            f'{_transposing(report.kind.rpartition(".")[2], shapes)}'
        )
    pairs = zip(report.strides, report.now.levels, report.proposed.levels, strict=True)
    lost = [
        f'stride {stride:g}: {now:.1%} -> {left:.1%}'
        for stride, now, left in pairs
        if now > _HAD and left < _LEFT
    ]
    if lost and report.worthwhile:
        yield (
            f'the proposal leaves hardly a box to levels that covered some best ({", ".join(lost)}'
            '); these would learn little, so compare both by training'
        )


def _transposing(kind: str, shapes: FittedShapes | None) -> str:
    """How to exchange width and height of the anchors."""
    if kind == 'DefectAnchorGenerator':
        return 'say the other ratio_order, or exchange width and height in the ratios'
    if shapes is None:
        return 'exchange width and height of the anchors'
    return (
        f'{kind} reads ratios as height / width: write '
        f'ratios={[float(f"{ratio:.3g}") for ratio in shapes.ratios]}, or '
        "type='mmdefect.DefectAnchorGenerator' with ratio_order='w/h'"
    )
