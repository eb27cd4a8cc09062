"""Hands test scores to the back ends that follow a run."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook

from mmdefect.errors import reject_unknown_keys
from mmdefect.registry import HOOKS

__all__ = ['ScoreTrackingHook']


@HOOKS.register_module()
class ScoreTrackingHook(Hook):
    """Show test metrics where validation metrics are: TensorBoard, MLflow, Weights & Biases.

    MMEngine's LoggerHook writes them into the log only. They are named ``test/<metric>``.

    Args:
        **unknown: Refused.

    Example:
        >>> ScoreTrackingHook().priority
        'NORMAL'
    """

    def __init__(self, **unknown: Any) -> None:
        reject_unknown_keys('ScoreTrackingHook', unknown, ())

    def after_test_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Pass the metrics on.

        Args:
            runner (Runner): The runner.
            metrics (dict[str, float] | None): Name to value. Default None.
        """
        if metrics:
            runner.visualizer.add_scalars({f'test/{k}': v for k, v in metrics.items()}, step=0)
