"""Packed shelves: shared tower against RetinaNet, equal but for head, anchors and assigner.

    python benchmarks/shelf.py [--seeds 0 1 2] [--iterations 6] [--json]

Both detectors of `configs/dense_retail/` for CPUs, from random weights, on the same generated
shelves (`mmdefect sample-data shelf --level real`, 240 images for training, 80 for the test), with
the same backbone, channels, images, batches and number of epochs (`--iterations`). Last weights;
AP, AP75 and AR with 300 detections an image; finished trainings are only read. Another folder than
the generated one is named by `MMDEFECT_SHELF`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from arms import Arm, compare, make_parser

from mmdefect.engine.launch import run

CONFIGS = {
    'shared tower': 'configs/dense_retail/shared_tower_r18_fpn_shelf.py',
    'RetinaNet': 'configs/dense_retail/retinanet_r18_fpn_shelf.py',
}
# Shares of the training after which the learning rate falls, as in the configs.
FALLS = (0.7, 0.9)


def main() -> None:
    """Draw the shelves, train, test, print."""
    parser = make_parser(__doc__.splitlines()[0], 'work_dirs/benchmark_shelf', 6)
    args = parser.parse_args()
    if 'MMDEFECT_SHELF' not in os.environ:
        folder = args.work_dir / 'shelf_real'
        os.environ['MMDEFECT_SHELF'] = str(folder)
        command = 'from mmdefect.cli import main; main()'
        subprocess.run(
            [sys.executable, '-c', command, 'sample-data', 'shelf', folder, '--level', 'real'],
            check=True, stdout=sys.stderr,
        )  # fmt: skip
    epochs = args.iterations
    falls = ','.join(str(max(1, round(share * epochs))) for share in FALLS)
    options = (
        f'param_scheduler.0.end={max(1, epochs // 8)}',
        f'param_scheduler.1.milestones=[{falls}]',
        *(() if args.images is None else (f'train_dataloader.dataset.indices={args.images}',)),
    )
    arms = [Arm(name, path, epochs, options, by_epoch=True) for name, path in CONFIGS.items()]
    compare(arms, args, {'shared tower': 'RetinaNet'}, scores_of)


def scores_of(evaluation: Mapping[str, Any]) -> dict[str, float]:
    """What is printed of an evaluation.

    Args:
        evaluation (Mapping[str, Any]): ``evaluation.json``.

    Returns:
        dict[str, float]: AP, AP75, AR300, F1 and the mean IoU of the boxes found.
    """
    metrics = evaluation['metrics']
    return {
        **{name: metrics[name] for name in ('AP', 'AP50', 'AP75')},
        'AR300': metrics['AR'],
        'F1': evaluation['operating']['f1'],
        # None where nothing is found.
        'mean IoU': evaluation['iou_histogram']['mean_iou'] or 0.0,
    }


if __name__ == '__main__':
    try:
        run(lambda _: main())
    except subprocess.CalledProcessError as error:
        # The tool has said on standard error what was wrong.
        sys.exit(error.returncode)
