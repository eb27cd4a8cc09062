"""Watches a training and says what goes wrong, and what to change."""

from __future__ import annotations

import inspect
import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from mmdefect.engine.training_history import History, Validation, Window
from mmdefect.engine.training_rules import RULES, Finding
from mmdefect.errors import InputError, nearest_name, reject_unknown_keys
from mmdefect.evaluation.metric_names import read_metrics
from mmdefect.fileio import write_json
from mmdefect.registry import HOOKS

__all__ = ['TrainingGuardHook']

_ACTIONS = ('warn', 'stop')
_KEY = 'training_guard'
_COUNT, _PRECISION, _STAGE = 'pseudo/count/', 'pseudo/precision/', 'pseudo/stage/'
_LABELLED = 'sup_'


@HOOKS.register_module()
class TrainingGuardHook(Hook):
    """Judge a training by rules: warn, or stop, with what was seen and what to change.

    ===========================  ================================================================
    rule                         its keys, with their defaults
    ===========================  ================================================================
    ``score_drop``               ``limit=0.05, validations=2, after=1000``
    ``loss_unsteady``            ``limit=0.1, span=5000, allow_fall=True``
    ``loss_stuck``               ``limit=0.0, span=5000``
    ``weak_classes_stuck``       ``limit=0.01, span=10000, weak=0.5``
    ``hard_up_others_down``      ``limit=0.01, validations=3``
    ``noise_up``                 ``limit=0.05, growth=0.5, span=2000``
    ``no_pseudo_labels``         ``iterations=1000``
    ===========================  ================================================================

    :mod:`mmdefect.engine.training_rules` says what each means. Rules look after each validation
    and after each ``window`` iterations. A rule speaks once, and again only after it has had
    nothing to say in between. What was said stands in the log and in
    ``WORK_DIR/training_guard.json``.

    Scores are those of the teacher where teacher and student are validated; the loss of a soft
    teacher is that of its labelled images, as the rest rises while it warms up. Of several ranks
    the first one judges, all stop together. A resumed training goes on with the numbers of its
    checkpoint. After a stop, change what was said and ``--resume``.

    Args:
        rules (Sequence[Mapping] | None): Each a mapping with ``name``, and where they differ from
            the defaults keys of the rule and ``action``. A rule may be listed twice, to warn at
            one limit and stop at another. Default None: every rule once.
        action (str): ``'warn'`` or ``'stop'``: of rules that do not say. Default ``'warn'``.
        window (int): Iterations over which losses and counts are averaged, >= 1; each ``span``
            must hold at least two. Default 500.
        metric (str): The validation metric that is "AP": of all classes and of each. Default
            ``'AP'``.
        **unknown: Refused.

    Raises:
        InputError: A key, a rule or a key of a rule is unknown, or a value is out of range.

    Example:
        >>> hook = TrainingGuardHook(rules=[dict(name='score_drop', limit=0.1, action='stop')])
        >>> TrainingGuardHook(rules=[dict(name='score_drop', limits=0.1)])
        Traceback (most recent call last):
        ...
        mmdefect.errors.InputError: TrainingGuardHook: rule score_drop: unknown key 'limits'; did \
you mean 'limit'?
    """

    # Before the checkpoint is saved, so that it holds this iteration.
    priority = 'NORMAL'

    def __init__(
        self,
        rules: Sequence[Mapping[str, Any]] | None = None,
        action: str = 'warn',
        window: int = 500,
        metric: str = 'AP',
        **unknown: Any,
    ) -> None:
        reject_unknown_keys('TrainingGuardHook', unknown, ('rules', 'action', 'window', 'metric'))
        if isinstance(window, bool) or not isinstance(window, int) or window < 1:
            raise InputError(f'TrainingGuardHook: window must be an integer >= 1, got {window!r}')
        given = [{'name': name} for name in RULES] if rules is None else rules
        self.rules = [_checked(rule, action, window) for rule in given]
        self.metric = metric
        self.history = History(window)
        self._sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0])
        self._active: set[int] = set()
        self._said: list[dict[str, Any]] = []
        self._stop: str | None = None
        self._missing = False

    def before_train(self, runner: Any) -> None:
        """Of a resumed training, take up what came after its checkpoint was saved.

        Args:
            runner (Runner): The runner.
        """
        if any(name == 'no_pseudo_labels' for name, _, _ in self.rules):
            statistics = getattr(_inner(runner.model), 'statistics', None)
            if getattr(statistics, 'quiet', None):
                # One warning is enough.
                statistics.quiet = None
        if runner.iter:
            self._read_file(runner)

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Stop where a rule has said so; by now all of the last iteration is saved.

        Args:
            runner (Runner): Not used.
            batch_idx (int): Not used.
            data_batch (Any): Not used. Default None.

        Raises:
            InputError: A rule with ``action='stop'`` has spoken.
        """
        if self._stop is not None:
            raise InputError(self._stop)

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Take up the numbers of an iteration; judge at the end of a window.

        Args:
            runner (Runner): The runner.
            batch_idx (int): Not used.
            data_batch (Any): Not used. Default None.
            outputs (dict | None): Losses and numbers; empty after an iteration that was undone.
                Default None.
        """
        self._take(outputs or {})
        done = runner.iter + 1
        if done % self.history.window == 0:
            means = {name: total / count for name, (total, count) in self._sums.items()}
            self.history.windows.append(Window(done, means))
            self._sums.clear()
            self._judge(runner, done)

    def after_val_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Take up the scores of a validation and judge.

        Args:
            runner (Runner): The runner.
            metrics (dict[str, float] | None): Name to value. Default None.
        """
        # The property would build the loop of a validation outside of a training.
        if isinstance(runner._train_loop, dict) or runner._train_loop is None:
            return
        classes = (getattr(runner.val_dataloader.dataset, 'metainfo', None) or {}).get('classes')
        found = read_metrics(metrics or {}, map(str, classes or ()))
        scores = next(iter(found.values()), None)
        if scores is None or self.metric not in scores.overall:
            if not self._missing:
                self._missing = True
                near = nearest_name(self.metric, scores.overall if scores else ())
                runner.logger.warning(
                    f'TrainingGuardHook: the validation gives no metric {self.metric!r}, so rules '
                    'about scores are silent; '
                    + (f'did you mean {near!r}?' if near else 'set metric to one that it gives')
                )
            return
        self.history.validations.append(
            Validation(
                runner.iter, scores.overall[self.metric], scores.classes.get(self.metric, {})
            )
        )
        self._judge(runner, runner.iter)
        self._write_file(runner)

    def before_save_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Save what was seen so far.

        Args:
            runner (Runner): Not used.
            checkpoint (dict): Changed in place.
        """
        history = asdict(self.history)
        del history['window']
        checkpoint[_KEY] = {
            **history,
            'sums': {name: list(values) for name, values in self._sums.items()},
            'active': sorted(self._active),
            'said': [dict(item) for item in self._said],
            'window': self.history.window,
        }

    def after_load_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Go on with what was seen before.

        Args:
            runner (Runner): The runner.
            checkpoint (dict): The loaded checkpoint.
        """
        state = checkpoint.get(_KEY)
        if not runner._resume or state is None:
            return
        history = self.history
        history.validations = [Validation(**item) for item in state['validations']]
        history.silent, history.stages = state['silent'], dict(state['stages'])
        history.best_score = state['best_score']
        self._said = [dict(item) for item in state['said']]
        self._active = {index for index in state['active'] if index < len(self.rules)}
        if state['window'] == history.window:
            history.windows = [Window(**item) for item in state['windows']]
            for name, values in state['sums'].items():
                self._sums[name] = list(values)

    def _take(self, outputs: Mapping[str, Any]) -> None:
        """Add the numbers of an iteration to the window's sums."""
        counts, precisions = [], []
        for name, value in outputs.items():
            if name.startswith(_COUNT):
                counts.append(_number(value))
            elif name.startswith(_PRECISION):
                precisions.append(_number(value))
            elif name.startswith(_STAGE):
                self.history.stages[name.removeprefix(_STAGE)] = _number(value)
        labelled = [
            _number(value) for name, value in outputs.items()
            if name.startswith(_LABELLED) and 'loss' in name
        ]  # fmt: skip
        if labelled:
            self._add('loss', sum(labelled))
        elif 'loss' in outputs:
            self._add('loss', _number(outputs['loss']))
        if counts:
            self._add('count', sum(counts))
            self.history.silent = 0 if any(counts) else self.history.silent + 1
        if precisions:
            self._add('precision', float(np.mean(precisions)))
        if 'pseudo/score_best' in outputs:
            self.history.best_score = _number(outputs['pseudo/score_best'])

    def _add(self, name: str, value: float) -> None:
        if math.isfinite(value):
            self._sums[name][0] += value
            self._sums[name][1] += 1

    def _judge(self, runner: Any, iteration: int) -> None:
        """Let each rule speak that has something new to say."""
        found = [RULES[name](self.history, **keys) for name, keys, _ in self.rules]
        # The losses of the ranks differ.
        broadcast_object_list(found)
        before, self._active = self._active, set()
        for index, finding in enumerate(found):
            if finding is None:
                continue
            self._active.add(index)
            if index not in before:
                self._speak(runner, iteration, index, finding)

    def _speak(self, runner: Any, iteration: int, index: int, finding: Finding) -> None:
        name, _, action = self.rules[index]
        text = f'rule {name} at iteration {iteration}: {finding.seen}. To change: {finding.change}'
        runner.logger.warning(f'TrainingGuardHook: {text}')
        self._said.append({'iteration': iteration, 'rule': name, **asdict(finding)})
        self._write_file(runner)
        if action == 'stop' and self._stop is None:
            self._stop = f'TrainingGuardHook has stopped the training by {text}; then --resume'

    def _write_file(self, runner: Any) -> None:
        if is_main_process():
            validations = [
                {
                    'iteration': item.iteration,
                    'score': _finite(item.score),
                    'classes': {name: _finite(ap) for name, ap in item.classes.items()},
                }
                for item in self.history.validations
            ]
            write_json(
                Path(runner.work_dir) / f'{_KEY}.json',
                {'said': self._said, 'validations': validations},
                indent=1,
            )

    def _read_file(self, runner: Any) -> None:
        """Add the validation that came after the checkpoint was saved, and what was said then."""
        path = Path(runner.work_dir) / f'{_KEY}.json'
        try:
            record = json.loads(path.read_text(encoding='utf-8'))
            said = [item for item in record['said'] if item['iteration'] <= runner.iter]
            found = [
                Validation(
                    int(item['iteration']),
                    _or_nan(item['score']),
                    {str(name): _or_nan(ap) for name, ap in item['classes'].items()},
                )
                for item in record['validations']
            ]
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            runner.logger.warning(f'{path}: cannot be read ({error!r}); its scores are left out')
            return
        known = self.history.validations
        last = known[-1].iteration if known else 0
        known += [item for item in found if last < item.iteration <= runner.iter]
        for item in said[len(self._said) :]:
            self._said.append(item)
            self._active |= {
                index for index, rule in enumerate(self.rules) if rule[0] == item.get('rule')
            }


