"""The table of classes, of one run or of two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmdefect.report.evaluation import Evaluation

__all__ = ['COMPARED', 'class_rows', 'compared_rows', 'difference']

COMPARED = ('AP50', 'AP', 'AR')


def class_rows(evaluation: Evaluation, colours: Sequence[str]) -> list[dict[str, Any]]:
    """Results per class, weakest AP50 first, classes without a value last.

    Args:
        evaluation (Evaluation): The evaluation.
        colours (Sequence[str]): One colour per class.

    Returns:
        list[dict[str, Any]]: The fields of ``ClassResult``, ``colour`` and ``weakest``.

    Example:
        >>> class_rows(Evaluation.model_construct(classes=[], per_class=[]), [])
        []
    """
    colour_of = dict(zip(evaluation.classes, colours, strict=True))
    rows = [
        {**row.model_dump(), 'colour': colour_of.get(row.name, '#888888'), 'weakest': False}
        for row in evaluation.per_class
    ]
    rows.sort(key=lambda row: (row['AP50'] is None, row['AP50'] or 0.0, row['name']))
    if len(rows) > 1 and rows[1]['AP50'] is not None:
        rows[0]['weakest'] = True
    return rows


def compared_rows(
    first: Evaluation, second: Evaluation, colours: Sequence[str]
) -> list[dict[str, Any]]:
    """Results of two runs per class, where the first lost most against the second on top.

    Args:
        first (Evaluation): The run that is looked at.
        second (Evaluation): The run it is compared with, of the same classes.
        colours (Sequence[str]): One colour per class.

    Returns:
        list[dict[str, Any]]: ``name``, ``colour``, ``boxes``, and ``values``: for AP50, AP and AR
        the values of both runs and the first minus the second.

    Example:
        >>> nothing = Evaluation.model_construct(classes=[], per_class=[])
        >>> compared_rows(nothing, nothing, [])
        []
    """
    others = {row.name: row for row in second.per_class}
    rows = []
    for row in class_rows(first, colours):
        other = others[row['name']].model_dump()
        values = [(row[key], other[key], difference(row[key], other[key])) for key in COMPARED]
        rows.append({**row, 'values': values})
    rows.sort(key=lambda row: (row['values'][0][2] is None, row['values'][0][2] or 0.0))
    return rows


def difference(one: float | None, other: float | None) -> float | None:
    """One value minus the other.

    Args:
        one (float | None): A value, None where it is not defined.
        other (float | None): Another.

    Returns:
        float | None: The difference; None where one of them is not defined.

    Example:
        >>> difference(0.75, 0.5), difference(None, 0.5)
        (0.25, None)
    """
    return None if one is None or other is None else one - other
