"""A defect-free template beside the tested board: DeepPCB with 26 and with 260 labelled pairs.

    MMDEFECT_DATA=... python benchmarks/two_view.py [--seeds 0 1 2] [--iterations 2000] [--json]

The same RetinaNet with CrossViewFusion from random weights, with the test image alone and with its
template; last weights, the 60 boards of val.txt as wholes. Besides AP50 the paper's measures, at an
IoU of .33: mean average precision, and F at the score where it is highest.

Source: Tang et al., "Online PCB Defect Detector On A New PCB Defect Dataset", 2019 (protocol).
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from arms import Arm, average_precision, compare, make_parser

from mmdefect.engine.launch import run

CONFIG = 'configs/soft_teacher/supervised_deep-pcb_two-view.py'
SPLITS = ('train', 'val', 'test')
IOU = 0.33


def main() -> None:
    """Train, test, print."""
    parser = make_parser(__doc__.splitlines()[0], 'work_dirs/benchmark_two_view', 2000)
    args = parser.parse_args()
    alone = tuple(f'{split}_dataloader.dataset.template_key=None' for split in SPLITS)
    # From random weights the last ones count, not the mean of all since the start.
    last = f'default_hooks.average.burn_in={args.iterations}'
    arms, baseline = [], {}
    for pairs, data in ((26, ()), (260, ('train_dataloader.dataset.reader.list_file=train.txt',))):
        single = Arm(f'{pairs} boards alone', CONFIG, args.iterations, (last, *data, *alone))
        double = Arm(f'{pairs} boards with templates', CONFIG, args.iterations, (last, *data))
        arms += [single, double]
        baseline[double.name] = single.name
    compare(arms, args, baseline, scores_of)


def scores_of(evaluation: Mapping[str, Any]) -> dict[str, float]:
    """AP50 and AP, and the measures at an IoU of .33.

    Args:
        evaluation (Mapping[str, Any]): ``evaluation.json``.

    Returns:
        dict[str, float]: Scores by name.
    """
    return {**average_precision(evaluation), **loose_scores(evaluation)}


def loose_scores(evaluation: Mapping[str, Any]) -> dict[str, float]:
    """Mean average precision and highest F at an IoU of .33.

    Args:
        evaluation (Mapping[str, Any]): ``evaluation.json`` with the boxes of all images.

    Returns:
        dict[str, float]: ``mAP, IoU .33`` and ``F, IoU .33``.
    """
    from mmdefect.evaluation.average_precision import interpolated_precision, rank_by_score
    from mmdefect.evaluation.flat_boxes import flatten_images
    from mmdefect.evaluation.matching import find_overlaps, match_detections
    from mmdefect.evaluation.score_table import count_scores
    from mmdefect.report.evaluation import EvaluatedImage
    from mmdefect.report.results import image_result

    images = [EvaluatedImage.model_validate(image) for image in evaluation['images']]
    boxes = flatten_images([image_result(image) for image in images], evaluation['max_dets'])
    matches = match_detections(boxes, find_overlaps(boxes, IOU), IOU)
    classes = len(evaluation['classes'])
    order = rank_by_score(boxes.labels, boxes.scores)
    precision, _ = interpolated_precision(
        boxes.labels[order],
        matches[order] >= 0,
        np.ones(len(order), bool),
        np.bincount(boxes.truth_labels, minlength=classes),
    )
    table = count_scores(boxes, matches, classes)
    return {
        'mAP, IoU .33': float(np.nanmean(precision.mean(axis=1))),
        'F, IoU .33': float(np.nanmax(table.f1()[-1])),
    }


if __name__ == '__main__':
    try:
        run(lambda _: main())
    except subprocess.CalledProcessError as error:
        # The tool has said on standard error what was wrong.
        sys.exit(error.returncode)
