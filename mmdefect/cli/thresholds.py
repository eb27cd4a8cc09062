"""``mmdefect thresholds RESULTS``: thresholds that someone can sign."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from mmdefect.errors import InputError
from mmdefect.fileio import refuse_other_file

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
        typer.Option(help='False alarms per 1,000 good parts to certify as well.'),
    ] = None,
    beta: Annotated[
        float | None,
        typer.Option(help='Among the certified thresholds take the highest F-beta.'),
    ] = None,
    cost_miss: Annotated[
        float | None,
        typer.Option(help='Among them take the lowest cost: of a defective part that passes ...'),
    ] = None,
    cost_alarm: Annotated[
        float | None, typer.Option(help='... and of a good part that is flagged.')
    ] = None,
    prevalence: Annotated[
        float | None,
        typer.Option(
            help='Share of defective parts on the line, for F-beta, costs and --fail-precision.',
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
        Path | None, typer.Option(help='Policy file to write, JSON.', show_default='none')
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
        ThresholdGoal,
        collect_parts,
        report_thresholds,
    )

    if out is not None:
        refuse_other_file(out, POLICY_FORMAT)
    if fail_precision is not None and not 0 < fail_precision <= 1:
        raise InputError(
            f'--fail-precision must be above 0 and at most 1, got {fail_precision}; give a share'
        )
    try:
        goal = ThresholdGoal(
            target_recall, confidence, max_false_alarms, beta, cost_miss, cost_alarm, prevalence
        )
    except ValueError as error:
        raise InputError(f'options: {error}; see mmdefect thresholds --help') from error
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
    if out is not None:
        report.policy.save(out)
    if as_json:
        print(json.dumps(report.to_dict(), allow_nan=False, ensure_ascii=False))
    else:
        from mmdefect.cli.threshold_tables import print_thresholds

        print_thresholds(report, out)
    raise typer.Exit(1 if report.chosen.no_better_than_flagging_all else 0)
