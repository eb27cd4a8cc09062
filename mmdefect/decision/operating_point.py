"""What a threshold finds, misses and flags wrongly, from four counts."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from mmdefect.decision.intervals import wilson_interval, youden_interval

__all__ = ['OperatingPoint', 'count_flagged', 'operating_point']

_Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """Four counts and what follows from them; made by :func:`operating_point`.

    Shares without a denominator are NaN, their intervals too. Intervals are two-sided, 95 %,
    Wilson's for shares and Newcombe's for Youden's J.

    Args:
        tp (int): Defective parts that are flagged.
        fn (int): Defective parts that are missed.
        fp (int): Good parts that are flagged.
        tn (int): Good parts that pass.
        beta (float): Weight of recall in F-beta.
        recall (float): Share of the defective parts that are flagged.
        precision (float): Share of the flagged parts that are defective.
        specificity (float): Share of the good parts that pass.
        f_beta (float): Weighted harmonic mean of precision and recall.
        prevalence (float): Share of the parts that are defective.
        youden (float): Recall + specificity - 1.
        false_alarms_per_1000_good (float): Of 1,000 good parts, those flagged.
        recall_interval (tuple[float, float]): Ends of the interval.
        precision_interval (tuple[float, float]): Likewise.
        specificity_interval (tuple[float, float]): Likewise.
        youden_interval (tuple[float, float]): Likewise.
        no_better_than_flagging_all (bool | None): Whether the interval of Youden's J contains 0
            or lies below it; None where there are no defective or no good parts to tell from.

    Example:
        >>> operating_point(90, 10, 20, 80).youden
        0.7
    """

    tp: int
    fn: int
    fp: int
    tn: int
    beta: float
    recall: float
    precision: float
    specificity: float
    f_beta: float
    prevalence: float
    youden: float
    false_alarms_per_1000_good: float
    recall_interval: _Interval = field(repr=False)
    precision_interval: _Interval = field(repr=False)
    specificity_interval: _Interval = field(repr=False)
    youden_interval: _Interval = field(repr=False)
    no_better_than_flagging_all: bool | None


def operating_point(tp: int, fn: int, fp: int, tn: int, beta: float = 2.0) -> OperatingPoint:
    """Judge a threshold by the four counts of parts.

    Recall and precision alone flatter whoever flags everything: recall is then 1, precision the
    share of defects. So specificity and prevalence always stand beside them, and a flag says when
    the 95 % interval of recall + specificity - 1 contains 0 or lies below it.

    Args:
        tp (int): Defective parts that are flagged.
        fn (int): Defective parts that are missed.
        fp (int): Good parts that are flagged.
        tn (int): Good parts that pass.
        beta (float): Weight of recall in F-beta, above 0. Default 2.

    Returns:
        OperatingPoint: Shares, their intervals and the flag.

    Raises:
        ValueError: A count is negative or no whole number, or beta is not above 0.

    Source:
        Youden, "Index for rating diagnostic tests", 1950; van Rijsbergen, "Information
        Retrieval", 1979 (F-beta).

    Example:
        >>> point = operating_point(tp=6053, fn=2, fp=8618, tn=1)
        >>> round(point.recall, 4), round(point.specificity, 4), point.no_better_than_flagging_all
        (0.9997, 0.0001, True)
    """
    for name, value in (('tp', tp), ('fn', fn), ('fp', fp), ('tn', tn)):
        if not (value >= 0 and float(value).is_integer()):
            raise ValueError(f'{name} must be a whole number from 0, got {value}')
    if not 0 < beta < float('inf'):
        raise ValueError(f'beta must be above 0, got {beta}')
    tp, fn, fp, tn = int(tp), int(fn), int(fp), int(tn)
    recall, specificity = _share(tp, tp + fn), _share(tn, tn + fp)
    between = _ends(youden_interval(tp, tp + fn, fp, fp + tn))
    # F-beta from counts: 0, not undefined, when defective parts exist and none is flagged.
    weighted = (1 + beta**2) * tp
    return OperatingPoint(
        tp=tp,
        fn=fn,
        fp=fp,
        tn=tn,
        beta=float(beta),
        recall=recall,
        precision=_share(tp, tp + fp),
        specificity=specificity,
        f_beta=_share(weighted, weighted + beta**2 * fn + fp) if tp + fn else float('nan'),
        prevalence=_share(tp + fn, tp + fn + fp + tn),
        youden=_share(tp * (tn + fp) - fp * (tp + fn), (tp + fn) * (tn + fp)),
        false_alarms_per_1000_good=1000 * _share(fp, fp + tn),
        recall_interval=_ends(wilson_interval(tp, tp + fn)),
        precision_interval=_ends(wilson_interval(tp, tp + fp)),
        specificity_interval=_ends(wilson_interval(tn, tn + fp)),
        youden_interval=between,
        no_better_than_flagging_all=between[0] <= 0 if tp + fn and fp + tn else None,
    )


def count_flagged(
    flagged: npt.NDArray[np.bool_], defective: npt.NDArray[np.bool_], beta: float = 2.0
) -> OperatingPoint:
    """Operating point of parts.

    Args:
        flagged (np.ndarray): Which parts are flagged, bool, shape (P,).
        defective (np.ndarray): Which are defective, bool, shape (P,).
        beta (float): Weight of recall in F-beta. Default 2.

    Returns:
        OperatingPoint: The four counts and what follows from them.

    Example:
        >>> count_flagged(np.array([True, False, True]), np.array([True, True, False])).recall
        0.5
    """
    return operating_point(
        tp=int((flagged & defective).sum()),
        fn=int((~flagged & defective).sum()),
        fp=int((flagged & ~defective).sum()),
        tn=int((~flagged & ~defective).sum()),
        beta=beta,
    )


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float('nan')


def _ends(interval: tuple[object, object]) -> _Interval:
    low, high = interval
    return float(low), float(high)  # type: ignore[arg-type]
