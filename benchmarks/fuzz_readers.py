"""Read damaged data sets with every reader: valid and read, or one line; never anything else.

    python benchmarks/fuzz_readers.py [--files 10000] [--seed 0] [--formats voc coco ...] [--json]

Small data sets of every format are written to a temporary folder. One file after the other is
damaged (truncated, bytes flipped, types swapped, huge numbers, wrong encodings, deep nesting,
duplicate keys, XML entities, hostile paths, folders in the place of files), the data set read in
this process with on_error='raise' and 'drop', and the file restored. 300 of each format also go
through DefectDataset, which decodes the images; libpng and libtiff then print lines of their own.
What is neither read nor answered with a one-line InputError that names a file, takes longer than
2 s or more than 500 MB is printed with a saved copy, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import json
import logging
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from file_mutations import apply, mutate, restore
from reader_judge import Answer, answer, dataset_answer
from reader_samples import Sample, make_samples

try:
    import resource
except ImportError:  # not on Windows, where the memory is not judged
    resource = None  # type: ignore[assignment]

_SECONDS = 2.0
_MEGABYTES = 500
# A reader that does not come back is stopped, with its traceback; set anew every so many files.
_HANGS_AFTER = 120
_FILES_PER_WATCH = 50
_DATASET_FILES = 300


@dataclass
class Tally:
    """What happened to the files of one format."""

    outcomes: Counter[str] = field(default_factory=Counter)
    mutations: Counter[str] = field(default_factory=Counter)
    datasets: int = 0
    slowest: float = 0
    slowest_file: str = ''
    failures: list[str] = field(default_factory=list)


def main() -> int:
    """Fuzz, print, and say with the exit code whether all was well.

    Returns:
        int: 0, or 1 when a reader failed.
    """
    from machine import describe_machine

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--files', type=int, default=10_000, help='damaged files, of all formats')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--formats', nargs='+', help='names of samples; default: all')
    parser.add_argument('--first', type=int, default=0, help='number to start with, to repeat one')
    parser.add_argument('--keep', type=Path, default=Path('work_dirs/fuzz_readers'))
    parser.add_argument('--json', action='store_true', help='print one JSON object')
    args = parser.parse_args()
    samples = make_samples()
    chosen = args.formats or list(samples)
    unknown = set(chosen) - set(samples)
    if unknown:
        parser.error(f'unknown {sorted(unknown)[0]!r}; known are {", ".join(samples)}')
    # Imports print; standard output is for the result.
    with redirect_stdout(sys.stderr):
        tallies, growth, minutes = _fuzz_all([samples[name] for name in chosen], args)
        machine = describe_machine()
    _report(tallies, growth, minutes, machine, args.json)
    return int(any(tally.failures for tally in tallies.values()))


def _fuzz_all(
    samples: list[Sample], args: argparse.Namespace
) -> tuple[dict[str, Tally], float, float]:
    """Tallies by name, MB over the memory of the program, minutes."""
    warnings.filterwarnings('ignore')
    logging.disable(logging.WARNING)
    # What is imported at the first call would count as the memory of that file.
    import mmdefect.datasets.defect_dataset  # noqa: F401

    # MMEngine collects garbage for every data set, which would look through all modules.
    gc.freeze()
    start, before = time.perf_counter(), _peak_memory()
    numbers = range(args.first, args.first - (-args.files // len(samples)))
    with tempfile.TemporaryDirectory(prefix='fuzz_readers_') as folder:
        tallies = {
            sample.name: _fuzz(sample, Path(folder) / 'data', numbers, args) for sample in samples
        }
    return tallies, _peak_memory() - before, (time.perf_counter() - start) / 60


def _fuzz(sample: Sample, root: Path, numbers: range, args: argparse.Namespace) -> Tally:
    tally = Tally()
    sample.write(root)
    for on_error in ('raise', 'drop'):
        first = answer(sample, root, on_error)
        if first.outcome != 'read':
            raise SystemExit(f'{sample.name}: the sample itself is {first}')
    names = sorted(sample.files)
    weights = [_weight(sample, name) for name in names]
    dataset_every = max(1, len(numbers) // _DATASET_FILES)
    for number in numbers:
        random = Random(f'{args.seed} {sample.name} {number}')
        (name,) = random.choices(names, weights)
        mutation, damage = mutate(name, sample.files[name], random)
        apply(root / name, damage)
        if number % _FILES_PER_WATCH == 0:
            faulthandler.dump_traceback_later(_HANGS_AFTER, exit=True)
        with_dataset = number % dataset_every == 0
        fault = _judge(sample, root, f'{mutation} of {name} (number {number})', with_dataset, tally)
        tally.mutations[mutation] += 1
        if fault:
            kept = args.keep / f'{sample.name.replace(" ", "_")}_{args.seed}_{number}'
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(root, kept, symlinks=True)
            line = (
                f'{sample.name}, {mutation} of {name}: {fault}\n    saved in {kept}; again: '
                f'--formats {sample.name!r} --seed {args.seed} --first {number} --files 1'
            )
            print(line, file=sys.stderr, flush=True)
            tally.failures.append(line)
        restore(root / name, sample.files[name])
    faulthandler.cancel_dump_traceback_later()
    shutil.rmtree(root)
    return tally


def _weight(sample: Sample, name: str) -> float:
    """Annotations matter more than images, and what is not read least."""
    if name.endswith(('.png', '.jpg', '.tif')):
        return 1
    return 4 if sample.source in ('', name) else 0.1


def _judge(sample: Sample, root: Path, what: str, with_dataset: bool, tally: Tally) -> str | None:
    """What is wrong with the answers, None when nothing is."""
    checks = [('raise', answer), ('drop', answer)]
    if with_dataset:
        tally.datasets += 1
        checks += [('raise', dataset_answer), ('drop', dataset_answer)]
    for on_error, check in checks:
        memory, start = _peak_memory(), time.perf_counter()
        found: Answer = check(sample, root, on_error)
        seconds = time.perf_counter() - start
        if seconds > _SECONDS:
            # Other programs of this machine may have taken the time.
            start = time.perf_counter()
            check(sample, root, on_error)
            seconds = min(seconds, time.perf_counter() - start)
        growth = _peak_memory() - memory
        if check is answer:
            if on_error == 'raise':
                tally.outcomes[found.outcome] += 1
            if seconds > tally.slowest:
                tally.slowest, tally.slowest_file = seconds, what
        where = f"{check.__name__}, on_error='{on_error}'"
        if found.outcome == 'failed':
            return f'{where}: {found.detail[:500]}'
        if seconds > _SECONDS or growth > _MEGABYTES:
            return f'{where}: took {seconds:.1f} s and {growth:.0f} MB'
    return None


def _peak_memory() -> float:
    """Largest memory of this process so far, MB; 0 where that cannot be known."""
    if resource is None:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 if sys.platform != 'darwin' else 1024**2)


def _report(
    tallies: dict[str, Tally], growth: float, minutes: float, machine: dict[str, Any], as_json: bool
) -> None:
    rows: list[dict[str, Any]] = []
    for name, tally in tallies.items():
        for what, value, unit in (
            ('read', tally.outcomes['read'], 'files'),
            ('refused in one line', tally.outcomes['refused'], 'files'),
            ('failed', len(tally.failures), 'files'),
            ('through DefectDataset', tally.datasets, 'files'),
            ('slowest', round(tally.slowest * 1000, 1), 'ms'),
        ):
            rows.append(_row(f'{name}: {what}', value, unit))
    rows.append(_row('memory over that of the program', round(growth), 'MB'))
    rows.append(_row('time', round(minutes, 2), 'min'))
    if as_json:
        print(json.dumps({'machine': machine, 'rows': rows}))
        return
    print(f'machine: {machine["cpu"]}, {machine["threads"]} threads')
    print('| format | files | read | refused | failed | DefectDataset | slowest, ms |')
    print('|---|---|---|---|---|---|---|')
    for name, tally in tallies.items():
        total = sum(tally.outcomes.values())
        print(
            f'| {name} | {total} | {tally.outcomes["read"]} | {tally.outcomes["refused"]} | '
            f'{len(tally.failures)} | {tally.datasets} | {tally.slowest * 1000:.0f}: '
            f'{tally.slowest_file} |'
        )
    print(f'{growth:.0f} MB over the memory of the program, {minutes:.1f} minutes')


def _row(name: str, ours: float, unit: str) -> dict[str, Any]:
    return {'name': name, 'ours': ours, 'peer': None, 'ratio': None, 'unit': unit}


if __name__ == '__main__':
    sys.exit(main())
