"""Do certified thresholds keep their promise?

    python benchmarks/promise.py [--fits 1000] [--parts 20000 | --results FILE [--splits 200]]
        [--json]

Simulated scores of a population of parts are known, so the true recall of every threshold is,
too; with --results the labelled parts of a results file are taken as the population. Thresholds
are fitted on n defective (and n good) parts drawn from it with replacement, many times; counted is
the share of fits whose true recall is at least the promise. It must be at least the confidence
minus two standard errors of the count, in every row, or the script exits with 1. `ours` is that
share, `peer` the share when the threshold is simply the highest one whose recall on the same parts
reaches the target, as a curve would be read off. `expected` is the exact share for scores without
ties: P(Binomial(n, 1 - recall) > misses allowed).

With --results and --splits the parts are divided at random instead: per class, the parts that show
it against the rest, the threshold is fitted on one half and its recall observed on the other. The
exact expected share is that of scores without ties, P(BetaBinomial(other half, misses allowed + 1,
n - misses allowed) <= (1 - recall) * other half); a class whose half is too small to certify the
recall says so.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import betabinom, binom

from mmdefect.decision import (
    ResultsFile,
    allowed_misses,
    choose_threshold,
    collect_parts,
    reaches,
)
from mmdefect.engine.launch import run
from mmdefect.errors import InputError

SIZES = (60, 150, 300)
GOALS: dict[str, dict[str, Any]] = {
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


def read_population(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Take the parts of a results file as the population.

    Args:
        path (Path): The file.

    Returns:
        dict[str, tuple[np.ndarray, np.ndarray]]: As of :func:`draw_populations`.

    Raises:
        InputError: The file cannot be read, or has no defective or no good part.
    """
    parts = collect_parts(ResultsFile(path))
    scores, defective = parts.part_scores, parts.defective
    if defective.all() or not defective.any():
        raise InputError(f'{path}: there must be defective and good parts; add some')
    return {path.name: (scores[defective], scores[~defective])}


def count_kept(
    population: tuple[np.ndarray, np.ndarray],
    size: int,
    fits: int,
    target: float,
    confidence: float,
    goal: dict[str, Any],
    generator: np.random.Generator,
) -> tuple[float, float]:
    """Fit thresholds on parts drawn with replacement and look at their true recall.

    Args:
        population (tuple[np.ndarray, np.ndarray]): Scores of defective and of good parts.
        size (int): Parts of either kind that are drawn.
        fits (int): How often.
        target (float): Recall that is promised.
        confidence (float): Confidence of the promise.
        goal (dict[str, Any]): What else to want.
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
    return float(kept[0] / fits), float(kept[1] / fits)


def measure(
    populations: dict[str, tuple[np.ndarray, np.ndarray]],
    fits: int,
    target: float,
    confidence: float,
    generator: np.random.Generator,
) -> Iterator[dict[str, Any]]:
    """Look at every population, number of parts and goal.

    Args:
        populations (dict[str, tuple[np.ndarray, np.ndarray]]): Scores of defective and of good
            parts, by name.
        fits (int): Fits per row.
        target (float): Recall that is promised.
        confidence (float): Confidence of the promise.
        generator (np.random.Generator): Draws the parts.

    Yields:
        dict[str, Any]: A row.
    """
    needed = confidence - 2 * math.sqrt(confidence * (1 - confidence) / fits)
    for name, population in populations.items():
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


def measure_splits(
    path: Path, splits: int, target: float, confidence: float, generator: np.random.Generator
) -> Iterator[dict[str, Any]]:
    """Fit on one half of the parts of a results file, look at the other, class by class.

    Args:
        path (Path): The file.
        splits (int): How often.
        target (float): Recall that is promised.
        confidence (float): Confidence of the promise.
        generator (np.random.Generator): Divides the parts.

    Yields:
        dict[str, Any]: A row per class.
    """
    results = ResultsFile(path)
    images = [image for image in results if image.truth is not None]
    for name in results.header.classes:
        shown = np.array([name in image.truth for image in images])
        scores = np.array([image.scores.get(name, 0.0) for image in images])
        positives = scores[shown]
        fitted = len(positives) // 2
        rest = len(positives) - fitted
        misses = allowed_misses(fitted, target, confidence)
        row = {'name': f'{name}, {fitted} + {rest} parts', 'unit': 'share of splits'}
        if misses is None:
            yield {**row, 'ours': None, 'peer': None, 'ratio': None, 'expected': None}
            continue
        kept = np.zeros(2)
        for _ in range(splits):
            order = generator.permutation(len(positives))
            drawn, held = positives[order[:fitted]], positives[order[fitted:]]
            calibration = np.concatenate([drawn, scores[~shown]])
            labels = np.arange(len(calibration)) < fitted
            ours = choose_threshold(calibration, labels, target, confidence).threshold
            read_off = np.sort(drawn)[fitted - math.ceil(target * fitted)]
            kept += [reaches(held, x).mean() >= target for x in (ours, read_off)]
        ours, peer = kept / splits
        # Fewer than all held-out misses that the promise allows: those below an order statistic.
        expected = float(
            betabinom.cdf(math.floor((1 - target) * rest + 1e-9), rest, misses + 1, fitted - misses)
        )
        yield {
            **row,
            'ours': float(ours),
            'peer': float(peer),
            'ratio': float(ours / peer) if peer else None,
            'expected': expected,
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
    parser.add_argument('--results', type=Path, help='results file taken as the population')
    parser.add_argument('--splits', type=int, help='with --results: halves instead of draws')
    parser.add_argument('--target-recall', type=float, default=0.95)
    parser.add_argument('--confidence', type=float, default=0.95)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--json', action='store_true', help='print one JSON object')
    args = parser.parse_args()
    if args.fits < 1 or args.parts < 1:
        raise InputError(f'--fits and --parts must be 1 or more, got {args.fits}, {args.parts}')
    if args.splits is not None and (args.splits < 1 or args.results is None):
        raise InputError(f'--splits must be 1 or more, beside --results, got {args.splits}')
    for name in ('target_recall', 'confidence'):
        value = getattr(args, name)
        if not 0 < value < 1:
            raise InputError(f'--{name.replace("_", "-")} must be between 0 and 1, got {value}')
    with redirect_stdout(sys.stderr):
        machine = describe_machine()
    generator, rows = np.random.default_rng(args.seed), []
    goal = (args.target_recall, args.confidence, generator)
    if args.splits is not None:
        found = measure_splits(args.results, args.splits, *goal)
    elif args.results is not None:
        found = measure(read_population(args.results), args.fits, *goal)
    else:
        found = measure(draw_populations(args.parts, generator), args.fits, *goal)
    for row in found:
        rows.append(row)
        if not args.json:
            print(_line(row), flush=True)
    if args.json:
        print(json.dumps({'machine': machine, 'rows': rows}))
    return 0 if all(row.get('kept', True) for row in rows) else 1


def _line(row: dict[str, Any]) -> str:
    if row['ours'] is None:
        return f'{row["name"]:38} too few parts to certify this recall'
    shares = (
        f'{row["name"]:38} ours {row["ours"]:.3f}, read off {row["peer"]:.3f}, expected '
        f'{row["expected"]:.3f}'
    )
    if 'kept' not in row:
        return shares
    return f'{shares}, needed {row["needed"]:.3f}: {"kept" if row["kept"] else "NOT KEPT"}'


if __name__ == '__main__':
    run(lambda _: sys.exit(main()))
