"""Do certified thresholds keep their promise?

    python benchmarks/promise.py [--fits 1000] [--parts 20000] [--json]

Simulated scores of a population of parts are known, so the true recall of every threshold is,
too. Thresholds are fitted on n defective (and n good) parts drawn from it with replacement, many
times; counted is the share of fits whose true recall is at least the promise. It must be at least
the confidence minus two standard errors of the count, in every row, or the script exits with 1.
`ours` is that share, `peer` the share when the threshold is simply the highest one whose recall
on the same parts reaches the target, as a curve would be read off. `expected` is the exact share
for scores without ties: P(Binomial(n, 1 - recall) > misses allowed).
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from typing import Any

import numpy as np
from scipy.stats import binom

from mmdefect.decision import allowed_misses, choose_threshold, reaches
from mmdefect.engine.launch import run
from mmdefect.errors import InputError

SIZES = (60, 150, 300)
GOALS: dict[str, dict[str, float]] = {
    'recall': {},
    'F2': {'beta': 2},
    'cost 50:1': {'cost_miss': 50, 'cost_alarm': 1},
}


def draw_populations(
    parts: int, generator: np.random.Generator
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Draw scores of defective and good parts.

    Args:
        parts (int): Parts of either kind.
        generator (np.random.Generator): Draws them.

    Returns:
        dict[str, tuple[np.ndarray, np.ndarray]]: Name, scores of defective and of good parts.
    """
    smooth = generator.beta(5, 2, parts), generator.beta(2, 6, parts)
    # Two decimals, one defect in thirty not detected at all, half of the good parts without a box.
    coarse = (
        smooth[0].round(2) * (generator.random(parts) > 1 / 30),
        smooth[1].round(2) * (generator.random(parts) > 0.5),
    )
    # Easy defects and a rare kind that looks like a good part.
    mixed = np.where(generator.random(parts) < 0.06, generator.beta(2, 6, parts), smooth[0])
    return {'smooth': smooth, 'ties and no detection': coarse, 'a rare kind': (mixed, smooth[1])}


def count_kept(
    population: tuple[np.ndarray, np.ndarray],
    size: int,
    fits: int,
    target: float,
    confidence: float,
    goal: dict[str, float],
    generator: np.random.Generator,
) -> tuple[float, float]:
    """Fit thresholds on parts drawn with replacement and look at their true recall.

    Args:
        population (tuple[np.ndarray, np.ndarray]): Scores of defective and of good parts.
        size (int): Parts of either kind that are drawn.
        fits (int): How often.
        target (float): Recall that is promised.
        confidence (float): Confidence of the promise.
        goal (dict[str, float]): What else to want.
        generator (np.random.Generator): Draws the parts.

    Returns:
        tuple[float, float]: Share of the fits that keep the promise, ours and read off.
    """
    defective, good = population
    labels = np.arange(2 * size) < size
    kept = np.zeros(2)
    for _ in range(fits):
        drawn = generator.choice(defective, size)
        scores = np.concatenate([drawn, generator.choice(good, size)])
        ours = choose_threshold(scores, labels, target, confidence, **goal).threshold
        read_off = np.sort(drawn)[size - math.ceil(target * size)]
        kept += [reaches(defective, x).mean() >= target for x in (ours, read_off)]
    return kept[0] / fits, kept[1] / fits


def measure(
    parts: int, fits: int, target: float, confidence: float, seed: int
) -> Iterator[dict[str, Any]]:
    """Look at every population, number of parts and goal.

    Args:
        parts (int): Parts of either kind in a population.
        fits (int): Fits per row.
        target (float): Recall that is promised.
        confidence (float): Confidence of the promise.
        seed (int): Seed of all draws.

    Yields:
        dict[str, Any]: A row.
    """
    generator = np.random.default_rng(seed)
    needed = confidence - 2 * math.sqrt(confidence * (1 - confidence) / fits)
    for name, population in draw_populations(parts, generator).items():
        for size in SIZES:
            misses = allowed_misses(size, target, confidence)
            for goal, options in GOALS.items():
                ours, peer = count_kept(
                    population, size, fits, target, confidence, options, generator
                )
                yield {
                    'name': f'{name}, n={size}, {goal}',
                    'ours': ours,
                    'peer': peer,
                    'ratio': ours / peer if peer else None,
                    'unit': 'share of fits',
                    'expected': float(binom.sf(misses, size, 1 - target)),
                    'needed': needed,
                    'kept': ours >= needed,
                }


def main() -> int:
    """Measure and print the shares.

    Returns:
        int: 0 if every row keeps the promise, else 1.

    Raises:
        InputError: An option is out of its range.
    """
    from machine import describe_machine

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--fits', type=int, default=1000, help='per row')
    parser.add_argument('--parts', type=int, default=20_000, help='of either kind')
    parser.add_argument('--target-recall', type=float, default=0.95)
    parser.add_argument('--confidence', type=float, default=0.95)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--json', action='store_true', help='print one JSON object')
    args = parser.parse_args()
    if args.fits < 1 or args.parts < 1:
        raise InputError(f'--fits and --parts must be 1 or more, got {args.fits}, {args.parts}')
    with redirect_stdout(sys.stderr):
        machine = describe_machine()
    rows = []
    for row in measure(args.parts, args.fits, args.target_recall, args.confidence, args.seed):
        rows.append(row)
        if not args.json:
            verdict = 'kept' if row['kept'] else 'NOT KEPT'
            print(
                f'{row["name"]:38} ours {row["ours"]:.3f}, read off {row["peer"]:.3f}, expected '
                f'{row["expected"]:.3f}, needed {row["needed"]:.3f}: {verdict}',
                flush=True,
            )
    if args.json:
        print(json.dumps({'machine': machine, 'rows': rows}))
    return 0 if all(row['kept'] for row in rows) else 1


if __name__ == '__main__':
    run(lambda _: sys.exit(main()))
