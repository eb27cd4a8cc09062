"""What ``mmdefect demo-multi-view`` prints of two trainings and of the pseudo labels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from mmdefect.wording import counted

__all__ = ['pseudo_table', 'score_table', 'verdict']

# Statistics of pseudo labels per class: name in the log, name in the table.
_STATISTICS = {
    'kept_ratio': 'kept',
    'precision': 'precision',
    'recall': 'recall',
    'consensus_rate': 'consensus',
    'threshold': 'threshold',
}


def score_table(
    start: Mapping[str, Any], alone: Mapping[str, Any], soft: Mapping[str, Any]
) -> Table:
    """Put the scores of three trainings beside each other.

    Args:
        start (Mapping): ``evaluation.json`` of the burn-in, with ``parts``.
        alone (Mapping): Of the detector on labelled parts alone.
        soft (Mapping): Of the Soft Teacher.

    Returns:
        Table: One row per number, with the difference of the last two.
    """
    table = Table(
        'last weights, held-out parts',
        caption='recall, precision and false alarms: each at its own best F1',
    )
    for name in ('burn-in', 'labels alone', 'Soft Teacher', 'gain'):
        table.add_column(name, justify='right')
    runs = [_scores(evaluation) for evaluation in (start, alone, soft)]
    for name in runs[0]:
        values = [run[name] for run in runs]
        table.add_row(name, *map(_number, values), _number(values[2] - values[1], sign='+'))
    return table


def _scores(evaluation: Mapping[str, Any]) -> dict[str, float]:
    views, parts = evaluation, evaluation['parts']
    numbers = {
        'AP50': views['metrics']['AP50'],
        **{
            f'AP50 {entry["name"]} ({counted(entry["boxes"], "box", "boxes")})': entry['AP50']
            for entry in views['per_class']
        },
        'AP50 per part': parts['metrics']['AP50'],
    }
    for what, found in (('view', views['operating']), ('part', parts['operating'])):
        numbers[f'recall per {what}'] = found['recall']
        numbers[f'precision per {what}'] = found['precision']
        numbers[f'false alarms per good {what}'] = found['false_alarms_per_good_image']
    return {name: math.nan if value is None else value for name, value in numbers.items()}


def pseudo_table(
    statistics: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]], classes: Sequence[str]
) -> Table:
    """Show the last numbers about pseudo labels, per class.

    Args:
        statistics (Mapping): ``pseudo`` of :class:`mmdefect.report.logs.TrainingLog`.
        classes (Sequence[str]): Names of the rows.

    Returns:
        Table: One row per class; a dash where there is no number.
    """
    table = Table(
        'pseudo labels',
        caption='of the last 50 updates; kept: share of what the teacher finds; precision and '
        'recall against hidden truth; consensus: confirmed by other views',
    )
    for title in _STATISTICS.values():
        table.add_column(title, justify='right')
    for name in classes:
        curves = [statistics.get(statistic, {}).get(name) for statistic in _STATISTICS]
        table.add_row(name, *(_number(curve[-1][1] if curve else math.nan) for curve in curves))
    return table


def verdict(alone: Mapping[str, Any], soft: Mapping[str, Any]) -> str:
    """Say in one line which training won.

    Args:
        alone (Mapping): ``evaluation.json`` of the detector on labelled parts alone.
        soft (Mapping): Of the Soft Teacher.

    Returns:
        str: The line.

    Example:
        >>> verdict({'metrics': {'AP50': 0.5}}, {'metrics': {'AP50': 0.52}})
        'Soft Teacher wins by 2.0 points of AP50 (0.520 with Soft Teacher, 0.500 on labels \
alone); one short run with one seed proves nothing'
    """
    one, two = (evaluation['metrics']['AP50'] or 0.0 for evaluation in (alone, soft))
    points = f'{100 * abs(two - one):.1f} points of AP50'
    if points.startswith('0.0 '):
        said = f'neither wins: AP50 is {two:.3f} for Soft Teacher and {one:.3f} on labels alone'
    else:
        winner = 'Soft Teacher wins' if two > one else 'labels alone win'
        said = f'{winner} by {points} ({two:.3f} with Soft Teacher, {one:.3f} on labels alone)'
    return f'{said}; one short run with one seed proves nothing'


def _number(value: float, sign: str = '') -> str:
    return '-' if math.isnan(value) else f'{value:{sign}.3f}'
