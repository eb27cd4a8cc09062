"""Images per second of one training step, float32 against bfloat16, alternating in one run.

    python benchmarks/train_step.py CONFIG [--rounds 7] [--steps 3] [--json]

The batch is one real batch of the config's data set; loading it is not measured. Medians over
the rounds, spread is half the range of the middle half.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import torch

import mmdefect  # noqa: F401  lets a wheel-only OpenMMLab install run
from mmdefect.engine.launch import run


def measure_training_step(config: str | Path, rounds: int = 7, steps: int = 3) -> dict[str, Any]:
    """Time forward, backward and optimiser step on one batch.

    Args:
        config (str | Path): Config file.
        rounds (int): Alternations between the two precisions. Default 7.
        steps (int): Steps per precision and round; their mean is one sample. Default 3.

    Returns:
        dict[str, Any]: ``fp32`` and ``bf16``, each with ``images_per_second`` and ``spread``.
    """
    from mmengine.config import Config
    from mmengine.registry import DefaultScope
    from mmengine.runner import Runner

    from mmdefect.engine.precision import keep_head_outputs_float32

    warnings.filterwarnings('ignore')
    settings = Config.fromfile(config)
    DefaultScope.get_instance('benchmark', scope_name=settings.default_scope)
    torch.manual_seed(0)
    loader_settings = {**settings.train_dataloader, 'num_workers': 0, 'persistent_workers': False}
    batch = next(iter(Runner.build_dataloader(loader_settings, seed=0)))
    from mmdet.registry import MODELS

    model = MODELS.build(settings.model)
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    model.to(device).train()
    keep_head_outputs_float32(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)
    data = model.data_preprocessor(batch, True)

    def step(half: bool) -> None:
        with torch.autocast(device, dtype=torch.bfloat16, enabled=half):
            losses = model(**data, mode='loss')
        loss, _ = model.parse_losses(losses)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if device == 'cuda':
            torch.cuda.synchronize()

    for half in (False, True, False, True):
        step(half)
    speeds: dict[str, list[float]] = {'fp32': [], 'bf16': []}
    images = len(data['inputs'])
    for _ in range(rounds):
        for name, half in (('fp32', False), ('bf16', True)):
            start = time.perf_counter()
            for _ in range(steps):
                step(half)
            speeds[name].append(images * steps / (time.perf_counter() - start))
    return {name: _median(values) for name, values in speeds.items()}


def _median(values: list[float]) -> dict[str, float]:
    low, middle, high = np.percentile(values, [25, 50, 75])
    return {'images_per_second': float(middle), 'spread': float((high - low) / 2)}


def main() -> None:
    """Measure one config and print the two speeds."""
    from machine import describe_machine

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', type=Path)
    parser.add_argument('--rounds', type=int, default=7)
    parser.add_argument('--steps', type=int, default=3)
    parser.add_argument('--json', action='store_true', help='print one JSON object')
    args = parser.parse_args()
    # Imports and loggers print; standard output is for the result.
    with redirect_stdout(sys.stderr):
        speeds = measure_training_step(args.config, args.rounds, args.steps)
        machine = describe_machine()
    fast, slow = speeds['bf16']['images_per_second'], speeds['fp32']['images_per_second']
    row = {
        'name': f'{args.config.stem} training step bf16 against fp32',
        'ours': fast,
        'peer': slow,
        'ratio': fast / slow,
        'unit': 'img/s',
    }
    if args.json:
        print(json.dumps({'machine': machine, 'rows': [row]}))
    else:
        print(f'machine: {machine}')
        for name, speed in speeds.items():
            print(f'{name}: {speed["images_per_second"]:.2f} ±{speed["spread"]:.2f} img/s')
        print(f'ratio: {fast / slow:.2f}')


if __name__ == '__main__':
    run(lambda _: main())
