"""Anchors against boxes: the order of ratios, a million boxes, trainings before and after a fit.

    python benchmarks/anchors.py [--boxes 1000000] [--json]
    MMDEFECT_DATA=... python benchmarks/anchors.py --train neu_det drill [--seeds 0] [--json]

Without `--train`: 4,000 seeded boxes are drawn to two reported sets of quartiles of w/h; printed
is the mean best IoU, shape only, of five and of seven ratios in both orders, anchors having the
area of their box, so that nothing but the ratios counts. Then everything that `mmdefect anchors`
computes, on a million boxes: seconds, and memory besides the boxes themselves.

With `--train`: RetinaNet R18 with the anchors of its config, and with those fitted to the training
boxes under the same number of anchors per place; else equal, from random weights. Finished runs are
only read. Recall and precision at the score with the best F1, of the last weights.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe_machine

import mmdefect  # noqa: F401  lets a wheel-only OpenMMLab install run
from mmdefect.engine.launch import run
from mmdefect.evaluation.anchors import (
    AnchorForm,
    AnchorSet,
    PlacedBoxes,
    best_grid_iou,
    best_shape_iou,
    fit_shapes,
    shape_statistics,
)

ROOT = Path(__file__).resolve().parent.parent
QUARTILES = ((0.34, 0.45, 0.61), (0.39, 0.51, 0.65))
RATIOS = {'five': (0.2, 0.35, 0.5, 1, 2), 'seven': (0.2, 0.35, 0.45, 0.55, 0.65, 1, 2)}
DRAWN = 4000
# `mmdefect` of this environment.
_COMMAND = ('-c', 'from mmdefect.cli import main; main()')
# Of a standard normal distribution.
_QUARTILE = 0.6744897501960817
CONFIGS = {
    'neu_det': 'configs/retinanet/retinanet_r18_fpn_neu-det.py',
    'drill': 'configs/retinanet/retinanet_r18_fpn_drill.py',
}


def main() -> None:
    """Measure or train, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--boxes', type=int, default=1_000_000, help='boxes to time')
    parser.add_argument('--train', nargs='+', choices=list(CONFIGS), help='data sets to train on')
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/benchmark_anchors'))
    parser.add_argument('--seeds', type=int, nargs='+', default=[0])
    parser.add_argument('--epochs', type=int, help='shorter training, for a trial of this script')
    parser.add_argument('--images', type=int, help='fewer images, for a trial of this script')
    parser.add_argument('--json', action='store_true', help='print one JSON object')
    args = parser.parse_args()
    # Imports, loggers and trainings print; standard output is for the result.
    with redirect_stdout(sys.stderr):
        rows = compare_trainings(args) if args.train else [*ratio_rows(), *time_rows(args.boxes)]
        machine = describe_machine()
    if args.json:
        print(json.dumps({'machine': machine, 'rows': rows}))
        return
    print(f'machine: {machine["cpu"]}, {machine["threads"]} threads')
    for row in rows:
        peer = '' if row['peer'] is None else f' (against {row["peer"]:.4g})'
        ours = '-' if row['ours'] is None else f'{row["ours"]:.4g}'
        print(f'{row["name"]}: {ours} {row["unit"]}{peer}')


def draw_ratios(quartiles: Sequence[float], count: int, seed: int = 0) -> np.ndarray:
    """Draw w/h with given quartiles: log-normal, each half with its own width.

    Args:
        quartiles (Sequence[float]): 25th, 50th and 75th percentile.
        count (int): How many.
        seed (int): Seed. Default 0.

    Returns:
        np.ndarray: Width / height, shape (count,).
    """
    normal = np.random.default_rng(seed).standard_normal(count)
    low, middle, high = np.log(quartiles)
    width = np.where(normal < 0, middle - low, high - middle) / _QUARTILE
    return np.exp(middle + width * normal)


