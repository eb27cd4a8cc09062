"""Trainings that are compared with each other: equal but for one thing."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from machine import describe_machine

import mmdefect  # noqa: F401  lets a wheel-only OpenMMLab install run
from mmdefect.report.logs import read_logs

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Arm:
    """One training.

    Args:
        name (str): Of its row and its folder.
        config (str): Config file, from the root of the repository.
        iterations (int): Updates of the weights; epochs, where the config counts those.
        options (tuple[str, ...]): ``KEY=VALUE`` of ``--cfg-options``. Default none.
        start (Arm | None): Training whose last weights it starts from. Default None.
        by_epoch (bool): The config counts epochs. Default False.
    """

    name: str
    config: str
    iterations: int
    options: tuple[str, ...] = ()
    start: Arm | None = None
    by_epoch: bool = False

    @property
    def unit(self) -> str:
        """What the config counts, as the names of checkpoints say it."""
        return 'epoch' if self.by_epoch else 'iter'


def train(arm: Arm, seed: int, args: argparse.Namespace) -> Path:
    """Train an arm, and the one it starts from, unless they are finished.

    Args:
        arm (Arm): The training. An interrupted one is resumed.
        seed (int): Of weights, order and augmentation.
        args (argparse.Namespace): Of :func:`make_parser`.

    Returns:
        Path: The last checkpoint.
    """
    work_dir = args.work_dir / f'{arm.name.replace(" ", "_")}_seed{seed}'
    last = work_dir / f'{arm.unit}_{arm.iterations}.pth'
    if last.is_file():
        return last
    options = [
        f'randomness.seed={seed}',
        f'train_cfg.max_{arm.unit}s={arm.iterations}',
        f'train_cfg.val_interval={arm.iterations}',
        # Only the last weights count, so nothing is chosen on the images that judge them.
        'default_hooks.checkpoint.save_best=None',
        f'default_hooks.checkpoint.interval={1 if arm.by_epoch else min(250, arm.iterations)}',
        *_data_options(args, 'val'),
        *arm.options,
    ]
    if arm.start is not None:
        options.append(f'load_from={train(arm.start, seed, args)}')
    _run(
        'train.py', arm.config, '--amp', '--resume', '--work-dir', work_dir,
        '--cfg-options', *options, threads=args.threads,
    )  # fmt: skip
    return last


def evaluate(arm: Arm, seed: int, args: argparse.Namespace) -> dict[str, Any]:
    """Train an arm where needed, and test its last weights.

    Args:
        arm (Arm): The training.
        seed (int): Of weights, order and augmentation.
        args (argparse.Namespace): Of :func:`make_parser`.

    Returns:
        dict[str, Any]: ``evaluation.json``, with the mean of the last half of each statistic of
        pseudo labels under ``pseudo``.
    """
    last = train(arm, seed, args)
    record = last.parent / 'final/evaluation.json'
    if not record.is_file():
        _run(
            'test.py', arm.config, last, '--amp', '--work-dir', record.parent,
            '--cfg-options', f'randomness.seed={seed}', *_data_options(args, 'test'), *arm.options,
            threads=args.threads,
        )  # fmt: skip
    pseudo = {
        f'{statistic} {name}': statistics.fmean(value for _, value in points[len(points) // 2 :])
        for statistic, curves in read_logs(last.parent).pseudo.items()
        for name, points in curves.items()
    }
    return {**json.loads(record.read_text(encoding='utf-8')), 'pseudo': pseudo}


def _data_options(args: argparse.Namespace, split: str) -> list[str]:
    return [] if args.images is None else [f'{split}_dataloader.dataset.indices={args.images}']


def _run(tool: str, config: str, *arguments: object, threads: int) -> None:
    command = [sys.executable, ROOT / 'tools' / tool, ROOT / config, *arguments]
    words = ['env', f'OMP_NUM_THREADS={threads}', *map(str, command)]
    print('$', ' '.join(words), file=sys.stderr, flush=True)
    subprocess.run(words, check=True, stdout=sys.stderr)


def make_parser(description: str, work_dir: str, iterations: int) -> argparse.ArgumentParser:
    """Options that all comparisons of trainings have.

    Args:
        description (str): Of the command.
        work_dir (str): Default folder of the trainings.
        iterations (int): Default number of updates after the burn-in.

    Returns:
        argparse.ArgumentParser: With ``--work-dir``, ``--seeds``, ``--iterations``, ``--threads``,
        ``--images``, ``--only`` and ``--json``.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('--work-dir', type=Path, default=Path(work_dir))
    parser.add_argument('--seeds', type=int, nargs='+', default=[0])
    parser.add_argument('--iterations', type=int, default=iterations, help='updates to compare')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--images', type=int, help='fewer test images, for a trial of the script')
    parser.add_argument('--only', nargs='+', metavar='ARM', help='names of arms; default: all')
    parser.add_argument('--json', action='store_true', help='print one JSON object')
    return parser


