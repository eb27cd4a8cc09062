"""What each class gains over a training, as a table and a figure."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.dist import is_main_process
from mmengine.hooks import Hook

from mmdefect.datasets.labelled_boxes import count_boxes
from mmdefect.drawing import draw_class_progress
from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.evaluation.metric_names import read_metrics
from mmdefect.fileio import write_bytes, write_text
from mmdefect.registry import HOOKS

__all__ = ['ClassProgressHook']

_NAME = 'class_progress'
_COLUMNS = ('iteration', 'model', 'class', 'boxes', 'share', 'AP', 'AP50', 'efficiency')


@HOOKS.register_module()
class ClassProgressHook(Hook):
    """Write ``class_progress.csv`` and ``class_progress.png`` into the work dir after validations.

    Each validation adds one row per class to the table: labelled boxes, their share of all
    labelled boxes, AP, AP50, and the efficiency, which is AP over share: a class far below 1 has
    many labels and little gained from them. Labelled boxes are those of the training set without
    its unlabelled parts, whatever ground truth these have. Where teacher and student are
    validated, both have rows and the figure shows the teacher.

    The figure also goes to every back end of the visualiser, and the efficiencies into the log as
    ``class_progress/efficiency/<class>``. A resumed training continues the table: rows of
    iterations after its checkpoint are dropped; in another work dir the table beside the
    checkpoint is continued. Both files are replaced in one step.

    Args:
        **unknown: Refused.

    Example:
        >>> ClassProgressHook().priority
        'NORMAL'
    """

    # After RuntimeInfoHook, before LoggerHook, which takes up the efficiencies.
    priority = 'NORMAL'

    def __init__(self, **unknown: Any) -> None:
        reject_unknown_keys('ClassProgressHook', unknown, ())
        self._rows: list[dict[str, str]] | None = None
        self._boxes: dict[str, int] = {}

    def before_train(self, runner: Any) -> None:
        """Count the labelled boxes; of a resumed training, read the table.

        Args:
            runner (Runner): The runner.

        Raises:
            InputError: The table to continue cannot be read.
        """
        self._boxes = count_boxes(runner.train_dataloader.dataset)
        self._rows = _earlier_rows(runner) if runner.iter else []

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Add the rows of a validation.

        Args:
            runner (Runner): The runner.
            metrics (dict[str, float] | None): Name to value. Default None.
        """
        # A validation outside of a training is no progress.
        if self._rows is None:
            return
        classes = [str(name) for name in runner.val_dataloader.dataset.metainfo['classes']]
        found = {
            owner or 'model': scores.classes
            for owner, scores in read_metrics(metrics or {}, classes).items()
            if scores.classes.get('AP')
        }
        if not found:
            return
        total = sum(self._boxes.get(name, 0) for name in classes)
        shares = {name: self._boxes.get(name, 0) / total if total else None for name in classes}
        shown = next(iter(found))
        for owner, scores in found.items():
            for name in classes:
                ap, share = scores['AP'].get(name, math.nan), shares[name]
                efficiency = ap / share if share else math.nan
                row = {
                    'iteration': runner.iter,
                    'model': owner,
                    'class': name,
                    'boxes': self._boxes.get(name, 0),
                    'share': _number(share),
                    'AP': _number(ap),
                    'AP50': _number(scores.get('AP50', {}).get(name)),
                    'efficiency': _number(efficiency),
                }
                self._rows.append({key: str(value) for key, value in row.items()})
                if owner == shown and math.isfinite(efficiency):
                    runner.message_hub.update_scalar(f'val/{_NAME}/efficiency/{name}', efficiency)
        if is_main_process():
            self._write(runner, classes, shares, shown)

    def after_train(self, runner: Any) -> None:
        """The training is over.

        Args:
            runner (Runner): Not used.
        """
        self._rows = None

    def _write(
        self, runner: Any, classes: list[str], shares: dict[str, float | None], shown: str
    ) -> None:
        rows = self._rows or []
        folder = Path(runner.work_dir)
        write_text(folder / f'{_NAME}.csv', _csv(rows))
        curves: dict[str, list[tuple[float, float]]] = {name: [] for name in classes}
        for row in rows:
            if row['model'] == shown and row['class'] in curves:
                value = float(row['AP']) if row['AP'] else math.nan
                curves[row['class']].append((float(row['iteration']), value))
        title = f'{folder.name}, {shown} at iteration {runner.iter}'
        picture = draw_class_progress(curves, shares, title=title)
        write_bytes(folder / f'{_NAME}.png', picture)
        pixels = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
        runner.visualizer.add_image(_NAME, np.ascontiguousarray(pixels[..., ::-1]), runner.iter)


def _earlier_rows(runner: Any) -> list[dict[str, str]]:
    """Rows up to the iteration from which a training goes on."""
    folders = [Path(runner.work_dir)]
    if runner._load_from:
        folders.append(Path(runner._load_from).parent)
    for folder in folders:
        path = folder / f'{_NAME}.csv'
        if not path.is_file():
            continue
        try:
            with path.open(encoding='utf-8', newline='') as file:
                rows = _checked(csv.DictReader(file, strict=True))
            return [row for row in rows if int(row['iteration']) <= runner.iter]
        except (OSError, ValueError, csv.Error) as error:
            raise InputError(
                f'{path}: cannot be continued ({error}); move it away and resume again'
            ) from None
    return []


def _checked(table: csv.DictReader) -> list[dict[str, str]]:
    if tuple(table.fieldnames or ()) != _COLUMNS:
        raise ValueError(f'its columns must be {", ".join(_COLUMNS)}')
    rows = list(table)
    for number, row in enumerate(rows, start=1):
        if tuple(row) != _COLUMNS or None in row.values():
            raise ValueError(f'row {number} has not {len(_COLUMNS)} values')
        if row['AP']:
            float(row['AP'])
    return rows


def _csv(rows: list[dict[str, str]]) -> str:
    stream = io.StringIO(newline='')
    writer = csv.DictWriter(stream, _COLUMNS, lineterminator='\n')
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def _number(value: float | None) -> str:
    return '' if value is None or not math.isfinite(value) else f'{value:.6g}'
