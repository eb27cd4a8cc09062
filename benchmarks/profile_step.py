"""Where the time of a training step goes, and how fast this machine multiplies.

    python benchmarks/profile_step.py [--models ...] [--size 224] [--batch 8] [--rounds 5] [--json]

Self times of PyTorch's profiler by kind of work, seconds of a step, mean of `--repeats` steps
after two that it does not see: ours in float32 and bfloat16, stock MMDetection on mmcv's compiled
operators in float32. What an operator calls counts as part of it. `train_step.py` measures steps
without the profiler. Then the speed of the arithmetic that most of a Faster R-CNN consists of,
medians of `--rounds` turns.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

from arithmetic import arithmetic_rows
from peers import (
    CONFIGS,
    build_models,
    has_compiled_mmcv,
    make_batch,
    on_compiled_ops,
    use_compiled_environment,
)
from timing import DEVICE, model_options, print_rows
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile
from train_step import training_step

from mmdefect.engine.launch import run

# Names of operators, forward and backward.
GROUPS = {
    'RoIAlign': r'RoIAlign',
    'NMS': r'NMS',
    'matrix products': r'aten::(linear|matmul|addmm|baddbmm|b?mm)$|(Addmm|[Mm]m)Backward',
    'convolutions': r'(?i)conv',
    'batch normalisation': r'(?i)batch_?norm',
    'optimiser': r'^Optimizer',
}
OTHER = 'other'


def time_by_group(step: Callable[[], None], repeats: int) -> dict[str, float]:
    """Profile a step.

    Args:
        step (Callable): What to profile.
        repeats (int): Calls of it.

    Returns:
        dict[str, float]: Seconds of one call, by group.
    """
    for _ in range(2):
        step()
    activities = [ProfilerActivity.CPU]
    if DEVICE == 'cuda':
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities) as profiler:
        for _ in range(repeats):
            step()
    totals = dict.fromkeys([*GROUPS, OTHER], 0.0)

    def add(event: FunctionEvent, inherited: str | None) -> None:
        group = inherited or next(
            (name for name, pattern in GROUPS.items() if re.search(pattern, event.name)), None
        )
        busy = event.self_device_time_total if DEVICE == 'cuda' else event.self_cpu_time_total
        totals[group or OTHER] += busy / 1e6 / repeats
        for child in event.cpu_children:
            add(child, group)

    for event in profiler.events():
        if event.cpu_parent is None:
            add(event, None)
    return totals


def profile_rows(name: str, size: int, batch: int, repeats: int) -> list[dict[str, Any]]:
    """Profile the steps of one model.

    Args:
        name (str): Key of ``CONFIGS``.
        size (int): Image side in pixels.
        batch (int): Images in a batch.
        repeats (int): Steps of each.

    Returns:
        list[dict[str, Any]]: One row per precision and group; ``share`` and ``peer_share`` say
        which part of the step it is.
    """
    models = build_models(name, stock=has_compiled_mmcv())
    images = make_batch(size, batch)
    stock = {}
    if 'stock' in models:
        step = on_compiled_ops(training_step(models['stock'], images, False))
        stock = time_by_group(step, repeats)
    rows = []
    for precision in ('fp32', 'bf16'):
        ours = time_by_group(training_step(models['ours'], images, precision == 'bf16'), repeats)
        for group, seconds in ours.items():
            peer = stock.get(group)
            if not seconds and not peer:
                continue
            rows.append(
                {
                    'name': f'{name} {size} px batch {batch} training step {precision}, {group}',
                    'ours': seconds,
                    'peer': peer,
                    'ratio': peer / seconds if peer and seconds else None,
                    'unit': 's',
                    'share': seconds / sum(ours.values()),
                    'peer_share': peer / sum(stock.values()) if stock else None,
                }
            )
    return rows


def main() -> None:
    """Measure and print."""
    args = model_options(__doc__.splitlines()[0], list(CONFIGS), ['Faster R-CNN R18'])
    use_compiled_environment()
    with redirect_stdout(sys.stderr):
        rows = [
            row
            for name in args.models
            for row in profile_rows(name, args.size, args.batch, args.repeats)
        ]
        rows += arithmetic_rows(args.size, args.batch, args.rounds)
    print_rows(rows, args.json)


if __name__ == '__main__':
    run(lambda _: main())
