"""Runs in Weights & Biases, online or offline."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine import visualization as upstream
from mmengine.config import Config
from mmengine.visualization.vis_backend import force_init_env

from mmdefect.engine.tracking.scalars import name_scalars, shown_step
from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.registry import VISBACKENDS

__all__ = ['WandbVisBackend']

_STEP = 'iteration'


@VISBACKENDS.register_module()
class WandbVisBackend(upstream.WandbVisBackend):
    """Follow a training as a run of Weights & Biases: curves and config.

    Differs from MMEngine's back end, whose arguments it takes:

    - Training and validation share one axis, ``iteration``, and have names of their own (see
      :func:`~mmdefect.engine.tracking.scalars.name_scalars`). MMEngine's leaves the axis to W&B,
      which counts log calls.
    - A missing login is one line before the training, instead of a question that a training
      without a terminal cannot answer. ``WANDB_MODE=offline`` needs none.
    - The source tree is sent only when ``log_code_name`` is given. MMEngine's always copies every
      Python file below the current folder, virtual environments too.

    Args:
        save_dir (str): Folder that the visualiser passes, below the log folder.
        init_kwargs (Mapping[str, Any] | None): Arguments of ``wandb.init``. Default None: project
            ``WANDB_PROJECT`` or ``mmdefect``, name ``WANDB_NAME`` or that of the work dir, files
            in the log folder.
        define_metric_cfg (Mapping[str, str] | Sequence[Mapping[str, Any]] | None): Metric to
            summary (``min``, ``max``), or arguments of ``wandb.define_metric``. Default None.
        commit (bool): Whether each line is a step of its own. Default True.
        log_code_name (str | None): Name of the source artifact. Default None: no source is sent.
        watch_kwargs (Mapping[str, Any] | None): Arguments of ``wandb.watch``. Default None.
        **unknown: Refused.

    Raises:
        InputError: When first used: the package is missing, nobody is logged in, or W&B refuses.

    Example:
        >>> WandbVisBackend('work_dirs/a/20260101_000000/vis_data', project='drill')
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: WandbVisBackend: unknown key 'project'; known keys: ...
    """

    def __init__(
        self,
        save_dir: str,
        init_kwargs: Mapping[str, Any] | None = None,
        define_metric_cfg: Mapping[str, str] | Sequence[Mapping[str, Any]] | None = None,
        commit: bool = True,
        log_code_name: str | None = None,
        watch_kwargs: Mapping[str, Any] | None = None,
        **unknown: Any,
    ) -> None:
        known = ('init_kwargs', 'define_metric_cfg', 'commit', 'log_code_name', 'watch_kwargs')
        reject_unknown_keys('WandbVisBackend', unknown, known)
        super().__init__(
            save_dir, dict(init_kwargs or {}), define_metric_cfg, commit, log_code_name,
            dict(watch_kwargs or {}),
        )  # fmt: skip
        self._work_dir: str | None = None

    def _init_env(self) -> None:
        if importlib.util.find_spec('wandb') is None:
            raise InputError(
                "vis_backends: W&B needs the package wandb; pip install 'mmdefect[tracking]'"
            )
        import wandb

        work_dir = Path(self._work_dir or self._save_dir).resolve()
        defaults = {
            'project': os.environ.get('WANDB_PROJECT') or 'mmdefect',
            'name': os.environ.get('WANDB_NAME') or work_dir.name,
        }
        self._init_kwargs = {**defaults, **self._init_kwargs}
        _require_login(wandb, self._init_kwargs.get('mode'))
        try:
            super()._init_env()
        except wandb.Error as error:
            raise InputError(
                f'vis_backends: W&B: {" ".join(str(error).split())}; correct init_kwargs, or set '
                'WANDB_MODE=offline'
            ) from None
        wandb.define_metric(_STEP)
        wandb.define_metric('*', step_metric=_STEP)

    def add_config(self, config: Config, **kwargs: Any) -> None:
        """Record the config.

        Args:
            config (Config): The config.
            **kwargs: Not used.
        """
        self._work_dir = config.get('work_dir')
        self._record_config(config)

    @force_init_env
    def _record_config(self, config: Config) -> None:
        self._wandb.config.update(config.to_dict(), allow_val_change=True)
        if self._log_code_name is not None:
            self._wandb.run.log_code(name=self._log_code_name)

    def add_scalar(self, name: str, value: Any, step: int = 0, **kwargs: Any) -> None:
        """Add a point to a curve.

        Args:
            name (str): The curve.
            value (float | torch.Tensor | np.ndarray): The number.
            step (int): Iteration, or epoch of a validation. Default 0.
            **kwargs: Not used.
        """
        self.add_scalars({name: value}, step)

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
        points = name_scalars(scalar_dict)
        super().add_scalars({**points, _STEP: shown_step(scalar_dict, step)})

    def close(self) -> None:
        """End the run."""
        if self._env_initialized:
            self._env_initialized = False
            # MMEngine calls `join`, a name that newer releases drop.
            self._wandb.finish()


def _require_login(wandb: Any, mode: str | None) -> None:
    """Refuse to start online without a key; W&B itself would ask, or raise without a terminal."""
    if (mode or wandb.setup().settings.mode) not in ('online', 'shared', 'run'):
        return
    try:
        known = wandb.login(prompt=False, verify=False)
    except TypeError:
        # Releases before `prompt`.
        known = wandb.api.api_key is not None
    if not known:
        raise InputError(
            'vis_backends: W&B: nobody is logged in; run `wandb login`, set WANDB_API_KEY, or set '
            'WANDB_MODE=offline'
        )
