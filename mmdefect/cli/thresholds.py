"""``mmdefect thresholds RESULTS``: thresholds that someone can sign."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmdefect.cli.output_file import require_output_file
from mmdefect.errors import InputError
from mmdefect.fileio import refuse_other_file

if TYPE_CHECKING:
    from mmdefect.decision import ThresholdGoal, ThresholdReport

__all__ = ['thresholds']


def thresholds(
    results: Annotated[
        Path,
        typer.Argument(
            metavar='RESULTS', help='JSON-lines file of a model on labelled calibration images.'
        ),
    ],
    target_recall: Annotated[
        float, typer.Option(help='Recall of parts to certify, between 0 and 1.')
    ] = 0.95,
    confidence: Annotated[
        float, typer.Option(help='Least probability that the promise holds.')
    ] = 0.95,
    max_false_alarms: Annotated[
        float | None,
        typer.Option(
            help='False alarms per 1,000 good parts (with --per-class: parts without the class) '
            'to certify as well.'
        ),
    ] = None,
    beta: Annotated[
        float | None,
        typer.Option(help='Among the certified thresholds take the highest F-beta.'),
    ] = None,
    cost_miss: Annotated[
        float | None,
        typer.Option(help='Among them take the lowest cost: of a defective part that passes,'),
    ] = None,
    cost_alarm: Annotated[
        float | None, typer.Option(help='and of a good part that is flagged.')
    ] = None,
    prevalence: Annotated[
        float | None,
        typer.Option(
            help='Share of defective parts on the line, for F-beta, costs and --fail-precision; '
            'with --per-class of parts that show a class.',
            show_default='as in RESULTS',
        ),
    ] = None,
    per_class: Annotated[
        bool, typer.Option('--per-class', help='One threshold and certificate per class.')
    ] = False,
    fail_precision: Annotated[
        float | None,
        typer.Option(
            help='Precision that parts need to FAIL; those between are on HOLD.',
            show_default='whatever does not pass fails',
        ),
    ] = None,
    min_images: Annotated[
        int, typer.Option(min=1, help='Images of a part that must show a defect.')
    ] = 1,
    rounds: Annotated[
        int, typer.Option(min=1, help='Redraws of the parts for the spread of the threshold.')
    ] = 200,
    seed: Annotated[int, typer.Option(min=0, help='Seed of the redraws.')] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar='FILE.json',
            help='Policy file to write; not written with exit code 1.',
            show_default='none',
        ),
    ] = None,
    figure: Annotated[
        Path | None,
        typer.Option(
            metavar='FILE.png',
            help='Figure to write: curves, scores, reliability diagram.',
            show_default='none',
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option('--json', help='Print one JSON object.')] = False,
) -> None:
    """Choose decision thresholds with a proof of their recall.

    Exit code 0 with a certified threshold; 1 when the evidence does not carry the promise or the
    decision is no better than flagging all; 2 on bad input.
    """
    # Imported here so that `mmdefect --help` need not load SciPy.
    from mmdefect.cli.progress import progress
    from mmdefect.decision import (
        POLICY_FORMAT,
        NotCertifiedError,
        Pooling,
        ResultsFile,
        collect_parts,
        report_thresholds,
    )

    if figure is not None:
        require_output_file(figure, '.png', option='--figure')
    if out is not None:
        require_output_file(out, '.json')
        refuse_other_file(out, POLICY_FORMAT)
    _check_shares(
        {
            '--target-recall': target_recall,
            '--confidence': confidence,
            '--prevalence': prevalence,
            '--fail-precision': None if fail_precision == 1 else fail_precision,
        }
    )
    goal = _goal(
        target_recall, confidence, max_false_alarms, beta, cost_miss, cost_alarm, prevalence
    )
    try:
        with progress('choosing thresholds'):
            report = report_thresholds(
                collect_parts(ResultsFile(results), Pooling(n=min_images)),
                goal,
                per_class=per_class,
                fail_precision=fail_precision,
                rounds=rounds,
                seed=seed,
            )
    except NotCertifiedError as error:
        if as_json:
            refusal = {
                'certified': False,
                'reason': str(error),
                'largest_recall': error.largest_recall,
            }
            print(json.dumps(refusal, ensure_ascii=False))
        print(f'mmdefect: {results}: not certified: {error}', file=sys.stderr)
        raise typer.Exit(1) from None
    except InputError as error:
        where = '' if str(error).startswith(f'{results}: ') else f'{results}: '
        raise InputError(f'{where}{error}') from None
    blind = bool(report.chosen.no_better_than_flagging_all)
    if out is not None and not blind:
        report.policy.save(out)
    if figure is not None:
        _write_figure(report, figure)
    if as_json:
        print(json.dumps(report.to_dict(), allow_nan=False, ensure_ascii=False))
    else:
        from mmdefect.cli.threshold_tables import print_thresholds

        print_thresholds(report, out)
        if figure is not None:
            print(f'figure: {figure}')
    raise typer.Exit(1 if blind else 0)


def _write_figure(report: ThresholdReport, path: Path) -> None:
    import dataclasses

    from mmdefect.drawing import ThresholdPanel, draw_thresholds
    from mmdefect.fileio import write_bytes

    rows = zip(
        report.policy.evidence.certificates,
        report.chosen.choices,
        report.chosen.columns(report.parts),
        report.curves,
        report.reliability,
        strict=True,
    )
    panels = [
        ThresholdPanel(
            certificate.class_name or '',
            scores,
            truth,
            choice.threshold,
            dataclasses.asdict(curve),
            dataclasses.asdict(reliability),
        )
        for certificate, choice, (scores, truth), curve, reliability in rows
    ]
    write_bytes(path, draw_thresholds(panels))


def _check_shares(values: dict[str, float | None]) -> None:
    for option, value in values.items():
        if value is None or 0 < value < 1:
            continue
        cure = 'give a share such as .95'
        if 1 < value < 100:
            cure = f'write {value / 100:g}'.replace('0.', '.')
        elif value == 1:
            cure = 'nothing proves a share of 1, give less, such as .99'
        raise InputError(f'{option} must be a share between 0 and 1, got {value:g}; {cure}')


def _goal(*values: float | None) -> ThresholdGoal:
    from mmdefect.decision import ThresholdGoal

    try:
        return ThresholdGoal(*values)  # type: ignore[arg-type]
    except ValueError as error:
        # It names its arguments.
        text = re.sub(
            r'\b(?:max_false_alarms|beta|cost_miss|cost_alarm)\b',
            lambda found: '--' + found[0].replace('_', '-'),
            str(error),
        )
        raise InputError(f'{text}; see mmdefect thresholds --help') from None
