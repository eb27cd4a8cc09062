"""``mmdefect check CONFIG``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

__all__ = ['check']


def check(
    config: Annotated[Path, typer.Argument(help='Config file.')],
    more_options: Annotated[
        list[str] | None, typer.Argument(metavar='[KEY=VALUE]...', hidden=True)
    ] = None,
    iterations: Annotated[
        int, typer.Option(min=1, help='Training iterations; the first is a warm-up.')
    ] = 2,
    amp: Annotated[
        bool, typer.Option('--amp', help='Mixed precision, as in tools/train.py --amp.')
    ] = False,
    as_json: Annotated[bool, typer.Option('--json', help='Print one JSON object.')] = False,
    cfg_options: Annotated[
        list[str] | None,
        typer.Option(metavar='KEY=VALUE ...', help='Override keys of the config.'),
    ] = None,
) -> None:
    """Try a config before a long training; exit 1 when something is wrong, 2 on a bad config.

    Reads and counts the data, trains a few iterations, predicts a batch; writes nothing.
    """
    # Imported here so that `mmdefect --help` need not load PyTorch.
    from mmdefect.cli.config_command import quiet, read_command_config
    from mmdefect.cli.progress import progress

    with quiet(), progress('checking') as update:
        from mmdefect.engine.check import check_config
        from mmdefect.engine.config_file import use_amp

        loaded = read_command_config(config, cfg_options, more_options)

        def show(stage: str) -> None:
            # There is nothing to count, and so no rate to show.
            update(0, description=f'checking, {stage}')

        if amp:
            use_amp(loaded, config)
        report = check_config(loaded, iterations, progress=show)
    if as_json:
        print(json.dumps(report.to_dict(), allow_nan=False, ensure_ascii=False))
    else:
        from mmdefect.cli.check_tables import print_report

        print_report(report)
    raise typer.Exit(0 if report.passed else 1)
