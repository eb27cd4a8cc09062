"""Curves for TensorBoard, beside the logs."""

from __future__ import annotations

from typing import Any

from mmengine import visualization as upstream
from mmengine.config import Config
from mmengine.visualization.vis_backend import force_init_env

from mmdefect.engine.tracking.scalars import name_scalars, shown_step
from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.registry import VISBACKENDS

__all__ = ['TensorboardVisBackend']


@VISBACKENDS.register_module()
class TensorboardVisBackend(upstream.TensorboardVisBackend):
    """Write event files that ``tensorboard --logdir WORK_DIR`` shows.

    MMEngine's back end with one axis for training and validation, the iteration, and names of
    their own (see :func:`~mmdefect.engine.tracking.scalars.name_scalars`); the config is shown as
    code.

    Args:
        save_dir (str): Folder of the event file; the visualiser passes it.
        **unknown: Refused.

    Example:
        >>> import tempfile
        >>> backend = TensorboardVisBackend(tempfile.mkdtemp())
        >>> backend.add_scalars({'mmdefect/AP50': 0.5})
        >>> backend.close()
    """

    def __init__(self, save_dir: str, **unknown: Any) -> None:
        reject_unknown_keys('TensorboardVisBackend', unknown, ('save_dir',))
        super().__init__(save_dir)

    def _init_env(self) -> None:
        try:
            super()._init_env()
        except ImportError as error:
            raise InputError(
                f'vis_backends: TensorBoard cannot be imported ({error}); pip install tensorboard, '
                'or take mmdefect.TensorboardVisBackend out of the config'
            ) from None

    @force_init_env
    def add_config(self, config: Config, **kwargs: Any) -> None:
        """Show the config under Text.

        Args:
            config (Config): The config.
            **kwargs: Not used.
        """
        # TensorBoard reads Markdown.
        self._tensorboard.add_text('config', f'```python\n{config.pretty_text}\n```')

    def add_scalars(
        self,
        scalar_dict: dict[str, Any],
        step: int = 0,
        file_path: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Add one point to each curve.

        Args:
            scalar_dict (dict[str, Any]): Name to number, as MMEngine logs it.
            step (int): Iteration, or epoch of a validation. Default 0.
            file_path (str | None): Not used. Default None.
            **kwargs: Not used.
        """
        super().add_scalars(name_scalars(scalar_dict), shown_step(scalar_dict, step))
