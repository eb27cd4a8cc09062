"""``mmdefect doctor``: is this environment healthy?"""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from mmdefect.cli.progress import progress

__all__ = ['doctor']


def doctor(
    as_json: Annotated[bool, typer.Option('--json', help='Print one JSON object.')] = False,
) -> None:
    """Show stack, versions, ops, CPU and GPU; exit 1 when something is broken."""
    from mmdefect.compat.health import diagnose

    with progress('importing what is installed'):
        found = diagnose()
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        _print(found)
    raise typer.Exit(1 if found['problems'] else 0)


def _print(found: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    versions = Table('package', 'version', title=f'stack: {found["stack"] or "none"}')
    for name, version in found['versions'].items():
        versions.add_row(name, version or 'missing')
    console.print(versions)
    if found['ops']:
        ops = Table('op', 'served by')
        for name, implementation in found['ops'].items():
            ops.add_row(name, implementation)
        console.print(ops)
    cpu = found['cpu']
    if cpu:
        features = [key for key in ('avx512', 'avx512_bf16', 'amx_bf16') if cpu[key]]
        pays = 'bf16 pays (--amp)' if cpu['bf16_pays'] else 'bf16 does not pay, stay in float32'
        name = f'CPU: {cpu["name"]}, {cpu["threads"]} threads, {", ".join(features) or "plain"}'
        console.print(f'{name}; {pays}')
    gpus = ', '.join(f'{gpu["name"]} ({gpu["memory_gib"]} GiB)' for gpu in found['gpu'])
    console.print(f'GPU: {gpus or "none"}')
    for line in found['information']:
        console.print(f'[cyan]information:[/] {escape(line)}', soft_wrap=True, highlight=False)
    for line in found['problems']:
        console.print(f'[red]problem:[/] {escape(line)}', soft_wrap=True, highlight=False)
    if not found['problems']:
        console.print('[green]healthy[/]')
