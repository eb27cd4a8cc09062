"""Tiled inference: SAHI's adapter of MMDetection against ours in float32 and bfloat16.

    python benchmarks/tiled_inference.py [--checkpoint A.pth] [--rounds 5] [--json]
    python benchmarks/tiled_inference.py --megapixels 100 [--overlap 0.1] [--json]

Both read the same image files, cut them into the same tiles, and see them through the same config
and checkpoint, score threshold and NMS of the merged boxes; they take turns in this process. SAHI,
in its newest release, runs one tile at a time on mmcv's compiled ops, without its pass over the
whole image. The first run makes `.venv-sahi` (its packages beside those of `.venv-compiled`, which
`make benchmark-env` makes, or of this environment).

The model is RetinaNet R18 for six classes. Without a checkpoint its weights are random, and the
threshold lets ten boxes of a tile pass, so that there is something to merge. The last row counts
the boxes of both sides; its share are those of SAHI that ours match: same class, IoU above .9,
scores no more than .01 apart.

With --megapixels one PNG file of that size goes through ours alone, in bfloat16, in a process of
its own. Printed are the peak of its memory, the peak before, after one batch of tiles, and the
bytes of the decoded image; shares are those of the first.
"""

from __future__ import annotations

import argparse
import math
import resource
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import torch
from peers import (
    ROOT,
    build,
    has_compiled_mmcv,
    load_config,
    on_compiled_ops,
    use_compiled_environment,
)
from sahi_environment import use_sahi_environment
from sahi_peer import agreement, sahi_step
from timing import alternate, make_rows, print_rows

from mmdefect.engine.launch import run

CONFIG = 'retinanet/retinanet_r18_fpn_neu-det.py'
BOXES_PER_TILE = 10
MERGE_IOU = 0.5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--checkpoint', type=Path, help=f'of configs/{CONFIG}; default: random')
    parser.add_argument('--score-thr', type=float, default=0.3, help='with a checkpoint')
    parser.add_argument('--size', type=int, nargs=2, default=(1600, 256), help='image, w h')
    parser.add_argument('--tile', type=int, default=256, help='side of a tile in pixels')
    parser.add_argument('--overlap', type=float, default=0.5, help='share of a tile')
    parser.add_argument('--images', type=int, default=2, help='images in a call')
    parser.add_argument('--batch', type=int, default=8, help='tiles in a batch')
    parser.add_argument('--rounds', type=int, default=5, help='turns')
    parser.add_argument('--repeats', type=int, default=1, help='calls in a turn')
    parser.add_argument('--megapixels', type=float, help='memory with an image of that size')
    parser.add_argument('--json', action='store_true', help='print one JSON object')
    args = parser.parse_args()
    if args.megapixels:
        # As 12,500 x 8,000.
        height = round(math.sqrt(args.megapixels * 1e6 / 1.5625))
        args.size, args.images = (round(1.5625 * height), height), 1
    else:
        use_compiled_environment()
        use_sahi_environment()
    # Imports and loggers print; standard output is for the result.
    with redirect_stdout(sys.stderr), TemporaryDirectory() as folder:
        rows = (measure_memory if args.megapixels else measure)(args, Path(folder))
    print_rows(rows, args.json)


