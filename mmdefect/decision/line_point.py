"""What an operating point means at the share of defective parts on the line."""

from __future__ import annotations

from dataclasses import dataclass

from mmdefect.decision.operating_point import OperatingPoint

__all__ = ['LinePoint', 'line_point']


@dataclass(frozen=True, slots=True)
class LinePoint:
    """Measures that depend on the prevalence; made by :func:`line_point`.

    Calibration parts hold far more defects than a line makes, so that what was counted on them
    says little about precision, F-beta and costs there. NaN where recall or specificity is not
    known.

    Args:
        prevalence (float): Share of the parts that are defective.
        beta (float): Weight of recall in F-beta.
        precision (float): Share of the flagged parts that are defective.
        f_beta (float): Weighted harmonic mean of precision and recall.
        cost (float | None): Expected cost per part; None without costs, as below.
        cost_passing_all (float | None): The same if nothing were flagged.
        cost_flagging_all (float | None): The same if everything were flagged.

    Example:
        >>> len(LinePoint.__dataclass_fields__)
        7
    """

    prevalence: float
    beta: float
    precision: float
    f_beta: float
    cost: float | None = None
    cost_passing_all: float | None = None
    cost_flagging_all: float | None = None


def line_point(
    point: OperatingPoint,
    prevalence: float | None = None,
    cost_miss: float | None = None,
    cost_alarm: float | None = None,
) -> LinePoint:
    """Move an operating point to another share of defective parts.

    Args:
        point (OperatingPoint): What was counted; its recall and specificity are kept.
        prevalence (float | None): Share of defective parts, 0 to 1. Default None, as counted.
        cost_miss (float | None): Cost of a defective part that passes. Default None.
        cost_alarm (float | None): Cost of a good part that is flagged. Default None.

    Returns:
        LinePoint: The measures there.

    Raises:
        ValueError: The prevalence is out of its range.

    Example:
        >>> from mmdefect.decision import operating_point
        >>> there = line_point(operating_point(90, 10, 10, 90), 0.01, cost_miss=50, cost_alarm=1)
        >>> round(there.precision, 3), round(there.cost, 3), round(there.cost_flagging_all, 3)
        (0.083, 0.149, 0.99)
    """
    share = point.prevalence if prevalence is None else prevalence
    if prevalence is not None and not 0 <= prevalence <= 1:
        raise ValueError(f'prevalence must be 0 to 1, got {prevalence}')
    found, missed = share * point.recall, share * (1 - point.recall)
    alarms = (1 - share) * (1 - point.specificity)
    beta = point.beta
    weighted = (1 + beta**2) * found
    costs: tuple[float, ...] = ()
    if cost_miss is not None and cost_alarm is not None:
        costs = (
            missed * cost_miss + alarms * cost_alarm,
            share * cost_miss,
            (1 - share) * cost_alarm,
        )
    return LinePoint(
        share,
        beta,
        _share(found, found + alarms),
        _share(weighted, weighted + beta**2 * missed + alarms),
        *costs,
    )


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float('nan')
