"""Names of metrics taken apart: whose they are, and of which class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

__all__ = ['STUDENT', 'TEACHER', 'MetricScores', 'read_metrics', 'split_owner']

# Whose scores count where teacher and student are validated.
TEACHER = 'teacher'
STUDENT = 'student'
# MMDetection's names of the same numbers.
_ALIASES = {'bbox_mAP': 'AP', 'bbox_mAP_50': 'AP50', 'bbox_mAP_75': 'AP75'}


@dataclass(frozen=True)
class MetricScores:
    """What one model scored in a validation.

    Args:
        overall (dict[str, float]): By metric, as ``'AP50'``. Default empty.
        classes (dict[str, dict[str, float]]): By metric and class. Default empty.

    Example:
        >>> MetricScores(overall={'AP': 0.5}).classes
        {}
    """

    overall: dict[str, float] = field(default_factory=dict)
    classes: dict[str, dict[str, float]] = field(default_factory=dict)


def split_owner(name: str) -> tuple[str, str]:
    """Part the model that a metric was measured on from the rest.

    MMDetection's ``TeacherStudentValLoop`` puts ``teacher/`` and ``student/`` before each name.

    Args:
        name (str): Name of a metric.

    Returns:
        tuple[str, str]: ``'teacher'``, ``'student'`` or ``''``, and the name as other loops give
        it.

    Example:
        >>> split_owner('teacher/mmdefect/AP50'), split_owner('mmdefect/AP50')
        (('teacher', 'mmdefect/AP50'), ('', 'mmdefect/AP50'))
    """
    owner, _, rest = name.partition('/')
    return (owner, rest) if owner in (TEACHER, STUDENT) and rest else ('', name)


def read_metrics(metrics: Mapping[str, float], classes: Iterable[str]) -> dict[str, MetricScores]:
    """Sort the metrics of a validation by model, metric and class.

    ``prefix/AP50`` is over all classes, ``prefix/AP50/rust`` over one. Where metrics of several
    prefixes have the same name, the first one is taken.

    Args:
        metrics (Mapping[str, float]): Name to value.
        classes (Iterable[str]): Class names, which may hold slashes.

    Returns:
        dict[str, MetricScores]: By model, the one whose scores count first: ``'teacher'`` and
        ``'student'``, or ``''`` where there is one model.

    Example:
        >>> read_metrics({'student/mmdefect/AP': .1, 'teacher/mmdefect/AP/a/b': .2}, ['a/b'])
        {'teacher': MetricScores(overall={}, classes={'AP': {'a/b': 0.2}}), \
'student': MetricScores(overall={'AP': 0.1}, classes={})}
    """
    known = set(classes)
    found: dict[str, MetricScores] = {}
    for name, value in metrics.items():
        owner, rest = split_owner(name)
        scores = found.setdefault(owner, MetricScores())
        metric = rest.partition('/')[2] or rest
        kind, _, of_class = metric.partition('/')
        if of_class in known:
            scores.classes.setdefault(kind, {}).setdefault(of_class, float(value))
        elif not of_class:
            scores.overall.setdefault(_ALIASES.get(kind, kind), float(value))
    return dict(sorted(found.items(), key=lambda item: item[0] != TEACHER))
