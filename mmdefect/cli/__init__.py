"""The command ``mmdefect``: one module per subcommand, parsing and printing only."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mmdefect._version import __version__
from mmdefect.cli.anchors import anchors
from mmdefect.cli.audit import audit
from mmdefect.cli.browse import browse
from mmdefect.cli.check import check
from mmdefect.cli.convert import convert
from mmdefect.cli.demo import demo
from mmdefect.cli.demo_multi_view import demo_multi_view
from mmdefect.cli.doctor import doctor
from mmdefect.cli.report import report
from mmdefect.cli.sample_data import sample_data
from mmdefect.cli.split import split
from mmdefect.cli.thresholds import thresholds
from mmdefect.errors import InputError

__all__ = ['app', 'main']

app = typer.Typer(
    name='mmdefect',
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option('--version', callback=_show_version, is_eager=True, help='Show it.')
    ] = False,
) -> None:
    """Few-label defect detection inside the OpenMMLab stack."""


app.command()(doctor)
app.command('sample-data')(sample_data)
app.command()(convert)
app.command()(split)
app.command()(audit)
app.command()(browse)
app.command()(check)
app.command()(anchors)
app.command()(report)
app.command()(thresholds)
app.command()(demo)
app.command('demo-multi-view')(demo_multi_view)


def main() -> None:
    """Run the command line; bad input becomes one line on standard error and exit code 2."""
    try:
        app()
    except InputError as error:
        print(f'mmdefect: {error}', file=sys.stderr)
        sys.exit(2)
