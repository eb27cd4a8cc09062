"""RoIAlign and NMS: ours against mmcv's compiled operators.

    python benchmarks/ops.py [--rounds 7] [--json]

2,048 RoIs on features of 8x256x56x56, 7x7 bins, two samples a side; NMS of dense scenes. The
functions take turns in this process. `make benchmark-env` makes the environment with mmcv's
compiled operators, and this script goes on in it by itself; without it only ours is timed.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

import torch
from peers import has_compiled_mmcv, on_compiled_ops, use_compiled_environment
from timing import DEVICE, alternate, make_rows, print_rows

from mmdefect import ops
from mmdefect.engine.launch import run

ROIS, SHAPE, STRIDE = 2048, (8, 256, 56, 56), 4
NMS_SIZES = (1_000, 10_000, 50_000)


def roi_rows(rounds: int) -> list[dict[str, Any]]:
    """Time RoIAlign, forward and forward + backward, float32 and bfloat16."""
    generator = torch.Generator().manual_seed(0)
    rois = _random_boxes(ROIS, SHAPE[3] * STRIDE, generator)
    images = torch.randint(0, SHAPE[0], (ROIS, 1), generator=generator).to(rois)
    rois = torch.cat([images, rois], 1).to(DEVICE)
    features = torch.randn(SHAPE, generator=generator).to(DEVICE)
    # Each gets what a model hands it: stock features in PyTorch's order, ours channels-last.
    last = features.contiguous(memory_format=torch.channels_last)
    grad = torch.randn(ROIS, SHAPE[1], 7, 7, generator=generator).to(DEVICE)

    def ours(values: torch.Tensor, backward: bool) -> Callable[[], None]:
        return _roi_step(ops.roi_align, values, rois, grad.to(values.dtype), backward)

    rows = []
    for backward, name in ((False, 'RoIAlign forward'), (True, 'RoIAlign forward+backward')):
        steps = {
            name: ours(last, backward),
            f'{name}, features not channels-last': ours(features, backward),
            f'{name}, bfloat16': ours(last.bfloat16(), backward),
        }
        if has_compiled_mmcv():
            peer = importlib.import_module('mmcv.ops').roi_align
            steps['peer'] = _roi_step(peer, features, rois, grad, backward)
        rows += make_rows(alternate(steps, rounds, repeats=1))
    return rows


def _roi_step(
    function: Callable[..., torch.Tensor],
    features: torch.Tensor,
    rois: torch.Tensor,
    grad: torch.Tensor,
    backward: bool,
) -> Callable[[], None]:
    features = features.detach().requires_grad_(backward)

    def step() -> None:
        output = function(features, rois, (7, 7), 1 / STRIDE, 2, 'avg', True)
        if backward:
            output.backward(grad)
            features.grad = None

    return step


def nms_rows(rounds: int) -> list[dict[str, Any]]:
    """Time NMS of dense scenes."""
    generator = torch.Generator().manual_seed(0)
    rows = []
    for count in NMS_SIZES:
        boxes = _random_boxes(count, int(12 * count**0.5), generator).to(DEVICE)
        scores = torch.rand(count, generator=generator).to(DEVICE)
        steps = {f'NMS of {count} boxes': lambda b=boxes, s=scores: ops.nms(b, s, 0.5)}
        if has_compiled_mmcv():
            peer = importlib.import_module('mmcv.ops').nms
            steps['peer'] = on_compiled_ops(lambda b=boxes, s=scores, f=peer: f(b, s, 0.5))
        rows += make_rows(alternate(steps, rounds, repeats=1))
    return rows


def _random_boxes(count: int, size: int, generator: torch.Generator) -> torch.Tensor:
    centres = torch.rand(count, 2, generator=generator) * size
    sides = torch.rand(count, 2, generator=generator) * 80 + 16
    return torch.cat([centres - sides / 2, centres + sides / 2], 1)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--rounds', type=int, default=7, help='turns')
    parser.add_argument('--json', action='store_true', help='print one JSON object')
    args = parser.parse_args()
    use_compiled_environment()
    with redirect_stdout(sys.stderr):
        rows = roi_rows(args.rounds) + nms_rows(args.rounds)
    print_rows(rows, args.json)


if __name__ == '__main__':
    run(lambda _: main())
