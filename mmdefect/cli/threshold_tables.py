"""What ``mmdefect thresholds`` prints."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mmdefect.wording import counted

if TYPE_CHECKING:
    from rich.console import Console

    from mmdefect.decision import (
        Certificate,
        LinePoint,
        OperatingCurve,
        ThresholdGoal,
        ThresholdReport,
        ThresholdStability,
    )

__all__ = ['print_thresholds']

_CURVE_ROWS = 11


def print_thresholds(report: ThresholdReport, out: Path | None) -> None:
    """Print certificates, operating points and curves as tables.

    Args:
        report (ThresholdReport): What was chosen.
        out (Path | None): Policy file that was asked for; None when none was. It is not written
            where the decision is no better than flagging all.
    """
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    _print_parts(console, report)
    _print_points(console, report)
    evidence, chosen = report.policy.evidence, report.chosen
    for certificate, stability, there, reliability in zip(
        evidence.certificates,
        report.stability,
        report.on_the_line,
        report.reliability,
        strict=True,
    ):
        for line in _promises(certificate, stability, there, chosen.choices[0].goal):
            _line(console, line)
        name = f'{certificate.class_name}: ' if certificate.class_name else ''
        _line(
            console,
            f'{name}scores taken as probabilities: expected calibration error '
            f'{reliability.ece:.3f}; decisions need their order alone',
        )
    if len(evidence.certificates) > 1:
        _line(
            console,
            f'all {len(evidence.certificates)} certificates together: confidence '
            f'{chosen.joint_confidence:.4g} at least',
        )
    for certificate, curve in zip(evidence.certificates, report.curves, strict=True):
        _print_curve(console, certificate, curve, chosen.part.beta)
    if chosen.no_better_than_flagging_all:
        _line(
            console,
            'no better than flagging all: the 95 % interval of recall + specificity - 1 is not '
            'above 0',
            style='red',
        )
    if out is not None:
        written = 'not written' if chosen.no_better_than_flagging_all else str(out)
        _line(console, f'policy: {written}')


def _line(console: Console, text: str, style: str | None = None) -> None:
    """A line that a terminal breaks between words, and a file holds whole."""
    console.print(text, style=style, soft_wrap=not console.is_terminal)


def _print_parts(console: Console, report: ThresholdReport) -> None:
    parts, point = report.parts, report.chosen.part
    left_out = f'; {parts.left_out} left out, not labelled' if parts.left_out else ''
    _line(
        console,
        f'{counted(len(parts.names), "part")} ({counted(parts.images, "image")}): '
        f'{point.tp + point.fn} defective, '
        f'{point.fp + point.tn} good{left_out}',
    )
    if parts.too_small:
        _line(
            console,
            f'fewer than {parts.pooling.n} images, so that they score 0 and pass: '
            f'{counted(parts.too_small, "part")}',
            style='yellow',
        )
    known = report.policy.evidence.overlap_with_training == 'none'
    _line(
        console,
        'none of them was trained on'
        if known
        else 'overlap with training: unknown, RESULTS does not say all that the model has seen',
        style=None if known else 'yellow',
    )


def _print_points(console: Console, report: ThresholdReport) -> None:
    from rich.table import Table

    chosen = report.chosen
    counts, shares = Table(title='On these parts', title_justify='left'), Table()
    for table in (counts, shares):
        table.add_column('', overflow='fold')
    beta = f'F{chosen.part.beta:g}'
    for name in ('HOLD', 'FAIL', 'missed', 'prevalence', 'alarms/1000', beta):
        counts.add_column(name, justify='right', no_wrap=True)
    for name in ('recall', 'precision', 'specificity'):
        shares.add_column(name, justify='right', no_wrap=True)
    rows = [
        (name, f'{hold:.4g}', 'never' if fail is None else f'{fail:.4g}', point)
        for name, hold, fail, point in zip(
            chosen.classes, chosen.hold, chosen.fail, chosen.by_class, strict=True
        )
    ]
    if chosen.fail == chosen.hold:
        rows.append(('part', '', '', chosen.part))
    else:
        rows += [('not PASS', '', '', chosen.part), ('FAIL', '', '', chosen.failed)]
    for name, hold, fail, point in rows:
        if point is chosen.part:
            counts.add_section()
            shares.add_section()
        counts.add_row(
            name,
            hold,
            fail,
            f'{point.fn} of {point.tp + point.fn}',
            _number(point.prevalence),
            _number(point.false_alarms_per_1000_good, 1),
            _number(point.f_beta),
        )
        shares.add_row(
            name,
            _share(point.recall, point.recall_interval),
            _share(point.precision, point.precision_interval),
            _share(point.specificity, point.specificity_interval),
        )
    console.print(counts)
    console.print(shares)
    _line(console, 'in brackets: 95 % intervals, as seen; certified is what stands below')
    _line(
        console,
        'alarms/1000: of 1,000 good parts, those flagged. Rows of classes: parts that show the '
        'class against all others, good or with another defect',
    )


def _promises(
    certificate: Certificate, stability: ThresholdStability, there: LinePoint, goal: ThresholdGoal
) -> list[str]:
    name = f'{certificate.class_name}: ' if certificate.class_name else ''
    good = f'parts without {certificate.class_name}' if name else 'good parts'
    alarms = 'false alarms: nothing certified'
    if certificate.false_alarms_upper is not None:
        alarms = f'false alarms at most {certificate.false_alarms_upper:.4g} per 1,000 {good}'
    elif not certificate.n_good:
        alarms = f'false alarms: nothing can be said without {good}'
    # Rounded down: a bound must not look better than it is.
    lower = math.floor(1e4 * certificate.recall_lower) / 1e4
    lines = [
        f'{name}certified: recall at least {lower:.4f} at confidence '
        f'{certificate.confidence:g} ({counted(certificate.n_defective, "defective part")}, '
        f'{counted(certificate.allowed_misses, "miss", "misses")} allowed beforehand); {alarms}',
        f'{name}method: {certificate.method}',
        f'{name}other parts would give: threshold {stability.low:.4g} to {stability.high:.4g} in '
        f'90 % of {counted(stability.rounds, "redraw")} (seed {stability.seed})',
    ]
    if goal.prevalence is not None or goal.beta is not None or there.cost is not None:
        lines.insert(2, f'{name}{_on_the_line(there, goal)}')
    return lines


def _on_the_line(there: LinePoint, goal: ThresholdGoal) -> str:
    """What F-beta or the costs are where the thresholds are used."""
    seen = 'as among these parts' if goal.prevalence is None else 'as given'
    text = (
        f'at a prevalence of {there.prevalence:.4g} ({seen}): precision '
        f'{_number(there.precision)}, F{there.beta:g} {_number(there.f_beta)}'
    )
    if there.cost is not None:
        text += (
            f', cost per part {there.cost:.4g} (passing all {there.cost_passing_all:.4g}, '
            f'flagging all {there.cost_flagging_all:.4g})'
        )
    return f'{text}; as seen, not certified'


def _print_curve(
    console: Console, certificate: Certificate, curve: OperatingCurve, beta: float
) -> None:
    from rich.table import Table

    title = f'Other thresholds{f", {certificate.class_name}" if certificate.class_name else ""}'
    table = Table(title=title, title_justify='left')
    measures = ('recall', 'precision', 'specificity', f'F{beta:g}', 'alarms/1000')
    for name in ('threshold', *measures):
        table.add_column(name, justify='right')
    count = len(curve.threshold)
    for index in np.unique(np.linspace(0, count - 1, min(count, _CURVE_ROWS)).round().astype(int)):
        table.add_row(
            f'{curve.threshold[index]:.4g}',
            _number(curve.recall[index]),
            _number(curve.precision[index]),
            _number(curve.specificity[index]),
            _number(curve.f_beta[index]),
            _number(curve.false_alarms_per_1000_good[index], 1),
        )
    console.print(table)


def _share(share: float, interval: tuple[float, float]) -> str:
    if math.isnan(share):
        return '-'
    return f'{share:.3f} ({interval[0]:.3f}-{interval[1]:.3f})'


def _number(value: float, digits: int = 4) -> str:
    return '-' if math.isnan(value) else f'{value:.{digits}f}'
