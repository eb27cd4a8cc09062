"""Inference with and without `torch.compile` of backbone, neck and heads.

    python benchmarks/compile.py [--models ...] [--size 224] [--batch 8] [--rounds 5] [--json]

The peer is the same model without it; both are channels-last and take turns in this process.
Needs a C++ compiler. The seconds that compiling takes are a row of their own.
"""

from __future__ import annotations

import argparse
import copy
import sys
import time
from contextlib import redirect_stdout
from typing import Any

import torch
from inference import prediction
from peers import CONFIGS, build_models, make_batch
from timing import alternate, make_rows, model_options, print_rows

from mmdefect.engine.launch import run


def compiled(model: torch.nn.Module) -> torch.nn.Module:
    """A copy of a detector whose layers compile when they are first called.

    Args:
        model (nn.Module): A detector.

    Returns:
        nn.Module: The copy.
    """
    model = copy.deepcopy(model)
    heads = [getattr(model, name, None) for name in ('bbox_head', 'rpn_head')]
    if getattr(model, 'roi_head', None) is not None:
        heads.append(model.roi_head.bbox_head)
    for layer in (model.backbone, model.neck, *heads):
        if layer is not None:
            layer.forward = torch.compile(layer.forward)
    return model


def compare(name: str, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Time one model, float32 and bfloat16.

    Args:
        name (str): Key of ``CONFIGS``.
        args (argparse.Namespace): ``size``, ``batch``, ``rounds``, ``repeats``.

    Returns:
        list[dict[str, Any]]: Per precision the images per second and the seconds to compile.
    """
    eager = build_models(name, stock=False)['ours'].to(memory_format=torch.channels_last)
    batch = make_batch(args.size, args.batch)
    rows = []
    for half in (False, True):
        step = prediction(compiled(eager), batch, half)
        start = time.perf_counter()
        step()
        first = time.perf_counter() - start
        title = f'{name} {args.size} px batch {args.batch} {"bf16" if half else "fp32"}'
        steps = {
            f'{title} compiled against eager': step,
            'peer': prediction(eager, batch, half),
        }
        rows += make_rows(alternate(steps, args.rounds, args.repeats), 'img/s', args.batch)
        compiling = {'seconds': first, 'spread': 0.0}
        rows += make_rows({f'{title} first call, which compiles': compiling})
    return rows


def main() -> None:
    """Measure and print."""
    args = model_options(__doc__.splitlines()[0], list(CONFIGS))
    with redirect_stdout(sys.stderr):
        rows = [row for name in args.models for row in compare(name, args)]
    print_rows(rows, args.json)


if __name__ == '__main__':
    run(lambda _: main())
