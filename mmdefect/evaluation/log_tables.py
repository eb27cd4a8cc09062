"""What the log says after an evaluation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mmdefect.evaluation.analysis import Analysis
from mmdefect.evaluation.error_types import ERROR_TYPES

__all__ = ['log_text']

_WIDTH = 100
_NOWHERE = '-'


def log_text(
    analysis: Analysis, classes: Sequence[str], image: str = 'image', boxes: str = 'boxes'
) -> str:
    """Lay out the results per class, the operating point and the errors, 100 columns wide.

    Args:
        analysis (Analysis): The numbers.
        classes (Sequence[str]): Class names by index.
        image (str): What an image is called. Default ``image``.
        boxes (str): What boxes of ground truth are called. Default ``boxes``.

    Returns:
        str: Several lines.

    Example:
        >>> from mmdefect.evaluation.analysis import analyse_images
        >>> 'prevalence' in log_text(analyse_images([], 1, 100), ['scratch'])
        True
    """
    return '\n'.join(
        [
            _class_table(analysis, classes, boxes),
            _operating_lines(analysis, image),
            _error_table(analysis, classes),
        ]
    )


def _class_table(analysis: Analysis, classes: Sequence[str], what: str) -> str:
    at = f'{analysis.threshold:.2f}'
    table = _table('class', what, 'AP', 'AP50', 'AP75', 'AR', f'P@{at}', f'R@{at}', 'F1', 'mIoU')
    scores, counts = analysis.scores, analysis.table
    columns = [
        np.append(values, scores.summary()[name])
        for name, values in (
            ('AP', scores.ap), ('AP50', scores.ap50), ('AP75', scores.ap75), ('AR', scores.ar),
        )
    ]  # fmt: skip
    columns += [
        curve[:, analysis.at] for curve in (counts.precision(), counts.recall(), counts.f1())
    ]
    rows = np.column_stack([*columns, analysis.mean_iou])
    boxes = np.append(counts.truth, counts.truth.sum())
    for index, (name, values) in enumerate(zip([*classes, 'all'], rows, strict=True)):
        if index == len(classes):
            table.add_section()
        table.add_row(Text(name), str(boxes[index]), *map(_share, values))
    return _render(table)


def _operating_lines(analysis: Analysis, image: str) -> str:
    table, at = analysis.table, analysis.at
    # NaN without ground truth.
    if table.f1()[-1, at] > 0:
        start = (
            f'Score >= {analysis.threshold:.2f} has the highest F1 on these {image}s: '
            'a place to start, not a calibrated threshold.'
        )
    else:
        start = (
            'No detection is right, whatever its score: the numbers are those of score >= '
            f'{analysis.threshold:.2f}.'
        )
    lines = [
        start,
        f'{image.capitalize()}s: prevalence {_share(table.prevalence())}, '
        f'recall {_share(table.image_recall()[at])} ({table.images_defect} with defects), '
        f'specificity {_share(table.specificity()[at])} ({table.images_good} good)',
        f'False alarms per good {image}: {_share(table.false_alarms_per_good_image()[at])}',
    ]
    interval = table.youden_interval()
    if interval is not None and interval[0][at] <= 0:
        lines.append(
            f'{image.capitalize()} recall + specificity - 1 lies within {interval[0][at]:.2f} to '
            f'{interval[1][at]:.2f} (95 %): flagging may be no better than chance.'
        )
    return '\n'.join(lines)


def _error_table(analysis: Analysis, classes: Sequence[str]) -> str:
    table = _table(f'errors at {analysis.threshold:.2f}', *ERROR_TYPES)
    for name, counts in zip(classes, analysis.error_counts, strict=True):
        table.add_row(Text(name), *map(str, counts))
    table.add_section()
    table.add_row('all', *map(str, analysis.error_counts.sum(axis=0)))
    table.add_row('AP50 lost, all scores', *map(_share, analysis.mean_gain()))
    return _render(table)


def _table(*names: str) -> Table:
    table = Table(*names)
    table.columns[0].overflow = 'fold'
    for column in table.columns[1:]:
        column.justify = 'right'
        column.no_wrap = True
    return table


def _render(table: Table) -> str:
    console = Console(width=_WIDTH, no_color=True, force_terminal=False)
    with console.capture() as capture:
        console.print(table)
    return capture.get().rstrip('\n')


def _share(value: float) -> str:
    return _NOWHERE if np.isnan(value) else f'{value:.3f}'
