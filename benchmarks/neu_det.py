"""RetinaNet and RTMDet on NEU-DET from random weights: accuracy, minutes, images per second.

    MMDEFECT_DATA=... python benchmarks/neu_det.py [--work-dir DIR] [--seed 0] [--json]

Trains each config where DIR holds no finished run of it (an interrupted one is resumed), then
measures the training step in float32 and bfloat16, alternating in this process, and prints the
table. Runs in DIR that are finished are only read.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from machine import describe_machine
from train_step import measure_training_step

import mmdefect  # noqa: F401  lets a wheel-only OpenMMLab install run
from mmdefect.engine.launch import run
from mmdefect.report.logs import training_seconds

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = {
    'RetinaNet R18': ROOT / 'configs/retinanet/retinanet_r18_fpn_neu-det.py',
    'RTMDet-tiny': ROOT / 'configs/rtmdet/rtmdet_tiny_neu-det.py',
}


def main() -> None:
    """Train what is missing, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/benchmark_neu_det'))
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--epochs', type=int, help='shorter training, for a trial of this script')
    parser.add_argument('--images', type=int, help='fewer images, for a trial of this script')
    parser.add_argument('--rounds', type=int, default=7, help='alternations of the speed test')
    parser.add_argument('--skip-speed', action='store_true', help='print accuracy only')
    parser.add_argument('--json', action='store_true', help='print one JSON object')
    args = parser.parse_args()
    results = {}
    # Imports and loggers print; standard output is for the result.
    with redirect_stdout(sys.stderr):
        for name, config in CONFIGS.items():
            work_dir = args.work_dir / f'{config.stem}_seed{args.seed}'
            results[name] = _train(config, work_dir, args)
            if not args.skip_speed:
                results[name].update(measure_training_step(config, args.rounds))
        machine = describe_machine()
    if args.json:
        print(json.dumps({'machine': machine, 'rows': _rows(results)}))
    else:
        _print(results, machine)


def _train(config: Path, work_dir: Path, args: argparse.Namespace) -> dict[str, Any]:
    from mmengine.config import Config

    settings = Config.fromfile(config)
    epochs = args.epochs or settings.train_cfg.max_epochs
    options = [f'randomness.seed={args.seed}', f'train_cfg.max_epochs={epochs}']
    if args.images:
        splits = ('train', 'val', 'test')
        options += [f'{split}_dataloader.dataset.indices={args.images}' for split in splits]
    final = work_dir / f'epoch_{epochs}.pth'
    if not final.is_file():
        command = [
            sys.executable, str(ROOT / 'tools/train.py'), str(config), '--amp', '--resume',
            '--work-dir', str(work_dir), '--cfg-options', *options,
        ]  # fmt: skip
        print('$', ' '.join(command), file=sys.stderr, flush=True)
        subprocess.run(command, check=True, stdout=sys.stderr)
    # The weights of the last epoch, not the best of the validation set they are judged on.
    subprocess.run(
        [
            sys.executable, str(ROOT / 'tools/test.py'), str(config), str(final),
            '--work-dir', str(work_dir / 'final'), '--cfg-options', *options,
        ],
        check=True,
        stdout=sys.stderr,
    )  # fmt: skip
    evaluation = json.loads((work_dir / 'final/evaluation.json').read_text(encoding='utf-8'))
    return {
        'evaluation': evaluation,
        'epochs': epochs,
        'image_size': list(settings.image_size),
        'seed': args.seed,
        'minutes': round(training_seconds(work_dir) / 60, 1),
    }


def _rows(results: dict[str, Any]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for name, result in results.items():
        evaluation = result['evaluation']
        for metric in ('AP50', 'AP'):
            rows.append(_row(f'{name} {metric}', evaluation['metrics'][metric], 'box AP'))
        for entry in evaluation['per_class']:
            rows.append(_row(f'{name} AP50 {entry["name"]}', entry['AP50'], 'box AP'))
        rows.append(_row(f'{name} training', result['minutes'], 'min'))
        if 'bf16' in result:
            fast, slow = result['bf16']['images_per_second'], result['fp32']['images_per_second']
            row = _row(f'{name} training step bf16 against fp32', fast, 'img/s')
            rows.append({**row, 'peer': slow, 'ratio': round(fast / slow, 2)})
    return rows


def _row(name: str, ours: float, unit: str) -> dict[str, Any]:
    return {'name': name, 'ours': ours, 'peer': None, 'ratio': None, 'unit': unit}


def _print(results: dict[str, Any], machine: dict[str, Any]) -> None:
    print(f'machine: {machine["cpu"]}, {machine["threads"]} threads, {machine["features"]}')
    names = list(results)
    print('| | ' + ' | '.join(names) + ' |\n|---|' + '---|' * len(names))

    def line(title: str, values: list[Any]) -> None:
        print(f'| {title} | ' + ' | '.join(str(value) for value in values) + ' |')

    every = list(results.values())
    line('AP50', [f'{r["evaluation"]["metrics"]["AP50"]:.3f}' for r in every])
    line('AP50:95', [f'{r["evaluation"]["metrics"]["AP"]:.3f}' for r in every])
    for index, entry in enumerate(every[0]['evaluation']['per_class']):
        values = [r['evaluation']['per_class'][index] for r in every]
        line(
            f'AP50 / AP50:95 {entry["name"]} ({entry["boxes"]} boxes)',
            [f'{v["AP50"]:.3f} / {v["AP"]:.3f}' for v in values],
        )
    line(
        'split', [f'train.txt, {r["evaluation"]["images_total"]} images of val.txt' for r in every]
    )
    line('seed', [r['seed'] for r in every])
    line('schedule', [f'{r["epochs"]} epochs, {r["image_size"]} px, batch 8' for r in every])
    line('minutes as logged', [r['minutes'] for r in every])
    if 'bf16' in every[0]:
        for key in ('fp32', 'bf16'):
            line(
                f'images/s, training step, {key}',
                [f'{r[key]["images_per_second"]:.1f} ±{r[key]["spread"]:.1f}' for r in every],
            )


if __name__ == '__main__':
    try:
        run(lambda _: main())
    except subprocess.CalledProcessError as error:
        # The tool has said on standard error what was wrong.
        sys.exit(error.returncode)
