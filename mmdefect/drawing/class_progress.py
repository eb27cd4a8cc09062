"""How the classes of a training come along, as one figure."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mmdefect.drawing.colours import class_colours

__all__ = ['draw_class_progress']

_INK, _GREY = '#222222', '#b8bcc2'
_DPI = 110


def draw_class_progress(
    curves: Mapping[str, Sequence[tuple[float, float]]],
    shares: Mapping[str, float | None],
    *,
    metric: str = 'AP',
    unit: str = 'iteration',
    title: str = '',
) -> bytes:
    """Draw the average precision of each class over the training, beside its share of the boxes.

    Left the curves; right, of the newest point, share of the boxes and AP of each class as bars,
    most boxes first, with the efficiency (AP over share): a long grey bar over a short coloured
    one is a class with many labels and little gained from them.

    Args:
        curves (Mapping[str, Sequence[tuple[float, float]]]): By class, in the order of the
            labels: points (iteration, AP from 0 to 1); NaN where AP is not defined.
        shares (Mapping[str, float | None]): By class its share of the labelled boxes, 0 to 1;
            None where it is not known.
        metric (str): What the curves show. Default ``'AP'``.
        unit (str): What the first number of a point counts. Default ``'iteration'``.
        title (str): Above the figure. Default: none.

    Returns:
        bytes: A PNG file.

    Raises:
        ValueError: There is no class.

    Example:
        >>> figure = draw_class_progress({'dent': [(500, .1), (1000, .2)]}, {'dent': 1.0})
        >>> figure[1:4]
        b'PNG'
    """
    if not curves:
        raise ValueError('curves must name one class or more, got none')
    # Loads half a second long, and not everybody who draws boxes draws figures.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = list(curves)
    colours = dict(zip(names, class_colours(len(names)), strict=True))
    points = {name: np.asarray(curves[name], float).reshape(-1, 2) for name in names}
    height = max(3.6, 1.3 + 0.42 * len(names))
    figure = Figure(figsize=(11.5, height), dpi=_DPI, layout='constrained')
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=(1.55, 1))
    if title:
        figure.suptitle(_short(title, 110), fontsize=11, color=_INK)
    _draw_curves(left, points, colours, f'{metric} over {unit}s', unit)
    _draw_shares(right, points, shares, colours, metric)
    stream = io.BytesIO()
    figure.savefig(stream, format='png')
    return stream.getvalue()


def _draw_curves(
    axes: Any,
    points: Mapping[str, npt.NDArray[np.float64]],
    colours: Mapping[str, str],
    title: str,
    unit: str,
) -> None:
    highest = 0.0
    for index, (name, values) in enumerate(points.items()):
        shown = values[np.isfinite(values[:, 1])]
        highest = max(highest, float(shown[:, 1].max(initial=0)))
        # Beyond eight classes colours alone do not tell them apart.
        style = ('-', '--', ':', '-.')[index // 8 % 4]
        # The first character of a label must not be an underscore, which hides it.
        axes.plot(
            *shown.T, style, color=colours[name], marker='o', markersize=3.5, linewidth=1.6,
            label=f' {_short(name, 24)}',
        )  # fmt: skip
    _plain(axes, title)
    axes.set_ylim(0, max(highest * 1.08, 0.01))
    axes.xaxis.get_major_locator().set_params(integer=True)
    places = np.unique(np.concatenate([values[:, 0] for values in points.values()]))
    if len(places) == 1:
        # Else the axis would have fractions of an iteration.
        axes.set_xlim(places[0] - 1, places[0] + 1)
    axes.set_xlabel(unit, color=_INK, fontsize=9)
    axes.grid(axis='y', color='#e6e8eb')
    axes.set_axisbelow(True)
    axes.legend(frameon=False, fontsize=8, loc='upper left', ncols=1 + (len(points) - 1) // 12)


def _draw_shares(
    axes: Any,
    points: Mapping[str, npt.NDArray[np.float64]],
    shares: Mapping[str, float | None],
    colours: Mapping[str, str],
    metric: str,
) -> None:
    order = sorted(points, key=lambda name: shares.get(name) or 0.0)
    longest = 0.0
    for row, name in enumerate(order):
        share, values = shares.get(name), points[name]
        newest = float(values[-1, 1]) if len(values) else float('nan')
        axes.barh(row + 0.19, share or 0.0, 0.3, color=_GREY)
        axes.barh(row - 0.19, 0.0 if np.isnan(newest) else newest, 0.3, color=colours[name])
        words = [f'share {_number(share)}', f'{metric} {_number(newest)}']
        if share and np.isfinite(newest):
            words.append(f'efficiency {newest / share:.2f}')
        end = np.nanmax([share or 0.0, newest, 0.0])
        longest = max(longest, float(end))
        axes.annotate(
            ', '.join(words), (end, row), (5, 0), textcoords='offset points', va='center',
            fontsize=7.5, color=_INK,
        )  # fmt: skip
    _plain(axes, f'Newest: share of boxes (grey) and {metric}')
    axes.set_yticks(range(len(order)), [_short(name, 24) for name in order])
    # Room for the words beside the longest bar.
    axes.set_xlim(0, max(longest, 0.01) * 1.9)
    axes.set_xticks([])
    axes.spines['bottom'].set_visible(False)


def _plain(axes: Any, title: str) -> None:
    axes.set_title(title, loc='left', fontsize=10, color=_INK)
    axes.tick_params(labelsize=8, colors=_INK, length=0)
    for side in ('top', 'right'):
        axes.spines[side].set_visible(False)


def _number(value: float | None) -> str:
    return '-' if value is None or np.isnan(value) else f'{value:.3f}'


def _short(text: str, length: int) -> str:
    # A dollar sign would begin a formula.
    text = text.replace('$', r'\$')
    return text if len(text) <= length else text[: length - 3] + '...'
