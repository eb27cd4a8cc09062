"""What is known about a run besides its evaluation: date, summary, config, versions."""

from __future__ import annotations

import json
import platform
import re
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import mmdefect
from mmdefect.report.evaluation import Evaluation
from mmdefect.report.logs import TrainingLog

__all__ = [
    'config_text', 'date_text', 'run_title', 'summary_rows', 'trained_for', 'version_text',
]  # fmt: skip

_DISTRIBUTIONS = ('torch', 'onedl-mmdetection', 'mmdet', 'onedl-mmengine', 'mmengine')
_LARGEST_CONFIG = 500_000


def run_title(work_dir: Path, evaluation: Evaluation) -> str:
    """What to call a run: its config, or else its folder.

    Args:
        work_dir (Path): Folder of the run.
        evaluation (Evaluation): Its evaluation.

    Returns:
        str: File name of the config or name of the folder.

    Example:
        >>> run_title(Path('work_dirs/a'), Evaluation.model_construct(config=None))
        'a'
    """
    return evaluation.config or work_dir.resolve().name


def trained_for(evaluation: Evaluation, log: TrainingLog) -> str | None:
    """How long the weights were trained.

    Args:
        evaluation (Evaluation): The evaluation, of a moment in training or of a checkpoint.
        log (TrainingLog): The training log beside it.

    Returns:
        str | None: In epochs or iterations, as evaluated in training, or as the checkpoint's name
        says, or as far as the log goes; None when none of them says it.

    Example:
        >>> evaluation = Evaluation.model_construct(epoch=None, checkpoint='best_AP_epoch_7.pth')
        >>> trained_for(evaluation, TrainingLog(epochs=12))
        '7 epochs'
        >>> evaluation = Evaluation.model_construct(epoch=None, checkpoint='iter_1500.pth')
        >>> trained_for(evaluation, TrainingLog())
        '1,500 iterations'
    """
    number, unit = evaluation.epoch, 'epoch'
    named = re.search(r'(epoch|iter)_(\d+)\.pth$', evaluation.checkpoint or '')
    if number is None and named is not None:
        number, unit = int(named[2]), {'epoch': 'epoch', 'iter': 'iteration'}[named[1]]
    elif number is None:
        number = log.epochs
    return None if number is None else f'{number:,} {unit}{"" if number == 1 else "s"}'


def date_text(text: str | None) -> str | None:
    """An ISO time to the minute.

    Args:
        text (str | None): Time, ISO 8601.

    Returns:
        str | None: The time for people; a text that is no time as it is.

    Example:
        >>> date_text('2026-01-02T03:04:05+00:00')
        '2026-01-02 03:04 UTC'
    """
    try:
        return datetime.fromisoformat(text).strftime('%Y-%m-%d %H:%M %Z').strip() if text else None
    except ValueError:
        return text


def summary_rows(work_dir: Path) -> tuple[list[tuple[str, str]], str | None]:
    """Read ``summary.json`` of a run.

    Args:
        work_dir (Path): Folder of the run.

    Returns:
        tuple[list[tuple[str, str]], str | None]: Rows (key, value), nested keys joined by a dot,
        and what is wrong with the file in words, or None.

    Example:
        >>> summary_rows(Path('no-such-folder'))
        ([], None)
    """
    path = work_dir / 'summary.json'
    if not path.is_file():
        return [], None
    try:
        value = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        return [], f'summary.json cannot be read ({error})'
    rows: list[tuple[str, str]] = []

    def walk(prefix: str, node: Any) -> None:
        if isinstance(node, dict):
            for key, child in node.items():
                walk(f'{prefix}.{key}' if prefix else str(key), child)
        else:
            text = f'{node:.4g}' if isinstance(node, float) else str(node)
            rows.append((prefix or 'value', text))

    walk('', value)
    return rows, None


def config_text(work_dir: Path, evaluation: Evaluation) -> tuple[str, str] | None:
    """Find the config dump, when it is clear which file that is.

    Args:
        work_dir (Path): Folder of the run.
        evaluation (Evaluation): Its evaluation, which may name the config.

    Returns:
        tuple[str, str] | None: File name and content.

    Example:
        >>> config_text(Path('no-such-folder'), Evaluation.model_construct(config=None)) is None
        True
    """
    named = work_dir / f'{Path(evaluation.config).stem}.py' if evaluation.config else None
    paths = [named] if named and named.is_file() else sorted(work_dir.glob('*.py'))
    if len(paths) != 1 or paths[0].stat().st_size > _LARGEST_CONFIG:
        return None
    return paths[0].name, paths[0].read_text(encoding='utf-8', errors='replace')


def version_text() -> str:
    """Versions of what wrote the page.

    Returns:
        str: Ours, Python's, and those of the stack that is installed.

    Example:
        >>> version_text().split()[0]
        'mmdefect'
    """
    parts = [f'mmdefect {mmdefect.__version__}', f'Python {platform.python_version()}']
    for name in _DISTRIBUTIONS:
        try:
            parts.append(f'{name} {metadata.version(name)}')
        except metadata.PackageNotFoundError:
            continue
    return ', '.join(parts)
