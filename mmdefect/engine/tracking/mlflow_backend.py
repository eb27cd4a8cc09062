"""Runs in MLflow: a local file by default, or a server."""

from __future__ import annotations

import atexit
import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from mmengine import visualization as upstream
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.visualization.vis_backend import force_init_env

from mmdefect.engine.tracking.mlflow_store import check_store, reopen_log
from mmdefect.engine.tracking.scalars import name_scalars, shown_step
from mmdefect.errors import InputError, reject_unknown_keys
from mmdefect.registry import VISBACKENDS

__all__ = ['MLflowVisBackend']

_LOCAL_STORE = 'sqlite:///work_dirs/mlflow.db'
_CONFIG_KEYS = (
    'model', 'train_dataloader', 'optim_wrapper', 'param_scheduler', 'train_cfg', 'randomness',
    'load_from',
)  # fmt: skip
_WORK_DIR_TAG = 'mmdefect.work_dir'
# What older servers take; the whole config is an artifact.
_LONGEST_PARAM = 500
_REFUSED_CHARACTERS = re.compile(r'[^\w\-. :/]', re.ASCII)


@VISBACKENDS.register_module()
class MLflowVisBackend(upstream.MLflowVisBackend):
    """Follow a training as a run of MLflow: curves, parameters, config and log.

    Differs from MMEngine's back end, whose arguments it takes, in what a run needs to be of use:

    - ``MLFLOW_TRACKING_URI`` is heeded. MMEngine's writes each run into a store of its own inside
      the work dir, and to files, which MLflow refuses by now.
    - Training and validation share one axis, the iteration, and have names of their own (see
      :func:`~mmdefect.engine.tracking.scalars.name_scalars`). Characters that MLflow refuses in
      names, as classes may have them, become ``_``; one such name would lose the whole line.
    - ``--resume`` goes on with the run of its work dir, also after a kill that left it
      ``RUNNING``; a run that ends early by itself is ``FAILED``.
    - Only the newest log folder is copied, not every JSON file below the work dir.
    - A server that cannot be reached is one line before the training, and a warning during it.

    Args:
        save_dir (str): Folder that the visualiser passes, below the log folder.
        exp_name (str | None): The experiment. Default None: ``MLFLOW_EXPERIMENT_NAME``, else
            ``mmdefect``.
        run_name (str | None): Name of the run. Default None: that of the work dir.
        tags (Mapping[str, str] | None): Tags of the run. Default None.
        params (Mapping[str, Any] | None): Parameters besides those of the config. Default None.
        tracking_uri (str | None): Server or database. Default None: ``MLFLOW_TRACKING_URI``, else
            ``sqlite:///work_dirs/mlflow.db``.
        artifact_suffix (Sequence[str]): Endings of files to copy from the log folder. Default
            ``('.log', '.json')``.
        tracked_config_keys (Sequence[str] | None): Top-level config keys that become parameters.
            Default None: model, training data, optimiser, schedule, seed and weights.
        artifact_location (str | None): Where a new experiment keeps its files. Default None: as
            the server says; with SQLite a folder beside the database, named like it.
        **unknown: Refused.

    Raises:
        InputError: When first used: a package is missing or the store cannot be opened.

    Example:
        >>> MLflowVisBackend('work_dirs/a/20260101_000000/vis_data', exp_nam='drill')
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: MLflowVisBackend: unknown key 'exp_nam'; did you mean ...
    """

    def __init__(
        self,
        save_dir: str,
        exp_name: str | None = None,
        run_name: str | None = None,
        tags: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        tracking_uri: str | None = None,
        artifact_suffix: Sequence[str] = ('.log', '.json'),
        tracked_config_keys: Sequence[str] | None = None,
        artifact_location: str | None = None,
        **unknown: Any,
    ) -> None:
        known = (
            'exp_name', 'run_name', 'tags', 'params', 'tracking_uri', 'artifact_suffix',
            'tracked_config_keys', 'artifact_location',
        )  # fmt: skip
        reject_unknown_keys('MLflowVisBackend', unknown, known)
        exp_name = exp_name or os.environ.get('MLFLOW_EXPERIMENT_NAME') or 'mmdefect'
        super().__init__(
            save_dir, exp_name, run_name, dict(tags or {}), dict(params or {}), tracking_uri,
            tuple(artifact_suffix), tracked_config_keys,
        )  # fmt: skip
        # Not an argument of MMEngine's before 0.10.4.
        self._artifact_location = artifact_location
        self.cfg = Config()

    def _init_env(self) -> None:
        uri = self._tracking_uri or os.environ.get('MLFLOW_TRACKING_URI') or _LOCAL_STORE
        database = check_store(uri)
        if database is not None and self._artifact_location is None:
            # MLflow's own choice is a folder `mlruns` wherever the first run was started.
            self._artifact_location = database.with_suffix('').as_uri()
        # By default an unreachable server is tried for minutes, at the start and at every line.
        os.environ.setdefault('MLFLOW_HTTP_REQUEST_MAX_RETRIES', '2')
        os.environ.setdefault('MLFLOW_HTTP_REQUEST_TIMEOUT', '20')
        import mlflow

        self._mlflow = mlflow
        try:
            self._start_run(uri)
        # Besides MlflowException, whatever a database driver raises.
        except Exception as error:
            raise InputError(
                f'vis_backends: MLflow at {uri}: {_first_line(error)}; correct tracking_uri or '
                'MLFLOW_TRACKING_URI'
            ) from None
        finally:
            reopen_log()
        atexit.register(self._end, 'FAILED')

    def _start_run(self, uri: str) -> None:
        mlflow = self._mlflow
        mlflow.set_tracking_uri(uri)
        experiment = mlflow.get_experiment_by_name(self._exp_name)
        if experiment is None:
            experiment_id = mlflow.create_experiment(self._exp_name, self._artifact_location)
        else:
            experiment_id = experiment.experiment_id
        mlflow.set_experiment(experiment_id=experiment_id)
        work_dir = Path(self.cfg.get('work_dir') or self._save_dir).resolve()
        tags = {**self._tags, _WORK_DIR_TAG: str(work_dir)}
        earlier = self._trained_before(experiment_id, work_dir) if self.cfg.get('resume') else None
        # Inside a run of the caller's, a nested one.
        if earlier is not None:
            self._run = mlflow.start_run(earlier, nested=True)
        else:
            name = self._run_name or work_dir.name
            self._run = mlflow.start_run(run_name=name, tags=tags, nested=True)

    def _trained_before(self, experiment_id: str, work_dir: Path) -> str | None:
        """The newest run of a work dir that is a training, not a test."""
        quote = '"' if "'" in str(work_dir) else "'"
        runs = self._mlflow.search_runs(
            [experiment_id],
            f'tags.`{_WORK_DIR_TAG}` = {quote}{work_dir}{quote}',
            max_results=100,
            order_by=['attributes.start_time DESC'],
            output_format='list',
        )
        trained = (
            run for run in runs if any(name.startswith('train/') for name in run.data.metrics)
        )
        return next((run.info.run_id for run in trained), None)

    def add_config(self, config: Config, **kwargs: Any) -> None:
        """Record the config: chosen keys as parameters, all of it as ``config.py``.

        Args:
            config (Config): The config.
            **kwargs: Not used.
        """
        self.cfg = config
        self._record_config()

    @force_init_env
    def _record_config(self) -> None:
        chosen = self._tracked_config_keys or _CONFIG_KEYS
        content = self.cfg.to_dict()
        flat = self._flatten({key: content[key] for key in chosen if key in content})
        known = self._run.data.params
        params = {
            name: text if len(text) <= _LONGEST_PARAM else f'{text[: _LONGEST_PARAM - 3]}...'
            for name, text in ((_allowed(k), str(v)) for k, v in {**flat, **self._params}.items())
            # A resumed run has them, and MLflow lets none change.
            if name not in known
        }
        with self._warning_only():
            self._mlflow.log_params(params)
        with self._warning_only():
            self._mlflow.log_text(self.cfg.pretty_text, 'config.py')

    @force_init_env
    def add_image(self, name: str, image: np.ndarray, step: int = 0, **kwargs: Any) -> None:
        """Record an image.

        Args:
            name (str): Its name.
            image (np.ndarray): RGB, uint8, shape (h, w, 3).
            step (int): Step. Default 0.
            **kwargs: Not used.
        """
        with self._warning_only():
            self._mlflow.log_image(image, f'images/{_allowed(name)}_{step}.png')

    def add_scalar(self, name: str, value: Any, step: int = 0, **kwargs: Any) -> None:
        """Add a point to a curve.

        Args:
            name (str): The curve.
            value (float | torch.Tensor | np.ndarray): The number.
            step (int): Iteration, or epoch of a validation. Default 0.
            **kwargs: Not used.
        """
        self.add_scalars({name: value}, step)

    @force_init_env
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
        points = {_allowed(name): value for name, value in name_scalars(scalar_dict).items()}
        with self._warning_only():
            self._mlflow.log_metrics(points, shown_step(scalar_dict, step))

    def close(self) -> None:
        """Copy the log folder and end the run."""
        self._end('FINISHED')

    def _end(self, status: str) -> None:
        if not self._env_initialized:
            return
        self._env_initialized = False
        atexit.unregister(self._end)
        log_dir = Path(self._save_dir).parent
        with self._warning_only():
            for path in sorted(log_dir.rglob('*')):
                if path.is_file() and path.name.endswith(self._artifact_suffix):
                    folder = path.parent.relative_to(log_dir.parent).as_posix()
                    self._mlflow.log_artifact(str(path), folder)
        with self._warning_only():
            self._mlflow.end_run(status)

    @contextmanager
    def _warning_only(self) -> Iterator[None]:
        """A training goes on when its follower is away."""
        try:
            yield
        # Artifact stores raise what their client libraries raise.
        except Exception as error:
            text = f'MLflow: not recorded: {_first_line(error)}'
            print_log(text, logger='current', level=logging.WARNING)


def _allowed(name: str) -> str:
    return _REFUSED_CHARACTERS.sub('_', name)


def _first_line(error: Exception) -> str:
    line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return line if len(line) <= 200 else f'{line[:197]}...'
