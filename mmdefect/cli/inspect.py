"""``mmdefect inspect IMAGES_OR_FOLDERS``: PASS, HOLD or FAIL for every image and part."""

from __future__ import annotations

import json
import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmdefect.errors import InputError
from mmdefect.wording import counted

if TYPE_CHECKING:
    from mmdefect.inference.inspection_summary import InspectionSummary

__all__ = ['inspect']


class Draw(str, Enum):
    """Which images are drawn."""

    none = 'none'
    fail_hold = 'fail-hold'
    all = 'all'


class Merge(str, Enum):
    """How boxes of overlapping tiles are merged."""

    nms = 'nms'
    nmm = 'nmm'
    wbf = 'wbf'


_TILES = 'Tiles of a config that cuts none'


def inspect(
    images: Annotated[
        list[Path],
        typer.Argument(metavar='IMAGES_OR_FOLDERS...', help='Image files, folders, or both.'),
    ],
    model: Annotated[
        Path, typer.Option(metavar='CHECKPOINT', help='Checkpoint, or the work dir of a training.')
    ],
    out: Annotated[
        Path, typer.Option(help='Folder to write; the same one again goes on where a run ended.')
    ],
    policy: Annotated[
        Path | None,
        typer.Option(
            metavar='POLICY.json',
            help='Thresholds of this model, from `mmdefect thresholds --out`.',
            show_default='results only, no decisions',
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help='Config of the model.', show_default='the dump beside the checkpoint'),
    ] = None,
    part_pattern: Annotated[
        str | None,
        typer.Option(
            metavar='REGEX',
            help=r'Tells parts by file names: "(?P<part>[^/]+)_v\d+". Matches the end of a path '
            'without its suffix.',
            show_default='each image is a part',
        ),
    ] = None,
    views: Annotated[
        int | None,
        typer.Option(min=1, help='Images of a part; with fewer it is on HOLD.'),
    ] = None,
    draw: Annotated[
        Draw | None,
        typer.Option(
            help='Images to draw, with the boxes above the thresholds.',
            show_default='fail-hold with a policy',
        ),
    ] = None,
    amp: Annotated[bool, typer.Option('--amp', help='bf16, on CPUs too.')] = False,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help='Images, or tiles, at once.')
    ] = None,
    cfg_options: Annotated[
        list[str] | None,
        typer.Option(metavar='KEY=VALUE', help='Override a key of the config; may be repeated.'),
    ] = None,
    tile: Annotated[
        tuple[int, int] | None,
        typer.Option(metavar='W H', help='Size of a tile in pixels.', rich_help_panel=_TILES),
    ] = None,
    overlap: Annotated[
        float | None,
        typer.Option(help='Share that neighbours have in common.', rich_help_panel=_TILES),
    ] = None,
    merge: Annotated[
        Merge | None, typer.Option(help='Merging of their boxes.', rich_help_panel=_TILES)
    ] = None,
    strict: Annotated[
        bool, typer.Option('--strict', help='Exit with 1 unless every part passes.')
    ] = False,
    as_json: Annotated[bool, typer.Option('--json', help='Print one JSON object.')] = False,
) -> None:
    """Decide about images and parts with a trained model and a policy.

    Exit code 0 when all was looked at, whatever was found (with --strict 1 unless every part
    passes); 2 on bad input. An image that cannot be read is on HOLD.
    """
    from mmdefect.cli.config_command import quiet
    from mmdefect.cli.progress import progress

    if policy is None and (draw or views or strict):
        option = '--draw' if draw else '--views' if views else '--strict'
        raise InputError(f'{option} needs decisions; give --policy too')
    if tile is None and (overlap is not None or merge is not None):
        raise InputError('--overlap and --merge are about tiles; give --tile W H too')
    default_draw = Draw.none if policy is None else Draw.fail_hold
    with quiet(), progress('inspecting') as update:
        from mmdefect.inference.inspection_setup import set_up_inspection

        inspection, make_scorer = set_up_inspection(
            images,
            model,
            out,
            policy=policy,
            config=config,
            cfg_options=cfg_options or (),
            part_pattern=part_pattern,
            views=views,
            draw=(draw or default_draw).value,
            amp=amp,
            batch_size=batch_size,
            tile=tile,
            overlap=overlap or 0.0,
            merge=None if merge is None else merge.value,
        )
        summary = inspection.run(make_scorer, update)
    for doubt in inspection.doubts():
        print(f'mmdefect: {policy}: {doubt}', file=sys.stderr)
    if as_json:
        print(json.dumps(summary.to_dict(), ensure_ascii=False))
    else:
        _print(summary, out)
    if summary.unreadable and not as_json:
        _complain(summary)
    raise typer.Exit(1 if strict and not summary.all_pass else 0)


def _print(summary: InspectionSummary, out: Path) -> None:
    rate = f', {summary.inspected / summary.seconds:.1f} images/s' if summary.seconds else ''
    before = summary.images - summary.inspected
    earlier = f', {before} of them in earlier runs' if before else ''
    images, parts = counted(summary.images, 'image'), counted(summary.parts, 'part')
    print(f'{images} of {parts}{earlier}{rate}')
    if summary.passed_over:
        files = counted(summary.passed_over, 'file')
        print(f'{files} passed over, without the ending of an image')
    if summary.policy is not None:
        counts = (f'{name} {summary.outcomes.get(name, 0)}' for name in ('PASS', 'HOLD', 'FAIL'))
        print('parts: ' + ', '.join(counts))
        for name, found in sorted(summary.by_class.items()):
            print(f'  {name}: HOLD {found.get("HOLD", 0)}, FAIL {found.get("FAIL", 0)}')
        print(f'decisions: {out / "decisions.jsonl"}')
    else:
        print('no decisions without --policy')
    print(f'results: {out / "results.jsonl"}')


def _complain(summary: InspectionSummary) -> None:
    count, (first, *_) = len(summary.unreadable), summary.unreadable.values()
    consequence = ', on HOLD' if summary.policy is not None else ''
    link = ':' if count == 1 else ', such as'
    print(
        f'mmdefect: {counted(count, "image")} could not be inspected{consequence}{link} {first}',
        file=sys.stderr,
    )
