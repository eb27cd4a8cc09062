"""Soft Teacher against its detector alone: NEU-DET, 113 labelled and 1,020 unlabelled images.

    MMDEFECT_DATA=... python benchmarks/few_labels.py [--detector retinanet | faster-rcnn]
        [--seeds 0 1 2] [--iterations 1500] [--burn-in 1000] [--only ARM ...] [--json]

One burn-in on the labelled images per seed; from its weights both go on for the same number of
updates of the weights. Tested are the last weights, on the 283 images of val.txt. What is finished
in --work-dir is only read, what was interrupted is resumed.
"""

from __future__ import annotations

import subprocess
import sys

from arms import Arm, add_burn_in, compare, make_parser

from mmdefect.engine.launch import run


def main() -> None:
    """Train, test, print."""
    parser = make_parser(__doc__.splitlines()[0], 'work_dirs/benchmark_few_labels', 1500)
    add_burn_in(parser)
    parser.add_argument('--detector', choices=['retinanet', 'faster-rcnn'], default='retinanet')
    args = parser.parse_args()
    name = f'{args.detector}_neu-det_10pct.py'
    alone = f'configs/soft_teacher/supervised_{name}'
    # The burn-in ends with its last weights; from there on both average theirs, in the same way.
    key = 'default_hooks.average.burn_in'
    start = Arm(f'{args.detector} burn-in', alone, args.burn_in, (f'{key}={args.burn_in}',))
    labelled = Arm(f'{args.detector} labelled alone', alone, args.iterations, (f'{key}=0',), start)
    soft_teacher = Arm(
        f'{args.detector} Soft Teacher',
        f'configs/soft_teacher/soft_teacher_{name}',
        args.iterations,
        # The warm-up of the unlabelled losses is part of the comparison.
        ('model.semi_train_cfg.burn_in=0',),
        start=start,
    )
    compare([start, labelled, soft_teacher], args, {soft_teacher.name: labelled.name})


if __name__ == '__main__':
    try:
        run(lambda _: main())
    except subprocess.CalledProcessError as error:
        # The tool has said on standard error what was wrong.
        sys.exit(error.returncode)
