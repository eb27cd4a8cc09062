"""Shapes and sizes of boxes with the anchors that are to cover them, as one figure."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mmdefect.drawing.colours import class_colours

__all__ = ['draw_anchors']

_INK, _GREY = '#222222', '#c9ced6'
# The present anchors and the proposed ones.
_OLD, _NEW = '#222222', '#1166bb'
_DPI = 110
_BINS = 60
# Classes drawn as lines of their own; more would hide each other.
_CLASSES = 8

_Floats = npt.NDArray[np.float64]


def draw_anchors(
    extents: npt.ArrayLike,
    labels: npt.ArrayLike,
    classes: Sequence[str],
    now: npt.ArrayLike,
    proposed: npt.ArrayLike,
    *,
    title: str = '',
) -> bytes:
    """Draw width against height, width / height and size of boxes, and two sets of anchors.

    Left how many boxes have which width and height; then two histograms, all boxes in grey and
    each class as a line, with the ratios and sizes of the anchors as ticks below them.

    Args:
        extents (ArrayLike): ``(w, h)`` of the boxes in pixels, each above 0, shape (N, 2).
        labels (ArrayLike): Class of each box, shape (N,).
        classes (Sequence[str]): Class names; up to eight are drawn by themselves.
        now (ArrayLike): ``(w, h)`` of the present anchors in pixels, shape (A, 2).
        proposed (ArrayLike): ``(w, h)`` of the proposed anchors in pixels, shape (B, 2).
        title (str): Above the figure. Default: none.

    Returns:
        bytes: A PNG file.

    Raises:
        ValueError: There is no box.

    Example:
        >>> figure = draw_anchors([[10, 40]], [0], ['rust'], [[32, 32]], [[10, 40]])
        >>> figure[1:4]
        b'PNG'
    """
    boxes = np.asarray(extents, float).reshape(-1, 2)
    if not len(boxes):
        raise ValueError('extents must hold one box or more, got none')
    # Loads half a second long, and not everybody who draws boxes draws figures.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 5), dpi=_DPI, layout='constrained')
    FigureCanvasAgg(figure)
    plane, ratio, size = figure.subplots(1, 3)
    if title:
        figure.suptitle(title.replace('$', r'\$'), fontsize=11, color=_INK)
    sets = [np.asarray(one, float).reshape(-1, 2) for one in (now, proposed)]
    _draw_plane(plane, boxes, sets)
    names = classes if len(classes) <= _CLASSES else ()
    for axes, measure, words in (
        (ratio, lambda one: one[:, 0] / one[:, 1], 'width / height'),
        (size, lambda one: np.sqrt(one.prod(axis=1)), 'size: root of the area, pixels'),
    ):
        _draw_histogram(axes, measure(boxes), np.asarray(labels), names, words)
        for place, values, colour in zip((0, 1), map(measure, sets), (_OLD, _NEW), strict=True):
            _draw_ticks(axes, values, colour, place)
    stream = io.BytesIO()
    figure.savefig(stream, format='png')
    return stream.getvalue()


def _draw_plane(axes: Any, boxes: _Floats, sets: Sequence[_Floats]) -> None:
    from matplotlib.colors import LinearSegmentedColormap, LogNorm

    together = np.concatenate([boxes, *sets])
    low, high = together.min() / 1.2, together.max() * 1.2
    edges = np.geomspace(low, high, _BINS + 1)
    counts, _, _ = np.histogram2d(boxes[:, 0], boxes[:, 1], bins=[edges, edges])
    sand = LinearSegmentedColormap.from_list('sand', ['#f6e3cd', '#b3541e'])
    shown = np.ma.masked_equal(counts.T, 0)
    axes.pcolormesh(edges, edges, shown, cmap=sand, norm=LogNorm(1, max(counts.max(), 2)))
    axes.plot((low, high), (low, high), color=_GREY, linewidth=0.8, zorder=0)
    for values, colour, marker, words in zip(
        sets, (_OLD, _NEW), ('x', '+'), ('anchors now', 'anchors proposed'), strict=True
    ):
        axes.plot(*values.T, marker, color=colour, markersize=7, label=words)
    axes.set(xscale='log', yscale='log', xlim=(low, high), ylim=(low, high), aspect='equal')
    _plain(axes, 'Boxes (dark: many) and anchors, pixels of the model input')
    axes.set_xlabel('width', fontsize=9, color=_INK)
    axes.set_ylabel('height', fontsize=9, color=_INK)
    axes.legend(frameon=False, fontsize=8, loc='upper left')


def _draw_histogram(
    axes: Any,
    values: _Floats,
    labels: npt.NDArray[np.int64],
    classes: Sequence[str],
    words: str,
) -> None:
    low, high = values.min() / 1.1, values.max() * 1.1
    edges = np.geomspace(low, high, _BINS + 1)
    axes.hist(values, edges, color=_GREY)
    colours = class_colours(len(classes))
    for label, (name, colour) in enumerate(zip(classes, colours, strict=True)):
        mine = values[labels == label]
        if len(mine):
            # The first character of a label must not be an underscore, which hides it.
            text = name.replace('$', r'\$')[:24]
            axes.hist(mine, edges, histtype='step', color=colour, linewidth=1.3, label=f' {text}')
    if classes:
        axes.legend(frameon=False, fontsize=8, loc='upper right')
    axes.set_xscale('log')
    _plain(axes, f'{words[0].upper()}{words[1:]}; ticks below: anchors')
    axes.set_xlabel(words, fontsize=9, color=_INK)
    axes.set_ylabel('boxes', fontsize=9, color=_INK)


def _draw_ticks(axes: Any, values: _Floats, colour: str, place: int) -> None:
    """Ticks under the histogram, in a row of their own."""
    bottom, top = axes.get_ylim()
    height = 0.05 * max(top, 1)
    row = -height * (1.2 + 1.2 * place)
    distinct = np.unique(values.round(4))
    axes.vlines(distinct, row, row + height, color=colour, linewidth=1.6)
    axes.set_ylim(min(bottom, row - 0.2 * height), top)


def _plain(axes: Any, title: str) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axes.set_title(title, loc='left', fontsize=10, color=_INK)
    axes.tick_params(labelsize=8, colors=_INK)
    for axis in (axes.xaxis, axes.yaxis):
        if axis.get_scale() == 'log':
            axis.set_major_formatter(FuncFormatter(lambda value, _: f'{value:g}'))
            axis.set_minor_formatter(NullFormatter())
    for side in ('top', 'right'):
        axes.spines[side].set_visible(False)
