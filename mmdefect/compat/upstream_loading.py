"""MMDetection's inferencer and analysis scripts learn our image loader.

They know only mmcv's; ours decodes strictly and reads 16-bit images.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from mmdefect.compat.upstream_drawing import teach_drawing

__all__ = ['teach_datasets', 'teach_inferencer']

_OURS = 'mmdefect.LoadImage'


def teach_inferencer(module: ModuleType) -> None:
    """Let ``DetInferencer`` take pipelines that begin with ``mmdefect.LoadImage``.

    Ours accepts what the inferencer passes (paths and arrays), so nothing is swapped. Drawings
    of 16-bit images are mended too.

    Args:
        module (ModuleType): ``mmdet.apis.det_inferencer``.

    Example:
        >>> import mmdet.apis.det_inferencer as module
        >>> teach_inferencer(module)
        >>> module.DetInferencer._init_pipeline.__name__
        '_init_pipeline'
    """
    teach_drawing(module)
    upstream = module.DetInferencer._init_pipeline
    if hasattr(upstream, '__wrapped__'):
        return

    def _init_pipeline(self: Any, cfg: Any) -> Any:
        from mmengine.dataset import Compose

        pipeline = cfg.test_dataloader.dataset.pipeline
        if any(step['type'] == _OURS for step in pipeline):
            # There is no ground truth to load.
            kept = [step for step in pipeline if not step['type'].endswith('LoadAnnotations')]
            return Compose(kept)
        return upstream(self, cfg)

    _init_pipeline.__wrapped__ = upstream  # type: ignore[attr-defined]
    module.DetInferencer._init_pipeline = _init_pipeline


def teach_datasets(module: ModuleType) -> None:
    """Let ``get_loading_pipeline``, which the analysis scripts use, keep our loader.

    Args:
        module (ModuleType): ``mmdet.datasets.utils``.

    Example:
        >>> import contextlib, io
        >>> with contextlib.redirect_stdout(io.StringIO()):
        ...     import mmdet.datasets.utils as module
        >>> teach_datasets(module)
        >>> steps = [dict(type='mmdefect.LoadImage'), dict(type='mmdet.LoadAnnotations'),
        ...          dict(type='mmdet.Resize', scale=(8, 8))]
        >>> [step['type'] for step in module.get_loading_pipeline(steps)]
        ['mmdefect.LoadImage', 'mmdet.LoadAnnotations']
    """
    upstream = module.get_loading_pipeline
    if hasattr(upstream, '__wrapped__'):
        return

    def get_loading_pipeline(pipeline: list[Any]) -> list[Any]:
        """As upstream, with ``mmdefect.LoadImage`` counted as an image loader."""
        stock = {'type': 'mmcv.LoadImageFromFile'}
        kept = upstream([stock if step['type'] == _OURS else step for step in pipeline])
        ours = iter([step for step in pipeline if step['type'] == _OURS])
        return [next(ours) if step is stock else step for step in kept]

    get_loading_pipeline.__wrapped__ = upstream  # type: ignore[attr-defined]
    module.get_loading_pipeline = get_loading_pipeline
