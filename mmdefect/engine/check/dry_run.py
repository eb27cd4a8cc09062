"""A training, stopped after a few iterations, in a folder that is thrown away."""

from __future__ import annotations

import contextlib
import copy
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import IterBasedTrainLoop, Runner

from mmdefect.datasets.labelled_boxes import leaves
from mmdefect.engine.check.check_report import CheckReport, ModelInput
from mmdefect.engine.check.cures import explain
from mmdefect.engine.check.data_counts import count_data
from mmdefect.engine.check.data_flow import measure_flow, time_loading
from mmdefect.engine.check.findings import Finding
from mmdefect.engine.check.known_traps import config_traps
from mmdefect.engine.check.memory import peak_memory, peak_memory_gpu
from mmdefect.engine.check.model_traps import (
    data_traps,
    densest_image,
    hanging_sampler,
    model_traps,
)
from mmdefect.engine.check.positives import PositiveCounter
from mmdefect.engine.check.timing import Iteration, estimate_time
from mmdefect.engine.check.trial_config import trial_config
from mmdefect.engine.check.unread_keys import track_reads, unread_keys
from mmdefect.engine.config_file import naming_variables
from mmdefect.engine.hooks.class_count_hook import check_class_count
from mmdefect.errors import InputError

__all__ = ['check_config']

# What the runner does before the first iteration, in the words of messages.
_STAGES = {
    'build_train_loop': 'building the training loop',
    'build_optim_wrapper': 'building the optimiser',
    'build_param_scheduler': 'building the schedule',
    'build_val_loop': 'building the validation loop',
    '_init_model_weights': 'initialising the weights',
    'load_or_resume': 'loading weights',
}
# Seconds of a prediction that may be repeated for a better measurement.
_SHORT = 10.0


def check_config(
    config: Config,
    iterations: int = 2,
    *,
    progress: Callable[[str], None] | None = None,
) -> CheckReport:
    """Train a config for a few iterations, predict one batch, and say what is wrong.

    The data sets are read and counted, images go through the pipelines, the real runner trains
    with the real loader and hooks (but those that write), the model predicts a batch of the
    validation set and the metric is computed on it. Everything is written to a temporary folder;
    ``config`` stays as it is. A failure ends the run and is part of the report.

    Args:
        config (Config): Config of a detector.
        iterations (int): Training iterations, 1 or more; the first is a warm-up. Default 2.
        progress (Callable[[str], None] | None): Called with what is being done. Default None.

    Returns:
        CheckReport: What was found.

    Raises:
        InputError: ``iterations`` is below 1, or the config has no training data.

    Example:
        >>> check_config(Config(dict(model=dict())))
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: the config has no train_dataloader; give the config of a \
detector that trains
    """
    if iterations < 1:
        raise InputError(f'iterations must be 1 or more, got {iterations}')
    if not config.get('train_dataloader'):
        raise InputError(
            'the config has no train_dataloader; give the config of a detector that trains'
        )
    with tempfile.TemporaryDirectory(prefix='mmdefect-check-', ignore_cleanup_errors=True) as out:
        run = _DryRun(config, iterations, out, progress or (lambda stage: None))
        try:
            with naming_variables(config):
                run.go()
        # Whatever stops a training is what the report is for.
        except Exception as error:
            run.report.failure = explain(error, run.stage)
        finally:
            run.close()
    return run.report


class _Enough(Exception):
    """Ends the training loop."""