def ratio_rows() -> list[dict[str, Any]]:
    """Mean best IoU of both lists of ratios in both orders.

    Returns:
        list[dict[str, Any]]: Rows; the peer of w/h is h/w.
    """
    rows = []
    for quartiles in QUARTILES:
        root = np.sqrt(draw_ratios(quartiles, DRAWN))
        boxes = np.stack([root, 1 / root], axis=1)
        for words, ratios in RATIOS.items():
            scores = {}
            for order, values in (('h/w', 1 / np.array(ratios)), ('w/h', np.array(ratios))):
                form = AnchorForm(np.ones((1, 2)), np.ones(1), np.zeros((1, 2)))
                iou = best_shape_iou(boxes, form.anchors(values, [1]))
                scores[order] = float(iou.mean(dtype=np.float64))
            name = f'w/h {"/".join(f"{value:g}" for value in quartiles)}, {words} ratios'
            rows.append(_row(f'{name} read as h/w', scores['h/w'], 'mean best IoU'))
            rows.append(_row(f'{name} read as w/h', scores['w/h'], 'mean best IoU', scores['h/w']))
    return rows


def time_rows(count: int) -> list[dict[str, Any]]:
    """Time all that the command computes on many boxes.

    Args:
        count (int): Boxes.

    Returns:
        list[dict[str, Any]]: Seconds per part and of all, MB, and coverage.
    """
    placed = _draw_boxes(count)
    strides = np.repeat(np.array([8.0, 16, 32, 64, 128])[:, None], 2, axis=1)
    form = AnchorForm(strides, strides[:, 0], np.zeros((5, 2)))
    now = form.anchors([0.5, 1, 2], 4 * 2 ** (np.arange(3) / 3))
    seconds: dict[str, float] = {}
    found: dict[str, Any] = {}

    busy = time.process_time()
    tracemalloc.start()

    def timed(name: str, work: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        found[name] = work()
        seconds[name] = time.perf_counter() - start
        return found[name]

    labels = np.arange(count) % 6
    timed('quantiles', lambda: shape_statistics(placed.extents, labels, list('abcdef')))
    timed('transposed', lambda: best_shape_iou(placed.extents, now.transposed()))
    timed('coverage now', lambda: _cover(placed, now))
    shapes = timed('fit', lambda: fit_shapes(placed, form, 9))
    after = form.anchors(shapes.ratios, shapes.scales)
    timed('coverage after', lambda: _cover(placed, after))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    busy = time.process_time() - busy
    name = f'{count} boxes'
    rows = [_row(f'{name}: {part}', taken, 's') for part, taken in seconds.items()]
    rows.append(_row(f'{name}: all', sum(seconds.values()), 's'))
    rows.append(_row(f'{name}: all, processor time', busy, 's'))
    rows.append(_row(f'{name}: memory at most, besides the boxes', peak / 1e6, 'MB'))
    for part, anchors in (('coverage now', now), ('coverage after', after)):
        words = f'{name}: {part}, {anchors.per_location[0]} anchors per place'
        rows.append(_row(f'{words}, shape only', found[part][0], 'mean best IoU'))
        rows.append(_row(f'{words}, real grid', found[part][1], 'mean best IoU'))
    return rows


def _draw_boxes(count: int) -> PlacedBoxes:
    """Boxes of the first quartiles and a median size of 40 pixels on images of 1333 x 800."""
    generator = np.random.default_rng(1)
    root = np.sqrt(draw_ratios(QUARTILES[0], count))
    size = 40 * np.exp(0.7 * generator.standard_normal(count))
    image = np.array([1333, 800])
    extents = np.minimum(np.stack([size * root, size / root], axis=1), image)
    corner = generator.random((count, 2)) * (image - extents)
    images = max(1, count // 100)
    return PlacedBoxes(
        np.hstack([corner, corner + extents]).astype(np.float32),
        generator.integers(0, images, count),
        np.tile(image, (images, 1)),
        np.tile([1344, 800], (images, 1)),
    )


def _cover(placed: PlacedBoxes, anchors: AnchorSet) -> tuple[float, float]:
    shape = best_shape_iou(placed.extents, anchors).mean(dtype=np.float64)
    return float(shape), float(best_grid_iou(placed, anchors)[0].mean(dtype=np.float64))


def compare_trainings(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Train each config as it is and with fitted anchors.

    Args:
        args (argparse.Namespace): Options of the script.

    Returns:
        list[dict[str, Any]]: Rows; the peer of fitted anchors are those of the config.
    """
    rows = []
    for name in args.train:
        if name == 'drill' and 'MMDEFECT_DRILL' not in os.environ:
            folder = args.work_dir / 'drill_real'
            os.environ['MMDEFECT_DRILL'] = str(folder)
            if not folder.exists():
                _run(*_COMMAND, 'sample-data', 'drill', folder, '--level', 'real')
        stock, fitted = [], []
        for seed in args.seeds:
            folder = args.work_dir / f'{name}_seed{seed}'
            stock.append(_train(ROOT / CONFIGS[name], folder / 'stock', seed, args))
            fitted.append(_train(_fitted_config(name, folder), folder / 'fitted', seed, args))
        units = {'AP50': 'box AP', 'AP': 'box AP', 'recall': 'share', 'precision': 'share'}
        units |= dict.fromkeys((key for key in stock[0] if key.startswith('AP50 of')), 'box AP')
        for measure, unit in units.items():
            ours, peer = (_mean([one[measure] for one in runs]) for runs in (fitted, stock))
            rows.append(_row(f'{name}, fitted anchors: {measure}', ours, unit, peer))
    return rows


def _fitted_config(name: str, folder: Path) -> Path:
    """A config that takes the fitted anchors, in the folder of its training."""
    anchors = (folder / 'anchors.json').resolve()
    config = ROOT / CONFIGS[name]
    if not anchors.is_file():
        _run(*_COMMAND, 'anchors', config, '--out', anchors)
    path = folder / 'fitted.py'
    path.write_text(
        f'_base_ = [{str(config)!r}]\n'
        'model = dict(bbox_head=dict(anchor_generator=dict(\n'
        "    _delete_=True, type='mmdefect.DefectAnchorGenerator',\n"
        f'    anchor_file={str(anchors)!r})))\n',
        encoding='utf-8',
    )
    return path


def _train(
    config: Path, work_dir: Path, seed: int, args: argparse.Namespace
) -> dict[str, float | None]:
    from mmengine.config import Config

    epochs = args.epochs or Config.fromfile(config).train_cfg.max_epochs
    # The weights of the last epoch, so nothing is chosen on the images that judge them.
    options = [f'randomness.seed={seed}', f'train_cfg.max_epochs={epochs}']
    if args.images:
        options += [
            f'{split}_dataloader.dataset.indices={args.images}'
            for split in ('train', 'val', 'test')
        ]
    final = work_dir / f'epoch_{epochs}.pth'
    if not final.is_file():
        _run(
            ROOT / 'tools/train.py', config, '--amp', '--resume', '--work-dir', work_dir,
            '--cfg-options', *options,
        )  # fmt: skip
    record = work_dir / 'final/evaluation.json'
    if not record.is_file():
        _run(
            ROOT / 'tools/test.py', config, final, '--work-dir', record.parent,
            '--cfg-options', *options,
        )  # fmt: skip
    evaluation = json.loads(record.read_text(encoding='utf-8'))
    classes = {f'AP50 of {row["name"]}': row['AP50'] for row in evaluation['per_class']}
    return {**evaluation['metrics'], **evaluation['operating'], **classes}


def _run(*arguments: object) -> None:
    command = [sys.executable, *map(str, arguments)]
    print('$', ' '.join(command), file=sys.stderr, flush=True)
    subprocess.run(command, check=True, stdout=sys.stderr)


def _mean(values: Sequence[float | None]) -> float | None:
    """None where a training found nothing at all, which has no precision."""
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if len(known) == len(values) else None


def _row(name: str, ours: float | None, unit: str, peer: float | None = None) -> dict[str, Any]:
    ratio = round(ours / peer, 3) if ours is not None and peer else None
    return {'name': name, 'ours': ours, 'peer': peer, 'ratio': ratio, 'unit': unit}


if __name__ == '__main__':
    try:
        run(lambda _: main())
    except subprocess.CalledProcessError as error:
        # The command has said on standard error what was wrong.
        sys.exit(error.returncode)
