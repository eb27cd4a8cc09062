"""What held back a multi-view Soft Teacher, one suspect at a time, on generated drill bits.

    mmdefect sample-data drill DIR --level real
    MMDEFECT_DRILL=DIR python benchmarks/suspects.py [--seeds 0 1 2] [--iterations 1500] [--json]

Supervised rows differ from `reference` in one thing and start from random weights; they are tested
on the parts of unlabeled_truth.json, which they do not see. The rows of thresholds are Soft
Teachers from one burn-in and are tested on test.json. The configs are in benchmarks/suspects/.
"""

from __future__ import annotations

import os
import subprocess
import sys

from arms import Arm, add_burn_in, compare, make_parser

from mmdefect.engine.launch import run

SUPERVISED = (
    'ratios_as_h_w', 'sigmoid_scores', 'usual_focal_values', 'head_with_softmax', 'cross_entropy',
    'changing_light',
)  # fmt: skip


def main() -> None:
    """Train, test, print."""
    parser = make_parser(__doc__.splitlines()[0], 'work_dirs/benchmark_suspects', 1500)
    add_burn_in(parser)
    args = parser.parse_args()
    data = os.environ.get('MMDEFECT_DRILL', 'data/drill')
    unseen = (
        f'test_dataloader.dataset.reader.ann_file={data}/unlabeled_truth.json',
        # From random weights the last ones count, not the mean of all since the start.
        f'default_hooks.average.burn_in={args.iterations}',
    )
    folder = 'benchmarks/suspects'
    reference, *changed = (
        Arm(name.replace('_', ' '), f'{folder}/{name}.py', args.iterations, unseen)
        for name in ('reference', *SUPERVISED)
    )
    ends = (f'default_hooks.average.burn_in={args.burn_in}',)
    start = Arm('burn-in', f'{folder}/changing_light.py', args.burn_in, ends)
    one, own = (
        Arm(
            name,
            f'{folder}/{config}.py',
            args.iterations,
            ('model.semi_train_cfg.burn_in=0',),
            start,
        )
        for name, config in (
            ('one threshold', 'soft_teacher'),
            ('thresholds per class', 'thresholds_per_class'),
        )
    )
    baseline = {**{arm.name: reference.name for arm in changed}, own.name: one.name}
    compare([reference, *changed, one, own], args, baseline)


if __name__ == '__main__':
    try:
        run(lambda _: main())
    except subprocess.CalledProcessError as error:
        # The tool has said on standard error what was wrong.
        sys.exit(error.returncode)
