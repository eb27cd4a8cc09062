"""Tiled inference: SAHI's adapter of MMDetection against ours in float32 and bfloat16.

    python benchmarks/tiled_inference.py [--checkpoint A.pth] [--rounds 5] [--json]

Both read the same image files, cut them into the same tiles, and see them through the same config
and checkpoint, score threshold and NMS of the merged boxes; they take turns in this process. SAHI,
in its newest release, runs one tile at a time on mmcv's compiled ops, without its pass over the
whole image. The first run makes `.venv-sahi` (its packages beside those of `.venv-compiled`, which
`make benchmark-env` makes, or of this environment).

The model is RetinaNet R18 for six classes. Without a checkpoint its weights are random, and the
threshold lets ten boxes of a tile pass, so that there is something to merge. The last row counts
the boxes of both sides; its share are those of SAHI that ours match: same class, IoU above .9,
scores no more than .01 apart.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
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
from timing import DEVICE, alternate, make_rows, print_rows

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
    parser.add_argument('--json', action='store_true', help='print one JSON object')
    args = parser.parse_args()
    use_compiled_environment()
    use_sahi_environment()
    # Imports and loggers print; standard output is for the result.
    with redirect_stdout(sys.stderr), TemporaryDirectory() as folder:
        rows = measure(args, Path(folder))
    print_rows(rows, args.json)


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
    peer = sahi_step(config, checkpoint, paths, threshold, args)
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
    """Smooth noise, as files.

    Args:
        folder (Path): Where to.
        args (argparse.Namespace): ``size`` and ``images``.

    Returns:
        list[str]: Their paths.
    """
    generator = np.random.default_rng(0)
    width, height = args.size
    paths = []
    for number in range(args.images):
        coarse = generator.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
        pixels = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        paths.append(str(folder / f'{number}.png'))
        cv2.imwrite(paths[-1], pixels)
    return paths


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


def sahi_step(
    config: Path, checkpoint: Path, paths: list[str], threshold: float, args: argparse.Namespace
) -> Callable[[], list[Any]]:
    """Make a function that predicts the images with SAHI.

    Args:
        config (Path): Of the detector.
        checkpoint (Path): Its weights.
        paths (list[str]): Image files.
        threshold (float): Lowest score.
        args (argparse.Namespace): ``tile``, ``overlap`` and ``batch``.

    Returns:
        Callable: Returns SAHI's result of each image.
    """
    from sahi import AutoDetectionModel
    from sahi.predict import get_sliced_prediction

    model = AutoDetectionModel.from_pretrained(
        model_type='mmdet',
        model_path=str(checkpoint),
        config_path=str(config),
        confidence_threshold=threshold,
        device=DEVICE,
    )

    def step() -> list[Any]:
        return [
            get_sliced_prediction(
                path,
                model,
                slice_height=args.tile,
                slice_width=args.tile,
                overlap_height_ratio=args.overlap,
                overlap_width_ratio=args.overlap,
                perform_standard_pred=False,
                postprocess_type='NMS',
                postprocess_match_metric='IOU',
                postprocess_match_threshold=MERGE_IOU,
                verbose=0,
                batch_size=args.batch,
            )
            for path in paths
        ]

    return step


def agreement(ours: list[Any], theirs: list[Any]) -> dict[str, Any]:
    """Count the boxes of both sides and those that agree.

    Args:
        ours (list[Detections]): Of each image.
        theirs (list[PredictionResult]): SAHI's.

    Returns:
        dict[str, Any]: A row for ``print_rows``.
    """
    from mmdefect.ops.overlaps import as_columns, iou

    agreed = total = 0
    for mine, other in zip(ours, theirs, strict=True):
        found = other.object_prediction_list
        boxes = torch.tensor([item.bbox.to_xyxy() for item in found]).reshape(-1, 4)
        scores = torch.tensor([item.score.value for item in found])
        labels = torch.tensor([item.category.id for item in found])
        overlap = iou(as_columns(boxes, 0), as_columns(torch.from_numpy(mine.boxes), 0), 0)
        same = (overlap > 0.9) & (labels[:, None] == torch.from_numpy(mine.labels))
        same &= (scores[:, None] - torch.from_numpy(mine.scores)).abs() < 0.01
        agreed += int(same.any(1).sum())
        total += len(found)
    return {
        'name': 'boxes after merging',
        'ours': sum(map(len, ours)),
        'peer': total,
        'ratio': None,
        'unit': 'boxes',
        'share': agreed / max(total, 1),
    }


if __name__ == '__main__':
    run(lambda _: main())