def add_burn_in(parser: argparse.ArgumentParser) -> None:
    """Add ``--burn-in``, for comparisons that start from a common one.

    Args:
        parser (argparse.ArgumentParser): Of :func:`make_parser`.
    """
    parser.add_argument('--burn-in', type=int, default=1000, help='updates before, in common')


def average_precision(evaluation: Mapping[str, Any]) -> dict[str, float]:
    """What is printed of an evaluation.

    Args:
        evaluation (Mapping[str, Any]): ``evaluation.json``.

    Returns:
        dict[str, float]: AP50 and AP, and AP50 per class.
    """
    scores = {name: evaluation['metrics'][name] for name in ('AP50', 'AP')}
    for entry in evaluation['per_class']:
        scores[f'AP50 {entry["name"]} ({entry["boxes"]} boxes)'] = entry['AP50']
    return scores


def compare(
    arms: Sequence[Arm],
    args: argparse.Namespace,
    baseline: Mapping[str, str],
    scores_of: Callable[[Mapping[str, Any]], dict[str, float]] = average_precision,
) -> None:
    """Train and test all arms with all seeds, and print a column per arm.

    Args:
        arms (Sequence[Arm]): The trainings.
        args (argparse.Namespace): Of :func:`make_parser`.
        baseline (Mapping[str, str]): Name of an arm -> name of the arm it is compared with.
        scores_of (Callable): What is printed of an evaluation. Default
            :func:`average_precision`.
    """
    arms = [arm for arm in arms if not args.only or arm.name in args.only]
    if not arms:
        raise SystemExit(f'--only: no arm of that name; got {" ".join(args.only)}')
    # Trainings and tests print; standard output is for the result.
    with redirect_stdout(sys.stderr):
        results = {arm.name: [evaluate(arm, seed, args) for seed in args.seeds] for arm in arms}
        machine = describe_machine()
    scores = {name: [scores_of(one) for one in found] for name, found in results.items()}
    rows = [_row(arm, name, scores, baseline.get(arm)) for arm in scores for name in scores[arm][0]]
    if args.json:
        print(json.dumps({'machine': machine, 'rows': rows}))
        return
    seeds = ' '.join(map(str, args.seeds))
    print(f'machine: {machine["cpu"]}; seeds {seeds}; mean over seeds (lowest to highest)')
    print('| | ' + ' | '.join(scores) + ' |\n|---|' + '---|' * len(scores))
    for name in next(iter(scores.values()))[0]:
        cells = [_cell([one[name] for one in found]) for found in scores.values()]
        print(f'| {name} | ' + ' | '.join(cells) + ' |')
    for arm, found in results.items():
        for name in found[0]['pseudo']:
            print(f'{arm}: pseudo {name}: {_cell([one["pseudo"][name] for one in found])}')


def _row(
    arm: str, name: str, scores: Mapping[str, list[dict[str, float]]], baseline: str | None
) -> dict[str, Any]:
    values = [one[name] for one in scores[arm]]
    ours = statistics.fmean(values)
    peer = None
    if baseline in scores:
        peer = statistics.fmean(one[name] for one in scores[baseline])
    return {
        'name': f'{arm} {name}', 'ours': ours, 'peer': peer,
        'ratio': ours / peer if peer else None, 'unit': 'box AP', 'n': len(values),
        'lowest': min(values), 'highest': max(values),
    }  # fmt: skip


def _cell(values: Sequence[float]) -> str:
    mean = f'{statistics.fmean(values):.3f}'
    return mean if len(values) == 1 else f'{mean} ({min(values):.3f} to {max(values):.3f})'
