"""A lowest score that a detector's own NMS knows of, so that it has less to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmdet.models.dense_heads import PAAHead
from torch import nn

__all__ = ['floored_configs', 'raised_floor']

# Upstream keeps what is greater than its threshold, we what is not less than ours.
_BELOW = 1 - 1e-4


def floored_configs(detector: nn.Module) -> list[Any]:
    """Find the test configs of heads whose threshold can be raised without any other effect.

    Boxes below a threshold neither suppress better ones nor push them out of the best so many, so
    a head that is told of a higher one finds the same boxes above it. Left alone are heads whose
    final score can be higher than the one that is compared (PAA takes a square root), and region
    proposals, whose score is another one.

    Args:
        detector (nn.Module): A detector.

    Returns:
        list[ConfigDict]: Those that have a ``score_thr``.

    Example:
        >>> floored_configs(nn.Identity())
        []
    """
    configs = {
        id(module.test_cfg): module.test_cfg
        for name, module in detector.named_modules()
        if hasattr(getattr(module, 'test_cfg', None), 'get')
        and not isinstance(module, PAAHead)
        and 'rpn' not in name
    }
    return [config for config in configs.values() if config.get('score_thr') is not None]


@contextmanager
def raised_floor(configs: list[Any], min_score: float) -> Iterator[None]:
    """Raise the thresholds of heads for a while.

    Args:
        configs (list[ConfigDict]): From :func:`floored_configs`.
        min_score (float): Lowest score that is asked for; thresholds above it stay.

    Yields:
        None: Predictions inside lack boxes clearly below.

    Example:
        >>> config = dict(score_thr=0.001)
        >>> with raised_floor([config], 0.5):
        ...     round(config['score_thr'], 3)
        0.5
        >>> config
        {'score_thr': 0.001}
    """
    before = [config['score_thr'] for config in configs]
    try:
        for config in configs:
            config['score_thr'] = max(config['score_thr'], min_score * _BELOW)
        yield
    finally:
        for config, value in zip(configs, before, strict=True):
            config['score_thr'] = value
