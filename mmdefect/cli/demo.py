"""``mmdefect demo``: sample data, training, evaluation and report in one go."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Annotated

import typer

from mmdefect.cli.demo_stages import config_folder, healthy_installation, run_tool, stage

__all__ = ['demo']

# Box AP50 on the held-out test images that shows a working installation.
_AP50_GATE = 0.60


def demo(
    work_dir: Annotated[Path, typer.Option(help='Folder for data, model and report.')] = Path(
        'work_dirs/demo'
    ),
    epochs: Annotated[
        int | None, typer.Option(help='Passes over the training set; default: the config.', min=1)
    ] = None,
    amp: Annotated[
        bool | None,
        typer.Option('--amp/--no-amp', help='bf16; default: where the CPU computes in it.'),
    ] = None,
) -> None:
    """Train a small detector on generated data and show what it finds; exit 1 below AP50 .60."""
    from mmdefect.fileio import write_json

    health = healthy_installation()
    use_amp = health['cpu']['bf16_pays'] if amp is None else amp
    seconds: dict[str, float] = {}
    data = work_dir / 'data'
    os.environ['MMDEFECT_DRILL'] = data.as_posix()
    config = config_folder() / 'retinanet' / 'retinanet_demo_drill.py'

    stage('1/4 sample data', seconds, 'data', lambda: _write_data(data))
    train = [str(config), '--work-dir', str(work_dir), *(['--amp'] if use_amp else [])]
    if epochs is not None:
        train += ['--cfg-options', f'train_cfg.max_epochs={epochs}']
    stage('2/4 training', seconds, 'train', lambda: run_tool('train', train))
    best = max(work_dir.glob('best_*.pth'), key=lambda path: path.stat().st_mtime)
    test = [str(config), str(best), '--work-dir', str(work_dir)]
    stage('3/4 evaluation on held-out images', seconds, 'test', lambda: run_tool('test', test))
    evaluation = json.loads((work_dir / 'evaluation.json').read_text(encoding='utf-8'))
    summary = {
        'metrics': evaluation['metrics'],
        'per_class': evaluation['per_class'],
        'images': evaluation['images_total'],
        'precision': 'bfloat16' if use_amp else 'float32',
        'seconds': seconds,
        'versions': health['versions'],
        'cpu': health['cpu']['name'],
        'platform': platform.platform(),
        'gate': {'AP50': _AP50_GATE},
    }
    # Once for the report, which shows it, and once with the report's own seconds.
    write_json(work_dir / 'summary.json', summary, indent=2)
    report = stage('4/4 report', seconds, 'report', lambda: _write_report(work_dir))
    write_json(work_dir / 'summary.json', summary, indent=2)

    ap50 = evaluation['metrics']['AP50']
    passed = ap50 >= _AP50_GATE
    print(
        f'\nbox AP50 {ap50:.3f} on {evaluation["images_total"]} held-out images '
        f'(wanted: {_AP50_GATE:.2f}) in {sum(seconds.values()):.0f} s: '
        f'{"good" if passed else "too low"}\nlook at {report}\nnumbers in '
        f'{work_dir / "summary.json"}'
    )
    raise typer.Exit(0 if passed else 1)


def _write_data(folder: Path) -> None:
    from mmdefect.cli.sample_data import Kind, sample_data

    sample_data(Kind.drill, folder)


def _write_report(work_dir: Path) -> Path:
    from mmdefect.report import write_report

    return write_report(work_dir)
