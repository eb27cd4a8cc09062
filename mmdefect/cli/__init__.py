"""The command ``mmdefect``: one module per subcommand, parsing and printing only."""

from __future__ import annotations

import sys
from inspect import getdoc
from typing import Annotated, NoReturn

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
from mmdefect.cli.inspect import inspect
from mmdefect.cli.report import report
from mmdefect.cli.sample_data import sample_data
from mmdefect.cli.split import split
from mmdefect.cli.thresholds import thresholds
from mmdefect.cli.usage_line import usage_line
from mmdefect.errors import InputError

__all__ = ['app', 'main']

# Typer brings the library behind it along, or not; this names the base class of either.
_UsageError = typer.BadParameter.__base__
_STOPPED = 130

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


_DATA = 'Data'
_TRAINING = 'Before a training'
_RESULTS = 'Results and decisions'
_START = 'Installation and demonstrations'
# Panels in this order; a line of 80 columns has room for 56 letters.
for _panel, _name, _command, _line in (
    (_DATA, 'sample-data', sample_data, 'Write generated images with their labels.'),
    (_DATA, 'convert', convert, 'Turn annotations of any format into COCO JSON.'),
    (_DATA, 'split', split, 'Split a COCO file by part, stratified by class.'),
    (_DATA, 'audit', audit, 'Say what is wrong with images and labels.'),
    (_TRAINING, 'browse', browse, 'Draw what the model really sees.'),
    (_TRAINING, 'check', check, 'Try a config before a long training.'),
    (_TRAINING, 'anchors', anchors, 'Say whether anchors fit the boxes, and which would.'),
    (_RESULTS, 'report', report, 'Write one HTML file: metrics, curves, every error.'),
    (_RESULTS, 'thresholds', thresholds, 'Choose thresholds that certify a recall.'),
    (_RESULTS, 'inspect', inspect, 'Say PASS, HOLD or FAIL of images and parts.'),
    (_START, 'doctor', doctor, 'Say whether the installation is healthy.'),
    (_START, 'demo', demo, 'Train a small detector on generated data.'),
    (_START, 'demo-multi-view', demo_multi_view, 'Show what unlabelled parts are worth.'),
):
    # Lines are broken where the terminal ends, not where they end in the source.
    _paragraphs = (getdoc(_command) or '').split('\n\n')
    _help = '\n\n'.join(' '.join(paragraph.split()) for paragraph in _paragraphs)
    app.command(_name, rich_help_panel=_panel, short_help=_line, help=_help)(_command)


def main() -> None:
    """Run the command line; bad input becomes one line on standard error and exit code 2.

    Ctrl-C exits with 130.
    """
    group = typer.main.get_command(app)
    try:
        code = group(standalone_mode=False, prog_name='mmdefect')
    except InputError as error:
        _fail(str(error))
    except _UsageError as error:
        _fail(usage_line(error, group.commands.get(next(iter(sys.argv[1:]), ''))))
    except (KeyboardInterrupt, typer.Abort):
        code = _STOPPED
    if code == _STOPPED:
        print('mmdefect: stopped', file=sys.stderr)
    sys.exit(code)


def _fail(line: str) -> NoReturn:
    if line:
        print(f'mmdefect: {line}', file=sys.stderr)
    sys.exit(2)