def measure_memory(args: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """Measure the memory of one large image, in a process of its own.

    Args:
        args (argparse.Namespace): The command line.
        folder (Path): For image, config and weights.

    Returns:
        list[dict[str, Any]]: Rows for ``print_rows``.
    """
    (path,) = write_images(folder, args)
    with ProcessPoolExecutor(1, get_context('spawn')) as process:
        files = write_model(folder, args)
        peak, before, tiles = process.submit(peak_memory, path, *files, args).result()
    width, height = args.size
    values = {
        f'peak memory, {width}x{height} px in {tiles} tiles': peak,
        f'peak memory before, {args.batch} tiles': before,
        'decoded image': 3 * width * height / 1e6,
    }
    return [
        {'name': name, 'ours': value, 'peer': None, 'ratio': None, 'unit': 'MB',
         'share': value / peak}
        for name, value in values.items()
    ]  # fmt: skip


def peak_memory(
    path: str, config: Path, checkpoint: Path, args: argparse.Namespace
) -> tuple[float, float, int]:
    """Inspect one batch of tiles, then an image file.

    Args:
        path (str): The file.
        config (Path): Of the detector.
        checkpoint (Path): Its weights.
        args (argparse.Namespace): The command line.

    Returns:
        tuple[float, float, int]: Peak of the memory of this process in MB after all, and after the
        one batch; number of tiles of the image.
    """
    from mmdefect.engine.predict import load_model
    from mmdefect.inference import Inspector, TileGrid

    def peak() -> float:
        # macOS counts bytes, Linux KiB.
        unit = 1 if sys.platform == 'darwin' else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6

    model = load_model(config, checkpoint)
    grid = TileGrid((args.tile, args.tile), args.overlap)
    step = grid.stride[0]
    strip = make_image(args.tile + (args.batch - 1) * step, args.tile)
    options: dict[str, Any] = dict(batch_size=args.batch, amp=True)
    (found,) = Inspector(model, grid, **options).inspect([strip])
    threshold = args.score_thr
    if args.checkpoint is None:
        threshold = float(found.detections.scores[: BOXES_PER_TILE * found.tiles][-1])
    before = peak()
    (found,) = Inspector(model, grid, min_score=threshold, **options).inspect([path])
    return peak(), before, found.tiles


def measure(args: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """Time both sides on the same files, and compare their boxes.

    Args:
        args (argparse.Namespace): The command line.
        folder (Path): For images, config and weights.

    Returns:
        list[dict[str, Any]]: Rows for ``print_rows``.
    """
    from mmdefect.engine.predict import load_model
    from mmdefect.inference import Inspector, TileGrid, TileMerge

    paths = write_images(folder, args)
    config, checkpoint = write_model(folder, args)
    model = load_model(config, checkpoint)
    grid = TileGrid((args.tile, args.tile), args.overlap)
    merge = TileMerge('nms', 'iou', MERGE_IOU, drop_cut=False)

    def ours(**options: Any) -> Callable[[], list[Any]]:
        inspector = Inspector(model, grid, batch_size=args.batch, merge=merge, **options)
        return lambda: list(inspector.inspect(paths))

    threshold = args.score_thr
    if args.checkpoint is None:
        tiles = len(grid.boxes(*args.size)) * len(paths)
        scores = np.concatenate([found.detections.scores for found in ours()()])
        # Between two scores, as one side counts the threshold itself and the other may not.
        best = -np.sort(-scores)[BOXES_PER_TILE * tiles - 1 :][:2]
        threshold = float(best.mean())
    peer = sahi_step(config, checkpoint, paths, threshold, MERGE_IOU, args)
    title = (
        f'RetinaNet R18 {args.size[0]}x{args.size[1]} px in {args.tile} px tiles, '
        f'overlap {args.overlap:g}, batch {args.batch}'
    )
    exact = ours(min_score=threshold)
    steps = {
        f'{title} fp32': exact,
        f'{title} bf16': ours(min_score=threshold, amp=True),
        'peer': on_compiled_ops(peer) if has_compiled_mmcv() else peer,
    }
    rows = make_rows(alternate(steps, args.rounds, args.repeats), 'img/s', len(paths))
    return [*rows, agreement([found.detections for found in exact()], peer())]


def write_images(folder: Path, args: argparse.Namespace) -> list[str]:
    """Write images of noise.

    Args:
        folder (Path): Where to.
        args (argparse.Namespace): ``size`` and ``images``.

    Returns:
        list[str]: Their paths.
    """
    paths = [str(folder / f'{number}.png') for number in range(args.images)]
    for number, path in enumerate(paths):
        cv2.imwrite(path, make_image(*args.size, seed=number))
    return paths


def make_image(width: int, height: int, seed: int = 0) -> np.ndarray:
    """Draw smooth noise.

    Args:
        width (int): In pixels.
        height (int): In pixels.
        seed (int): Of the noise. Default 0.

    Returns:
        np.ndarray: uint8, shape (h, w, 3).
    """
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def write_model(folder: Path, args: argparse.Namespace) -> tuple[Path, Path]:
    """A config that both sides read, and weights.

    Args:
        folder (Path): Where to.
        args (argparse.Namespace): ``tile`` and ``checkpoint``.

    Returns:
        tuple[Path, Path]: Config and checkpoint.
    """
    from mmengine.config import Config

    detector = load_config(CONFIG)
    settings = Config.fromfile(ROOT / 'configs' / CONFIG)
    # SAHI looks for these three steps by name.
    steps = [
        dict(type='LoadImageFromFile'),
        dict(type='Resize', scale=(args.tile, args.tile), keep_ratio=True),
        dict(
            type='PackDetInputs', meta_keys=('img_path', 'ori_shape', 'img_shape', 'scale_factor')
        ),
    ]
    for part in ('train_dataloader', 'test_dataloader'):
        settings[part].dataset.pipeline = steps
    settings.dump(folder / 'config.py')
    checkpoint = args.checkpoint
    if checkpoint is None:
        checkpoint = folder / 'weights.pth'
        meta = {'dataset_meta': {'classes': tuple(settings.classes)}}
        torch.save({'meta': meta, 'state_dict': build(detector).state_dict()}, checkpoint)
    return folder / 'config.py', checkpoint


if __name__ == '__main__':
    run(lambda _: main())
