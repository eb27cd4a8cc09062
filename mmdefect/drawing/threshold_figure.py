"""What thresholds do to parts, and whether scores are probabilities, as one figure."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ['ThresholdPanel', 'draw_thresholds']

_INK, _GREY = '#222222', '#8a93a0'
_DEFECTIVE, _GOOD = '#b3541e', '#1166bb'
_MEASURES = (('recall', _DEFECTIVE), ('specificity', _GOOD), ('precision', _GREY))
_DPI = 110
_BINS = 40


@dataclass(frozen=True, slots=True, eq=False)
class ThresholdPanel:
    """One row of the figure: the parts that a threshold was chosen on.

    Args:
        name (str): Class that it is about; empty for defects of any class.
        scores (np.ndarray): One score per part, 0 to 1, shape (P,).
        defective (np.ndarray): Which parts are defective, bool, shape (P,).
        threshold (float): The threshold chosen.
        curve (Mapping[str, np.ndarray]): ``threshold``, ``recall``, ``specificity`` and
            ``precision``, all of shape (T,); NaN where not defined.
        reliability (Mapping[str, Any]): ``mean_score``, ``share``, ``low`` and ``high``, all of
            shape (B,), NaN in empty bins, and ``ece``, a number.

    Example:
        >>> len(ThresholdPanel.__dataclass_fields__)
        6
    """

    name: str
    scores: npt.NDArray[np.float64]
    defective: npt.NDArray[np.bool_]
    threshold: float
    curve: Mapping[str, Any]
    reliability: Mapping[str, Any]


def draw_thresholds(panels: Sequence[ThresholdPanel]) -> bytes:
    """Draw curves over the threshold, scores of good and defective parts, and reliability.

    Args:
        panels (Sequence[ThresholdPanel]): One row of three plots each.

    Returns:
        bytes: A PNG file.

    Raises:
        ValueError: There is no row.

    Example:
        >>> curve = dict.fromkeys(('threshold', 'recall', 'specificity', 'precision'), [0.5])
        >>> bins = {**dict.fromkeys(('mean_score', 'share', 'low', 'high'), [0.5]), 'ece': 0.0}
        >>> panel = ThresholdPanel('rust', np.array([0.5]), np.array([True]), 0.5, curve, bins)
        >>> draw_thresholds([panel])[1:4]
        b'PNG'
    """
    if not panels:
        raise ValueError('panels must hold one row or more, got none')
    # Loads half a second long, and not everybody who chooses thresholds draws them.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 4.4 * len(panels)), dpi=_DPI, layout='constrained')
    FigureCanvasAgg(figure)
    rows = figure.subplots(len(panels), 3, squeeze=False)
    for (curves, scores, reliability), panel in zip(rows, panels, strict=True):
        _draw_curves(curves, panel)
        _draw_scores(scores, panel)
        _draw_reliability(reliability, panel)
    stream = io.BytesIO()
    figure.savefig(stream, format='png')
    return stream.getvalue()


def _draw_curves(axes: Any, panel: ThresholdPanel) -> None:
    for name, colour in _MEASURES:
        axes.plot(panel.curve['threshold'], panel.curve[name], color=colour, label=name)
    axes.set_ylim(-0.02, 1.02)
    _finish(axes, panel, 'what thresholds do', 'threshold', 'share of parts')


def _draw_scores(axes: Any, panel: ThresholdPanel) -> None:
    edges = np.linspace(0, 1, _BINS + 1)
    words_of = ('without it', 'with it') if panel.name else ('good', 'defective')
    for kind, colour, words in zip(
        (~panel.defective, panel.defective), (_GOOD, _DEFECTIVE), words_of, strict=True
    ):
        if kind.any():
            axes.hist(panel.scores[kind], edges, color=colour, alpha=0.55, label=words)
    axes.set_yscale('symlog', linthresh=1)
    axes.set_ylim(bottom=0)
    _finish(axes, panel, 'scores', 'score of the part', 'parts (logarithmic)')


def _draw_reliability(axes: Any, panel: ThresholdPanel) -> None:
    score, share, low, high = (
        np.asarray(panel.reliability[name], np.float64)
        for name in ('mean_score', 'share', 'low', 'high')
    )
    axes.plot((0, 1), (0, 1), color=_GREY, linewidth=0.8)
    axes.errorbar(
        score, share, (share - low, high - share), fmt='o', color=_INK, markersize=4,
        linewidth=1.2, label='bins with 95 % intervals',
    )  # fmt: skip
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect='equal')
    ece = f'reliability, calibration error {panel.reliability["ece"]:.3f}'
    _finish(axes, panel, ece, 'score of the part', 'share that is defective', marked=False)


def _finish(
    axes: Any, panel: ThresholdPanel, title: str, x_name: str, y_name: str, marked: bool = True
) -> None:
    name = panel.name.replace('$', r'\$')[:40]
    axes.set_title(f'{name}: {title}' if name else title, loc='left', fontsize=10, color=_INK)
    if marked:
        axes.axvline(
            panel.threshold, color=_INK, linewidth=1.2, linestyle='--',
            label=f'chosen: {panel.threshold:.4g}',
        )  # fmt: skip
    axes.set_xlabel(x_name, fontsize=9, color=_INK)
    axes.set_ylabel(y_name, fontsize=9, color=_INK)
    axes.tick_params(labelsize=8, colors=_INK)
    axes.legend(frameon=False, fontsize=8)
    for side in ('top', 'right'):
        axes.spines[side].set_visible(False)
