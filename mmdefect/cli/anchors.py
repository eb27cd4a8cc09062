"""``mmdefect anchors CONFIG``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmdefect.cli.output_file import require_output_file
from mmdefect.cli.progress import progress, track
from mmdefect.errors import InputError
from mmdefect.fileio import refuse_other_file
from mmdefect.wording import counted

if TYPE_CHECKING:
    from mmdefect.engine.anchors import AnchorReport

__all__ = ['anchors']


def anchors(
    config: Annotated[Path, typer.Argument(help='Config file of a detector with anchors.')],
    more_options: Annotated[
        list[str] | None, typer.Argument(metavar='[KEY=VALUE]...', hidden=True)
    ] = None,
    budget: Annotated[
        int | None,
        typer.Option(help='Anchors per place to fit.', show_default='as many as now'),
    ] = None,
    head: Annotated[
        str | None,
        typer.Option(metavar='KEY', help='Which head, if several have anchors: model.rpn_head.'),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar='FILE.json',
            help='File of the proposed anchors; a figure FILE.png is put beside it.',
            show_default='WORK_DIR/anchors.json where they are worth it, with --json nothing',
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help='Seed of the fit.')] = 0,
    as_json: Annotated[bool, typer.Option('--json', help='Print one JSON object.')] = False,
    cfg_options: Annotated[
        list[str] | None,
        typer.Option(metavar='KEY=VALUE ...', help='Override keys of the config.'),
    ] = None,
) -> None:
    """See how well a config's anchors cover its boxes, and which would cover them better.

    Reads the annotations of the training data, no images. The config stays as it is. Where its
    anchors are as good, it says so and proposes none.
    """
    # Imported here so that `mmdefect --help` need not load PyTorch.
    from mmdefect.cli.config_command import quiet, read_command_config

    if out is not None:
        require_output_file(out, '.json')
    with quiet(), progress('looking at anchors') as update:
        from mmdefect.engine.anchors import report_anchors
        from mmdefect.engine.config_file import naming_variables

        if out is not None:
            _refuse_other_files(out)
        loaded = read_command_config(config, cfg_options, more_options)
        target = out
        if out is None and not as_json:
            target = Path(loaded.work_dir) / 'anchors.json'
            _refuse_other_files(target)
        with naming_variables(loaded):
            report = report_anchors(
                loaded,
                str(config),
                head=head,
                budget=budget,
                seed=seed,
                track=track,
                progress=lambda stage: update(0, description=stage),
            )
        if out is None and not report.worthwhile:
            target = None
        if target is not None:
            _write(report, target)
    if as_json:
        print(json.dumps(report.as_dict(), allow_nan=False, ensure_ascii=False))
    else:
        from mmdefect.cli.anchor_tables import print_anchors

        print_anchors(report, target)


def _refuse_other_files(target: Path) -> None:
    """Stop before a user's own file is replaced by the anchors or their figure."""
    from mmdefect.models.anchors.anchor_file import ANCHOR_FORMAT

    refuse_other_file(target, ANCHOR_FORMAT)
    figure = target.with_suffix('.png')
    if figure.exists() and not target.exists():
        raise InputError(f'{figure}: holds something else already; choose another --out')


def _write(report: AnchorReport, target: Path) -> None:
    from mmdefect.drawing import draw_anchors
    from mmdefect.fileio import write_bytes
    from mmdefect.models.anchors.anchor_file import write_anchor_file

    boxes = report.boxes
    figure = draw_anchors(
        boxes.placed.extents,
        boxes.labels,
        boxes.classes,
        report.now_sizes,
        report.proposed_sizes,
        title=f'{report.config}: {report.generator}, {counted(len(boxes.placed), "box", "boxes")}',
    )
    write_anchor_file(target, report.keys, report.fitted_to())
    write_bytes(target.with_suffix('.png'), figure)
