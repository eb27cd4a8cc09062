"""One training step: stock MMDetection in float32 against ours in float32 and bfloat16.

    python benchmarks/train_step.py [--models ...] [--size 224] [--batch 8] [--rounds 5] [--json]

Both models have the same architecture and weights and see the same batch of noise with boxes;
they take turns in this process. Stock is MMDetection on mmcv's compiled ops: `make benchmark-env`
makes the environment that has them, and this script goes on in it by itself. Without it only ours
is timed. Loading is not measured.

Soft Teacher is Faster R-CNN R18 in MMDetection's `SoftTeacher` and in
`mmdefect.MultiViewSoftTeacher`, 2 labelled and 2 unlabelled images whatever `--batch` says, 10
jittered copies of each box, all thresholds .4. Both teachers have the same weights and stay as
they are: the update of the teacher is not timed, and MMDetection's is put into evaluation mode,
where ours is anyway. So both find the same pseudo boxes (5 and 10 at 224 px), which feed all
losses. The values are seconds of one iteration.
"""

from __future__ import annotations

import argparse
import copy
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import Any

import torch
from peers import (
    CONFIGS,
    build_models,
    has_compiled_mmcv,
    make_batch,
    on_compiled_ops,
    use_compiled_environment,
)
from soft_teachers import build_soft_teachers, make_semi_batch
from timing import DEVICE, alternate, make_rows, model_options, print_rows

from mmdefect.engine.launch import run
from mmdefect.engine.precision import autocast_layers, low_precision

SOFT_TEACHER = 'Soft Teacher'


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
    if hasattr(model, 'teacher'):
        # MMDetection leaves it in training mode.
        model.teacher.eval()
    # One pass over the weights instead of ten, as our configs have it; here for stock too.
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
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
        name (str): Key of ``CONFIGS``, or ``SOFT_TEACHER``.
        what (str): What is timed, for the names of the rows.
        make_step (Callable): Makes the function to time of a model, a batch and the precision.
        args (argparse.Namespace): ``size``, ``batch``, ``rounds``, ``repeats``.

    Returns:
        list[dict[str, Any]]: Three rows, in images per second or, for soft teachers, seconds.
    """
    stock = has_compiled_mmcv()
    if name == SOFT_TEACHER:
        models, batch = build_soft_teachers(args.size, stock), make_semi_batch(args.size)
        title, measure = f'{name} {args.size} px 2+2 images {what}', {}
    else:
        models, batch = build_models(name, stock), make_batch(args.size, args.batch)
        title = f'{name} {args.size} px batch {args.batch} {what}'
        measure = {'unit': 'img/s', 'amount': args.batch}
    # What `mmdefect.ChannelsLastHook` does.
    reordered = copy.deepcopy(models['ours']).to(memory_format=torch.channels_last)
    steps = {
        f'{title} fp32': make_step(models['ours'], batch, False),
        f'{title} bf16': make_step(models['ours'], batch, True),
        f'{title} bf16 channels-last': make_step(reordered, batch, True),
    }
    if stock:
        steps['peer'] = on_compiled_ops(make_step(models['stock'], batch, False))
    return make_rows(alternate(steps, args.rounds, args.repeats), **measure)


def report(
    what: str,
    make_step: Callable[..., Callable[[], None]],
    description: str,
    models: Sequence[str] = tuple(CONFIGS),
) -> None:
    """Parse the command line, measure, print a table or JSON.

    Args:
        what (str): What is timed, for the names of the rows.
        make_step (Callable): As for :func:`compare`.
        description (str): Of the command.
        models (Sequence[str]): Names to choose from. Default: the detectors.
    """
    args = model_options(description, models)
    use_compiled_environment()
    # Imports and loggers print; standard output is for the result.
    with redirect_stdout(sys.stderr):
        rows = [row for name in args.models for row in compare(name, what, make_step, args)]
    print_rows(rows, args.json)


def main() -> None:
    """Measure and print."""
    models = (*CONFIGS, SOFT_TEACHER)
    report('training step', training_step, __doc__.splitlines()[0], models)


if __name__ == '__main__':
    run(lambda _: main())
