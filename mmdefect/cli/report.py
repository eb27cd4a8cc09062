"""``mmdefect report WORK_DIR``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ['report']


def report(
    work_dir: Annotated[
        Path, typer.Argument(help='Folder of a detector, with the evaluation.json a test wrote.')
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help='HTML file to write.',
            show_default='WORK_DIR/report.html, WORK_DIR/compare.html with --compare',
        ),
    ] = None,
    compare: Annotated[
        Path | None,
        typer.Option(metavar='OTHER_WORK_DIR', help='Folder of a second run to put beside it.'),
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(
            metavar='FILE.json', help='Policy whose thresholds say what is missed, what is wrong.'
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            help='The same, one score for all classes.', show_default='that of the highest F1'
        ),
    ] = None,
    items: Annotated[
        int, typer.Option(help='Misses and false alarms shown one by one, at most.', min=0)
    ] = 300,
) -> None:
    """Write one HTML file: metrics, curves, kinds of errors, every miss and false alarm."""
    # Imported here so that `mmdefect --help` need not load OpenCV and Jinja.
    from mmdefect.cli.output_file import require_output_file
    from mmdefect.cli.progress import track
    from mmdefect.report import write_report

    if out is not None:
        require_output_file(out, '.html', '.htm')
    path = write_report(
        work_dir,
        out,
        compare=compare,
        items=items,
        policy=policy,
        threshold=threshold,
        track=track,
    )
    typer.echo(f'{path} ({path.stat().st_size / 1e6:.1f} MB)')