class _DryRun:
    """The steps of a check, and what they have found so far."""

    def __init__(
        self, config: Config, iterations: int, out: str, progress: Callable[[str], None]
    ) -> None:
        self.config = trial_config(config, out)
        self.iterations = iterations
        self.progress = progress
        self.report = CheckReport(str(config.filename or 'config'), get_device())
        self.stage = ''
        self.runner: Runner | None = None
        self.loaders: dict[str, Any] = {}
        self.load_seconds: float | None = None

    def at(self, stage: str) -> None:
        """Say what is being done."""
        self.stage = stage
        self.progress(stage)

    def go(self) -> None:
        """Do everything, up to the first failure."""
        init_default_scope(self.config.get('default_scope') or 'mmdet')
        self.report.findings += config_traps(self.config)
        self.look_at_data()
        record = track_reads(self.config)
        counter = self.train()
        self.report.positives = counter.heads()
        self.judge_training()
        self.validate()
        self.report.findings += unread_keys(record)
        self.measure()

    def look_at_data(self) -> None:
        """Build the loaders, count their data, send images through the pipelines."""
        for split in ('train', 'val', 'test'):
            settings = self.config.get(f'{split}_dataloader')
            if not settings:
                continue
            self.at(f'reading the {split} data')
            same = [name for name in self.loaders if self.config[f'{name}_dataloader'] == settings]
            if same:
                self.loaders[split] = self.loaders[same[0]]
                continue
            loader = Runner.build_dataloader(settings, seed=self._seed())
            self.loaders[split] = loader
            hanging = hanging_sampler(loader) if split == 'train' else None
            for name, leaf in leaves(loader.dataset, split):
                flow = count_data(leaf, name)
                if flow is None:
                    continue
                self.report.flows.append(flow)
                self.report.findings += data_traps(leaf, flow)
                measure_flow(leaf, flow, self._seed())
                self.report.findings += flow.findings
            if not len(loader.dataset):
                raise InputError(f'{split}_dataloader: the data set is empty; check its files')
            if hanging is not None:
                raise InputError(str(hanging))
            if split == 'train':
                self.load_seconds = time_loading(loader.dataset, self._seed())
        self.report.findings += densest_image(self.report.flows, self.config)
        dropped = any(flow.lost_by_filter for flow in self.report.flows)
        if dropped:
            self.report.findings = [
                finding
                for finding in self.report.findings
                if not finding.where.endswith('filter_empty_gt')
            ]

    def train(self) -> PositiveCounter:
        """Train for the wanted number of iterations."""
        self.at('building the model')
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        self.runner = runner = Runner.from_cfg(self.config)
        # The loaders are built already, and the data sets in them take long to read.
        runner._train_dataloader = self.loaders['train']
        if 'val' in self.loaders:
            runner._val_dataloader = self.loaders['val']
        for name, stage in _STAGES.items():
            setattr(runner, name, self._staged(getattr(runner, name), stage))
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        dataset = self.loaders['train'].dataset
        check_class_count(model, dataset)
        classes = (getattr(dataset, 'metainfo', None) or {}).get('classes') or ()
        counter = PositiveCounter([str(name) for name in classes])
        counter.attach(model)
        # A function, not a method: EMAHook copies the model, and would copy its owner along.
        model.data_preprocessor.register_forward_hook(
            lambda module, inputs, output: self.note_inputs(output, module.training)
        )
        weights = [weight for weight in model.parameters() if weight.requires_grad]
        self.report.parameters = sum(weight.numel() for weight in weights)
        runner.register_hook(_WatchHook(self, counter), priority='LOWEST')
        with contextlib.suppress(_Enough):
            runner.train()
        if not self.report.iterations:
            raise InputError('train_dataloader: gives no batch; check drop_last and batch_size')
        return counter

    def judge_training(self) -> None:
        """Findings about losses and positives."""
        for number, iteration in enumerate(self.report.iterations, start=1):
            names = iteration.not_finite()
            if names:
                self.report.findings.append(
                    Finding(
                        'problem',
                        f'iteration {number}',
                        f'{", ".join(names)} not finite',
                        'lower the learning rate, check mean and std of data_preprocessor, train '
                        'in float32',
                    )
                )
                break
        for head in self.report.positives:
            for name in head.without_positive() if head.kind == 'dense' else ():
                count = int(head.boxes[head.classes.index(name)])
                self.report.findings.append(
                    Finding(
                        'problem',
                        f'model.{head.name}',
                        f'none of {count} boxes of class {name} got a positive',
                        'anchors or strides do not fit their sizes: see mmdefect audit, and adapt '
                        f'octave_base_scale or scales, ratios ({self._ratio_order(head.name)}) or '
                        'the image size',
                    )
                )

    def _ratio_order(self, name: str) -> str:
        """How the anchors of a head read their ratios."""
        model = self.runner.model if self.runner is not None else torch.nn.Module()
        head = dict(model.named_modules()).get(name)
        generator = getattr(head, 'prior_generator', None)
        return getattr(generator, 'ratio_order', 'h/w')

    def validate(self) -> None:
        """Predict one batch and compute the metric on it."""
        loader = self.loaders.get('val')
        if loader is None or self.runner is None or self.runner.val_loop is None:
            return
        self.at('predicting a validation batch')
        batch = next(iter(loader))
        self.runner.model.eval()
        again = copy.deepcopy(batch)
        with torch.no_grad():
            outputs, seconds = self._predict(batch)
            if seconds < _SHORT:
                # The first prediction is a warm-up too.
                seconds = min(seconds, self._predict(again)[1])
        self.report.validation_seconds = seconds
        self.report.validation_batches = len(loader)
        self.at('computing the metric')
        evaluator = self.runner.val_evaluator
        evaluator.process(data_samples=outputs, data_batch=batch)
        evaluator.evaluate(len(outputs))

    def _predict(self, batch: Any) -> tuple[Any, float]:
        start = time.perf_counter()
        outputs = self.runner.model.val_step(batch)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return outputs, time.perf_counter() - start

    def measure(self) -> None:
        """Times and memory."""
        loader = self.loaders['train']
        loop = self.runner.train_loop if self.runner is not None else None
        self.report.time = estimate_time(
            self.report.iterations,
            self.load_seconds,
            self.config.train_dataloader.get('batch_size') or 1,
            loader.num_workers,
            # An endless sampler knows no epochs.
            None if isinstance(loop, IterBasedTrainLoop) else len(loader),
            getattr(loop, 'max_iters', None),
        )

    def close(self) -> None:
        """Stop loader processes, close the log; what memory there was at most."""
        self.report.peak_bytes = peak_memory()
        self.report.peak_bytes_gpu = peak_memory_gpu()
        if self.report.failure is not None:
            self.report.not_judged.append('unread keys and times: the run did not get so far')
        for loader in self.loaders.values():
            iterator = getattr(loader, '_iterator', None)
            if hasattr(iterator, '_shutdown_workers'):
                iterator._shutdown_workers()
        if self.runner is not None:
            for handler in list(self.runner.logger.handlers):
                handler.close()

    def _seed(self) -> int:
        return int((self.config.get('randomness') or {}).get('seed') or 0)

    def _staged(self, method: Callable[..., Any], stage: str) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            self.at(stage)
            return method(*args, **kwargs)

        return run

    def note_inputs(self, output: Any, training: bool) -> None:
        """Note what the model is given."""
        tensors = output.get('inputs') if isinstance(output, Mapping) else output
        name = '' if training else 'validation'
        branches = tensors.items() if isinstance(tensors, Mapping) else [(name, tensors)]
        for branch, tensor in branches:
            if isinstance(tensor, torch.Tensor):
                dtype = str(tensor.dtype).removeprefix('torch.')
                self.report.inputs.append(ModelInput(branch, tuple(tensor.shape), dtype))


