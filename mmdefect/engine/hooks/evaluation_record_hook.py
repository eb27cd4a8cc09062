"""Writes what the metric saw beside the logs, for reports."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import IterBasedTrainLoop

from mmdefect.errors import reject_unknown_keys
from mmdefect.evaluation import DefectMetric
from mmdefect.fileio import write_json
from mmdefect.geometry import TileGrid
from mmdefect.registry import HOOKS
from mmdefect.structures import EVALUATION_FORMAT

__all__ = ['EvaluationRecordHook']


@HOOKS.register_module()
class EvaluationRecordHook(Hook):
    """Write ``WORK_DIR/evaluation.json`` after each validation or test epoch.

    The file holds metrics, curves and boxes of the newest evaluation; ``mmdefect report`` reads
    it. Where teacher and student are validated one after the other, it holds the teacher's. It is
    replaced in one step, never half-written.

    Args:
        **unknown: Refused.

    Example:
        >>> EvaluationRecordHook().priority
        'NORMAL'
    """

    def __init__(self, **unknown: Any) -> None:
        reject_unknown_keys('EvaluationRecordHook', unknown, ())
        self._teacher: dict[str, Any] | None = None

    def before_val_epoch(self, runner: Any) -> None:
        """Forget the validation before.

        Args:
            runner (Runner): The runner.
        """
        for metric in _defect_metrics(runner.val_evaluator):
            metric.evidence = None

    def after_val_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Keep what a first model left when a second one begins.

        Args:
            runner (Runner): The runner.
            batch_idx (int): From 0 for each model.
            data_batch (Any): Not used. Default None.
            outputs (Any): Not used. Default None.
        """
        if batch_idx == 0:
            found = [metric.evidence for metric in _defect_metrics(runner.val_evaluator)]
            self._teacher = found[0] if found else None

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Write the record of a validation epoch.

        Args:
            runner (Runner): The runner.
            metrics (dict[str, float] | None): Not used. Default None.
        """
        # The property would build the loop where there is none, as in a validation alone.
        by_iteration = isinstance(runner._train_loop, IterBasedTrainLoop)
        # CheckpointHook has saved this moment's file by now, if its interval says so.
        name = f'iter_{runner.iter}.pth' if by_iteration else f'epoch_{runner.epoch}.pth'
        saved = (Path(runner.work_dir) / name).is_file()
        epoch = None if by_iteration else runner.epoch
        self._write(runner, runner.val_evaluator, epoch, name if saved else None)
        self._teacher = None

    def after_test_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Write the record of a test epoch.

        Args:
            runner (Runner): The runner.
            metrics (dict[str, float] | None): Not used. Default None.
        """
        checkpoint = Path(runner._load_from).name if runner._load_from else None
        self._write(runner, runner.test_evaluator, None, checkpoint)

    @master_only
    def _write(
        self, runner: Any, evaluator: Any, epoch: int | None, checkpoint: str | None
    ) -> None:
        for metric in _defect_metrics(evaluator):
            evidence = self._teacher or metric.evidence
            if evidence is not None:
                record = {
                    'format': EVALUATION_FORMAT,
                    'created': datetime.now(timezone.utc).isoformat(timespec='seconds'),
                    'epoch': epoch,
                    'checkpoint': checkpoint,
                    'config': Path(runner.cfg.filename).name if runner.cfg.filename else None,
                    **evidence,
                }
                if (tiles := _tiles(runner.model)) is not None:
                    record['tiles'] = tiles
                write_json(Path(runner.work_dir) / 'evaluation.json', record)
                return


def _tiles(model: Any) -> dict[str, Any] | None:
    """The tiles of a model that sees whole images through them."""
    grid = getattr(model.module if is_model_wrapper(model) else model, 'grid', None)
    if not isinstance(grid, TileGrid):
        return None
    return {'size': list(grid.size), 'overlap': list(grid.overlap), 'edge': grid.edge}


def _defect_metrics(evaluator: Any) -> list[DefectMetric]:
    return [metric for metric in evaluator.metrics if isinstance(metric, DefectMetric)]
