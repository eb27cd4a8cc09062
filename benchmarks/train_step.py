"""One training step: stock MMDetection in float32 against ours in float32 and bfloat16.

    python benchmarks/train_step.py [--models ...] [--size 224] [--batch 8] [--rounds 5] [--json]

Both models have the same architecture and weights and see the same batch of noise with boxes;
they take turns in this process. Stock is MMDetection on mmcv's compiled ops: `make benchmark-env`
makes the environment that has them, and this script goes on in it by itself. Without it only ours
is timed. Loading is not measured.
"""

from __future__ import annotations

import argparse
import copy
import sys
from collections.abc import Callable
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import Any

import torch
from peers import (
    CONFIGS,
    DEVICE,
    alternate,
    build_models,
    has_compiled_mmcv,
    make_batch,
    on_compiled_ops,
    print_rows,
    use_compiled_environment,
)

from mmdefect.engine.launch import run
from mmdefect.engine.precision import autocast_layers, low_precision


def training_step(model: torch.nn.Module, batch: dict[str, Any], half: bool) -> Callable[[], None]:
    """Make a function that does forward, backward and optimiser step.

    Args:
        model (nn.Module): A detector.
        batch (dict): What its data preprocessor takes.
        half (bool): Layers in bfloat16.

    Returns:
        Callable: The step.
    """
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)
    data = model.data_preprocessor(batch, True)

    def step() -> None:
        context = autocast_layers(model, DEVICE, low_precision(DEVICE)) if half else nullcontext()
        with context:
            losses = model(**data, mode='loss')
        loss, _ = model.parse_losses(losses)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def measure_training_step(config: str | Path, rounds: int = 7, steps: int = 3) -> dict[str, Any]:
    """Time the step of a config on one real batch, float32 and bfloat16 in turn.

    Args:
        config (str | Path): Config file.
        rounds (int): Turns. Default 7.
        steps (int): Steps in a turn; their mean is one sample. Default 3.

    Returns:
        dict[str, Any]: ``fp32`` and ``bf16``, each with ``images_per_second`` and ``spread``.
    """
    from mmdet.registry import MODELS
    from mmengine.config import Config
    from mmengine.registry import DefaultScope
    from mmengine.runner import Runner

    settings = Config.fromfile(config)
    DefaultScope.get_instance('benchmark', scope_name=settings.default_scope)
    torch.manual_seed(0)
    loader_settings = {**settings.train_dataloader, 'num_workers': 0, 'persistent_workers': False}
    batch = next(iter(Runner.build_dataloader(loader_settings, seed=0)))
    model = MODELS.build(settings.model).to(DEVICE)
    times = alternate(
        {'fp32': training_step(model, batch, False), 'bf16': training_step(model, batch, True)},
        rounds,
        steps,
    )
    images = len(batch['inputs'])
    return {
        name: {
            'images_per_second': images / timing['seconds'],
            'spread': images / timing['seconds'] * timing['spread'] / timing['seconds'],
        }
        for name, timing in times.items()
    }


def compare(
    name: str,
    what: str,
    make_step: Callable[[torch.nn.Module, dict[str, Any], bool], Callable[[], None]],
    args: argparse.Namespace,
) -> list[dict[str, Any]]:
    """Time one model in float32 and bfloat16, and bfloat16 channels-last, against stock float32.

    Args:
        name (str): Key of ``CONFIGS``.
        what (str): What is timed, for the names of the rows.
        make_step (Callable): Makes the function to time of a model, a batch and the precision.
        args (argparse.Namespace): ``size``, ``batch``, ``rounds``, ``repeats``.

    Returns:
        list[dict[str, Any]]: Three rows in images per second.
    """
    models = build_models(name, stock=has_compiled_mmcv())
    batch = make_batch(args.size, args.batch)
    # What `mmdefect.ChannelsLastHook` does.
    reordered = copy.deepcopy(models['ours']).to(memory_format=torch.channels_last)
    steps = {
        'fp32': make_step(models['ours'], batch, False),
        'bf16': make_step(models['ours'], batch, True),
        'bf16 channels-last': make_step(reordered, batch, True),
    }
    if 'stock' in models:
        stock = on_compiled_ops(make_step(models['stock'], batch, False))
        steps = {'stock': stock, **steps}
    times = alternate(steps, args.rounds, args.repeats)
    rows = []
    peer = times.pop('stock', None)
    for setting, ours in times.items():
        rows.append(
            {
                'name': f'{name} {args.size} px batch {args.batch} {what} {setting}',
                'ours': args.batch / ours['seconds'],
                'peer': args.batch / peer['seconds'] if peer else None,
                'ratio': peer['seconds'] / ours['seconds'] if peer else None,
                'unit': 'img/s',
                'spread': ours['spread'] / ours['seconds'],
            }
        )
    return rows


def report(what: str, make_step: Callable[..., Callable[[], None]], description: str) -> None:
    """Parse the command line, measure, print a table or JSON.

    Args:
        what (str): What is timed, for the names of the rows.
        make_step (Callable): As for :func:`compare`.
        description (str): Of the command.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('--models', nargs='+', choices=list(CONFIGS), default=list(CONFIGS))
    parser.add_argument('--size', type=int, default=224, help='image side in pixels')
    parser.add_argument('--batch', type=int, default=8, help='images in a batch')
    parser.add_argument('--rounds', type=int, default=5, help='turns')
    parser.add_argument('--repeats', type=int, default=2, help='calls in a turn')
    parser.add_argument('--json', action='store_true', help='print one JSON object')
    args = parser.parse_args()
    use_compiled_environment()
    # Imports and loggers print; standard output is for the result.
    with redirect_stdout(sys.stderr):
        rows = [row for name in args.models for row in compare(name, what, make_step, args)]
    print_rows(rows, args.json)


if __name__ == '__main__':
    run(lambda _: report('training step', training_step, __doc__.splitlines()[0]))