class _WatchHook(Hook):
    """Notes losses and times, and ends the training after enough iterations."""

    def __init__(self, run: _DryRun, counter: PositiveCounter) -> None:
        self.run, self.counter = run, counter
        self.ended = self.started = time.perf_counter()
        self.counted = 0.0

    def before_train(self, runner: Runner) -> None:
        """The model is ready."""
        self.run.at('before the first iteration')
        runner.model.train()
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        self.run.report.findings += model_traps(model, self.run.config)

    def before_train_epoch(self, runner: Runner) -> None:
        """Loading begins."""
        self.run.at(f'loading batch {len(self.run.report.iterations) + 1}')
        self.ended = time.perf_counter()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """A batch has arrived."""
        self.run.at(f'training iteration {len(self.run.report.iterations) + 1}')
        self.started, self.counted = time.perf_counter(), self.counter.seconds

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Note the iteration."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        now = time.perf_counter()
        iterations = self.run.report.iterations
        iterations.append(
            Iteration(
                losses={name: float(value) for name, value in (outputs or {}).items()},
                data_seconds=self.started - self.ended,
                step_seconds=now - self.started - (self.counter.seconds - self.counted),
            )
        )
        if len(iterations) >= self.run.iterations:
            raise _Enough
        self.run.at(f'loading batch {len(iterations) + 1}')
        self.ended = time.perf_counter()

    def after_train_epoch(self, runner: Runner) -> None:
        """Validation would follow the last epoch."""
        if runner.epoch + 1 >= runner.max_epochs:
            raise _Enough
