"""A config for a trial: nothing is written, saved or validated."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

__all__ = ['trial_config']

# Hooks that write files or draw bars; nothing of theirs is wanted here.
_WRITERS = (
    'AtomicCheckpointHook', 'CheckpointHook', 'DetVisualizationHook', 'EarlyStoppingHook',
    'EvaluationRecordHook', 'LoggerHook', 'ProgressHook', 'ResultsFileHook',
    'TrainingManifestHook', 'VisualizationHook',
)  # fmt: skip
_STOCK_LOOPS = (None, 'EpochBasedTrainLoop', 'IterBasedTrainLoop')
_NEVER = 10**9


def trial_config(config: Config, out: str) -> Config:
    """Copy a config and take out what would leave traces.

    Args:
        config (Config): The config; it stays as it is.
        out (str): Folder for whatever is still written.

    Returns:
        Config: A copy that writes nothing outside ``out``, neither files nor to servers, saves no
        checkpoint and never validates on its own.

    Example:
        >>> config = Config(dict(train_cfg=dict(max_epochs=1), vis_backends=[]))
        >>> trial_config(config, 'tmp').train_cfg.val_interval == _NEVER
        True
    """
    config = copy.deepcopy(config)
    config.work_dir = out
    config.resume = False
    config.launcher = 'none'
    config.log_level = 'ERROR'
    config.visualizer = dict(type='Visualizer')
    hooks = config.get('default_hooks') or {}
    kept = {name: hook for name, hook in hooks.items() if not _is_writer(hook)}
    # The runner's own two are taken away by None.
    config.default_hooks = {**kept, 'logger': None, 'checkpoint': None}
    custom = config.get('custom_hooks') or []
    config.custom_hooks = [hook for hook in custom if not _is_writer(hook)]
    loop = config.get('train_cfg')
    if isinstance(loop, dict) and ('val_interval' in loop or loop.get('type') in _STOCK_LOOPS):
        loop.val_interval = _NEVER
        loop.pop('dynamic_intervals', None)
    for key in ('val_evaluator', 'test_evaluator'):
        metrics = config.get(key)
        for metric in metrics if isinstance(metrics, list) else [metrics]:
            if isinstance(metric, dict) and metric.get('outfile_prefix'):
                metric['outfile_prefix'] = f'{out}/{key}'
    return config


def _is_writer(hook: Any) -> bool:
    if hook is None:
        return False
    kind = hook.get('type') if isinstance(hook, Mapping) else type(hook)
    name = kind if isinstance(kind, str) else getattr(kind, '__name__', '')
    return name.rpartition('.')[2] in _WRITERS
