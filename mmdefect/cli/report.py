"""``mmdefect report WORK_DIR``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ['report']


def report(
    work_dir: Annotated[
        Path, typer.Argument(help='Folder of a run, with the evaluation.json a test wrote.')
    ],
    out: Annotated[
        Path | None, typer.Option(help='HTML file to write.', show_default='WORK_DIR/report.html')
    ] = None,
) -> None:
    """Write one HTML file with metrics, curves and detections on images."""
    # Imported here so that `mmdefect --help` need not load OpenCV and Jinja.
    from mmdefect.report import write_report

    typer.echo(write_report(work_dir, out))
