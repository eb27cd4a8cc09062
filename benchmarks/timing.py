"""How the speed benchmarks measure: options, alternating clocks, rows, the output."""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from machine import describe_machine

DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'


def model_options(
    description: str, models: Sequence[str], default: Sequence[str] | None = None
) -> argparse.Namespace:
    """Parse the command line of a script that times models.

    Args:
        description (str): Of the script.
        models (Sequence[str]): Names to choose from.
        default (Sequence[str] | None): Without a choice. Default None: all.

    Returns:
        argparse.Namespace: ``models``, ``size``, ``batch``, ``rounds``, ``repeats``, ``json``.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('--models', nargs='+', choices=models, default=default or models)
    parser.add_argument('--size', type=int, default=224, help='image side in pixels')
    parser.add_argument('--batch', type=int, default=8, help='images in a batch')
    parser.add_argument('--rounds', type=int, default=5, help='turns')
    parser.add_argument('--repeats', type=int, default=2, help='calls in a turn')
    parser.add_argument('--json', action='store_true', help='print one JSON object')
    return parser.parse_args()


def alternate(
    steps: dict[str, Callable[[], Any]], rounds: int, repeats: int, warm_up: int = 2
) -> dict[str, dict[str, float]]:
    """Time functions in turn, so that what else the machine does meets all of them.

    Args:
        steps (dict[str, Callable]): What to time, by name.
        rounds (int): Turns.
        repeats (int): Calls in a turn; their mean is one sample.
        warm_up (int): Calls before the clock starts. Default 2.

    Returns:
        dict[str, dict[str, float]]: Per name ``seconds``, the median of a call, and ``spread``,
        half the range of the middle half.
    """
    samples: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        for _ in range(warm_up):
            step()
    for _ in range(rounds):
        for name, step in steps.items():
            gc.collect()
            _synchronise()
            start = time.perf_counter()
            for _ in range(repeats):
                step()
            _synchronise()
            samples[name].append((time.perf_counter() - start) / repeats)
    return {name: _summary(values) for name, values in samples.items()}


def _synchronise() -> None:
    if DEVICE == 'cuda':
        torch.cuda.synchronize()


def _summary(values: list[float]) -> dict[str, float]:
    low, high = np.percentile(values, [25, 75])
    return {'seconds': statistics.median(values), 'spread': float(high - low) / 2}


def make_rows(
    times: dict[str, dict[str, float]], unit: str = 's', amount: float | None = None
) -> list[dict[str, Any]]:
    """Compare timings with the one called ``peer``.

    Args:
        times (dict[str, dict[str, float]]): From :func:`alternate`, by name of the row; there
            may be none called ``peer``.
        unit (str): Of the values. Default ``'s'``.
        amount (float | None): What one call does, such as images; values are that per second.
            Default None: seconds.

    Returns:
        list[dict[str, Any]]: Rows for :func:`print_rows`, without one for the peer.
    """

    def value(timing: dict[str, float]) -> float:
        return amount / timing['seconds'] if amount else timing['seconds']

    peer = times.get('peer')
    return [
        {
            'name': name,
            'ours': value(timing),
            'peer': value(peer) if peer else None,
            'ratio': peer['seconds'] / timing['seconds'] if peer else None,
            'unit': unit,
            'spread': timing['spread'] / timing['seconds'],
        }
        for name, timing in times.items()
        if name != 'peer'
    ]


def print_rows(rows: list[dict[str, Any]], as_json: bool) -> None:
    """Print rows with the machine they come from.

    Args:
        rows (list[dict]): ``name``, ``ours``, ``peer`` (None without one), ``ratio`` (above 1:
            ours is better; None without one), ``unit``, and ``spread``, the relative half range
            of the middle half, or ``share`` and ``peer_share``, the part of a whole.
        as_json (bool): One JSON object instead of lines.
    """
    machine = describe_machine()
    if as_json:
        print(json.dumps({'machine': machine, 'rows': rows}))
        return
    print(f'machine: {machine}')
    for row in rows:
        note = f'±{row["spread"]:.0%}' if 'spread' in row else f'{row["share"]:.0%}'
        line = f'{row["name"]}: {row["ours"]:.4g} {row["unit"]} ({note}), '
        if row['peer'] is None:
            print(f'{line}no peer')
            continue
        share = f' ({row["peer_share"]:.0%})' if 'peer_share' in row else ''
        ratio = '' if row['ratio'] is None else f', ratio {row["ratio"]:.2f}'
        print(f'{line}peer {row["peer"]:.4g}{share}{ratio}')