def _checked(rule: Mapping[str, Any], action: str, window: int) -> tuple[str, dict[str, Any], str]:
    """Name, keys and action of a rule."""
    keys = dict(rule)
    name = keys.pop('name', None)
    where = f'TrainingGuardHook: rule {name}'
    if name not in RULES:
        near = nearest_name(str(name), RULES)
        hint = f'did you mean {near!r}?' if near else f'known rules: {", ".join(RULES)}'
        raise InputError(f'TrainingGuardHook: no rule has the name {name!r}; {hint}')
    action = keys.pop('action', action)
    if action not in _ACTIONS:
        raise InputError(f'{where}: action must be one of {", ".join(_ACTIONS)}, got {action!r}')
    parameters = list(inspect.signature(RULES[name]).parameters.values())[1:]
    defaults = {item.name: item.default for item in parameters}
    reject_unknown_keys(where, keys, (*defaults, 'name', 'action'))
    for key, value in {**defaults, **keys}.items():
        kind, is_number = type(defaults[key]), not isinstance(value, bool)
        if kind is bool:
            fits, what = isinstance(value, bool), 'True or False'
        elif kind is float:
            fits = is_number and isinstance(value, int | float) and 0 <= value < math.inf
            what = 'a number >= 0'
        else:
            least = 0 if key == 'after' else 1
            fits = is_number and isinstance(value, int) and value >= least
            what = f'an integer >= {least}'
        if not fits:
            raise InputError(f'{where}: {key} must be {what}, got {value!r}')
        if (
            key == 'span'
            and name != 'weak_classes_stuck'
            and (value % window or value < 2 * window)
        ):
            raise InputError(
                f'{where}: span must be a multiple of the window of {window} iterations and hold '
                f'two of them, got {value}'
            )
    return name, keys, action


def _inner(model: Any) -> Any:
    return model.module if is_model_wrapper(model) else model


def _number(value: Any) -> float:
    return value.item() if hasattr(value, 'item') else float(value)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else float(value)
