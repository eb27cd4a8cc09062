"""Training logs of MMEngine, merged over restarts."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmdefect.evaluation.metric_names import STUDENT, split_owner

__all__ = ['TrainingLog', 'read_logs', 'training_seconds']

# Statistics of pseudo labels over all classes, by what they have in common; others are shares.
_GROUPS = {
    'score_mean': 'scores',
    'score_median': 'scores',
    'score_best': 'scores',
    'consensus_judged': 'votes',
    'consensus_added': 'votes',
}


@dataclass
class TrainingLog:
    """Curves of one training, restarts joined.

    Args:
        train (dict[str, list[tuple[float, float]]]): Per name (``loss``, ``loss_cls``, ``lr``)
            the points (iteration, value), ascending. Default empty.
        pseudo (dict[str, dict[str, list[tuple[float, float]]]]): Per statistic of pseudo labels
            (``kept_ratio``) and class, level or threshold the points, as in ``train``; under
            ``shares``, ``scores`` and ``votes`` those over all classes. Default empty.
        val (dict[str, list[tuple[float, float]]]): Per metric the points (epoch or iteration,
            value), ascending; those of single classes are in ``per_class``. Where teacher and
            student were validated, the teacher's. Default empty.
        student (dict[str, list[tuple[float, float]]]): The student's, as in ``val``. Default
            empty.
        per_class (dict[str, dict[str, list[tuple[float, float]]]]): Per metric (``AP50``) and
            class the points, as in ``val``. Default empty.
        val_unit (str): ``'epoch'`` or ``'iteration'``: what the first number of ``val`` counts.
            Default ``'epoch'``.
        epochs (int | None): Last epoch seen in training lines. Default None.
        runs (int): Number of log files with training lines. Default 0.
        notes (list[str]): What was wrong or dropped, in words for the page. Default empty.

    Example:
        >>> TrainingLog(train={'loss': [(10.0, 2.0)]}, runs=1).val
        {}
    """

    train: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    pseudo: dict[str, dict[str, list[tuple[float, float]]]] = field(default_factory=dict)
    val: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    student: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    per_class: dict[str, dict[str, list[tuple[float, float]]]] = field(default_factory=dict)
    val_unit: str = 'epoch'
    epochs: int | None = None
    runs: int = 0
    notes: list[str] = field(default_factory=list)


def read_logs(work_dir: Path) -> TrainingLog:
    """Read and join every ``<timestamp>/vis_data/scalars.json`` of a work directory.

    A later run takes over at its first iteration: what earlier runs logged from there on is
    dropped. So a resumed run continues the curve, and a run started anew replaces it. A last
    line that a kill cut short is left out. Evaluations outside training (step 0) are no part of
    the curve.

    Args:
        work_dir (Path): Folder with the runs; the names of the run folders sort by time.

    Returns:
        TrainingLog: The joined curves, empty when there is no log.

    Example:
        >>> import tempfile
        >>> run = Path(tempfile.mkdtemp()) / '20260101_000000' / 'vis_data'
        >>> run.mkdir(parents=True)
        >>> _ = (run / 'scalars.json').write_text('{"loss": 2.0, "epoch": 1, "step": 10}')
        >>> read_logs(run.parent.parent).train
        {'loss': [(10.0, 2.0)]}
    """
    log = TrainingLog()
    train: list[dict[str, Any]] = []
    val: list[dict[str, Any]] = []
    for path in sorted(work_dir.glob('*/vis_data/scalars.json')):
        lines, broken = _read_lines(path)
        if broken:
            log.notes.append(f'{path.parent.parent.name}: {broken} unreadable log line(s) left out')
        new_train = [line for line in lines if 'loss' in line]
        new_val = [line for line in lines if 'loss' not in line and line['step'] > 0]
        if new_train:
            log.runs += 1
            first = min(new_train, key=lambda line: line['step'])
            kept = [line for line in train if line['step'] < first['step']]
            if len(kept) < len(train):
                log.notes.append(
                    f'{path.parent.parent.name} took over at iteration {first["step"]:g}; '
                    f'{len(train) - len(kept)} older training log line(s) from there on left out'
                )
            train = kept
            # Validation counts epochs when training lines carry them, else iterations.
            start = first.get('epoch', first['step'])
            val = [line for line in val if line['step'] < start]
        train += new_train
        val += new_val
    if any('epoch' in line for line in train):
        log.epochs = int(max(line.get('epoch', 0) for line in train))
        latest = max((line['step'] for line in val), default=0)
        log.val_unit = 'epoch' if latest <= log.epochs else 'iteration'
    elif train:
        log.val_unit = 'iteration'
    log.train = _points(train, lambda name: name == 'lr' or ('loss' in name and '/' not in name))
    for name, points in _points(train, lambda name: name.startswith('pseudo/')).items():
        statistic, _, of = name.removeprefix('pseudo/').partition('/')
        if not of:
            statistic, of = _GROUPS.get(statistic, 'shares'), statistic
        log.pseudo.setdefault(statistic, {})[of] = points
    for name, points in _points(val, lambda name: '/' in name).items():
        owner, rest = split_owner(name)
        # 'prefix/AP50' is over all classes, 'prefix/AP50/rust' over one, whose name may hold a
        # slash.
        _, metric, *of_class = rest.split('/', 2)
        if owner == STUDENT:
            if not of_class:
                log.student[rest] = points
        elif of_class:
            log.per_class.setdefault(metric, {})[of_class[0]] = points
        else:
            log.val[rest] = points
    return log


def training_seconds(work_dir: Path) -> float:
    """Add up the time that the training iterations took, over all runs of a work directory.

    Each training line says the mean time of an iteration, which is taken for all iterations since
    the line before. For the first line of a resumed run that is the nearest earlier line of the
    runs before, so that iterations which a resumed run repeated count twice: they were computed
    twice. Validation is not in it. Lines that a kill cut short are left out.

    Args:
        work_dir (Path): Folder with the runs; the names of the run folders sort by time.

    Returns:
        float: Seconds; 0.0 when there is no log.

    Example:
        >>> import tempfile
        >>> run = Path(tempfile.mkdtemp()) / '20260101_000000' / 'vis_data'
        >>> run.mkdir(parents=True)
        >>> _ = (run / 'scalars.json').write_text('{"loss": 2.0, "time": 0.5, "step": 10}')
        >>> training_seconds(run.parent.parent)
        5.0
    """
    seconds = 0.0
    earlier: set[float] = set()
    for path in sorted(work_dir.glob('*/vis_data/scalars.json')):
        points = [
            (float(line['step']), float(line['time']))
            for line in _read_lines(path)[0]
            if 'loss' in line
            and isinstance(line.get('time'), int | float)
            and math.isfinite(line['time'])
        ]
        if not points:
            continue
        before = max((step for step in earlier if step < points[0][0]), default=0.0)
        for step, time in points:
            seconds += time * max(0.0, step - before)
            before = step
        earlier.update(step for step, _ in points)
    return seconds


def _read_lines(path: Path) -> tuple[list[dict[str, Any]], int]:
    lines: list[dict[str, Any]] = []
    broken = 0
    for text in path.read_text(encoding='utf-8', errors='replace').splitlines():
        if not text.strip():
            continue
        try:
            line = json.loads(text)
        except ValueError:
            broken += 1
            continue
        step = line.get('step', line.get('iter')) if isinstance(line, dict) else None
        if not isinstance(step, int | float):
            broken += 1
            continue
        lines.append({**line, 'step': step})
    return lines, broken


def _points(
    lines: list[dict[str, Any]], wanted: Callable[[str], bool]
) -> dict[str, list[tuple[float, float]]]:
    curves: dict[str, dict[float, float]] = {}
    for line in lines:
        for name, value in line.items():
            if wanted(name) and isinstance(value, int | float) and math.isfinite(value):
                curves.setdefault(name, {})[float(line['step'])] = float(value)
    return {name: sorted(points.items()) for name, points in sorted(curves.items())}
