from __future__ import annotations

import json
import logging
from types import SimpleNamespace

import pytest
import torch

import mmdefect.registry  # noqa: F401  registers the scope
from mmdefect.compat.checkpoints import load
from mmdefect.engine.hooks import TrainingGuardHook
from mmdefect.engine.training_rules import RULES, Finding
from mmdefect.errors import InputError

DROP = {'name': 'score_drop', 'after': 0}


class Training:
    """A runner without a training: losses and scores are handed in."""

    def __init__(self, work_dir, hook, iteration=0, statistics=None):
        self.hook = hook
        self.messages = []
        logger = SimpleNamespace(warning=self.messages.append)
        dataset = SimpleNamespace(metainfo={'classes': ('dent', 'rust')})
        self.runner = SimpleNamespace(
            work_dir=str(work_dir), iter=iteration, logger=logger, _resume=iteration > 0,
            _train_loop=object(), val_dataloader=SimpleNamespace(dataset=dataset),
            model=SimpleNamespace(statistics=statistics),
        )  # fmt: skip

    def start(self):
        self.hook.before_train(self.runner)
        return self

    def steps(self, losses, **numbers):
        for loss in losses:
            self.hook.before_train_iter(self.runner, 0)
            outputs = {key.replace('__', '/'): torch.tensor(v) for key, v in numbers.items()}
            if loss is not None:
                # Of a model that trains, the loss has a gradient.
                outputs['loss'] = torch.tensor(loss, requires_grad=True)
            self.hook.after_train_iter(self.runner, 0, outputs=outputs if loss is not None else {})
            self.runner.iter += 1
        return self

    def validate(self, score, prefix='', **classes):
        self.hook.after_val_epoch(
            self.runner,
            {
                f'{prefix}mmdefect/AP': score,
                **{f'{prefix}mmdefect/AP/{name}': ap for name, ap in classes.items()},
            },
        )
        return self

    def checkpoint(self):
        saved = {}
        self.hook.before_save_checkpoint(self.runner, saved)
        return saved

    def record(self):
        from pathlib import Path

        path = Path(self.runner.work_dir) / 'training_guard.json'
        return json.loads(path.read_text(encoding='utf-8'))


def test_losses_of_unlabelled_images_may_rise(tmp_path):
    rules = [dict(name=name, span=8) for name in ('loss_stuck', 'loss_unsteady')]
    training = Training(tmp_path, TrainingGuardHook(rules=rules, window=2)).start()
    for iteration in range(12):
        labelled = 1.2 - 0.05 * iteration
        # As the unsupervised weight rises, so does the sum.
        training.steps(
            [labelled + 0.2 * iteration], sup_loss_cls=labelled / 2, sup_loss_bbox=labelled / 2,
            unsup_loss_cls=0.2 * iteration, sup_acc=90.0,
        )  # fmt: skip
    assert training.messages == []
    losses = [window.means['loss'] for window in training.hook.history.windows]
    assert losses == pytest.approx([1.2 - 0.05 * (2 * n + 0.5) for n in range(6)])


def test_every_rule_by_default():
    rules = TrainingGuardHook().rules
    assert [name for name, _, _ in rules] == list(RULES)
    assert {action for _, _, action in rules} == {'warn'}
    assert all(not keys for _, keys, _ in rules)
    assert {action for _, _, action in TrainingGuardHook(action='stop').rules} == {'stop'}


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(rule=[]), "unknown key 'rule'; did you mean 'rules'"),
        (dict(window=0), 'window must be an integer >= 1, got 0'),
        (dict(action='halt'), "action must be one of warn, stop, got 'halt'"),
        (dict(rules=[dict(name='score_drops')]), "did you mean 'score_drop'"),
        (dict(rules=[dict(limit=1)]), 'no rule has the name None; known rules: score_drop'),
        (dict(rules=[dict(name='score_drop', limits=1)]), "unknown key 'limits'"),
        (dict(rules=[dict(name='score_drop', limit=-1)]), 'limit must be a number >= 0, got -1'),
        (dict(rules=[dict(name='score_drop', limit='5 %')]), "must be a number >= 0, got '5 %'"),
        (dict(rules=[dict(name='score_drop', validations=0)]), 'validations must be an integer >='),
        (dict(rules=[dict(name='loss_stuck', span=700)]), 'span must be a multiple of the window'),
        (dict(rules=[dict(name='loss_stuck', span=500)]), 'hold two of them, got 500'),
        (dict(rules=[dict(name='loss_unsteady', allow_fall=1)]), 'must be True or False, got 1'),
    ],
)
def test_refused(settings, message):
    with pytest.raises(InputError, match=message):
        TrainingGuardHook(**settings)


def test_speaks_once_until_it_is_over(tmp_path):
    training = Training(tmp_path, TrainingGuardHook([DROP])).start()
    for score in (0.3, 0.2, 0.2, 0.19, 0.35, 0.3, 0.3):
        training.steps([1.0]).validate(score)
    assert [message.split(':')[1].split(' at ')[1] for message in training.messages] == [
        'iteration 3', 'iteration 7',
    ]  # fmt: skip
    assert 'To change: lower the learning rate' in training.messages[0]
    said = training.record()['said']
    assert [(item['rule'], item['iteration']) for item in said] == [
        ('score_drop', 3), ('score_drop', 7),
    ]  # fmt: skip


@pytest.mark.parametrize('prefix', ['', 'teacher/'])
def test_scores_are_the_teachers(tmp_path, prefix):
    training = Training(tmp_path, TrainingGuardHook([DROP])).start()
    for score in (0.3, 0.2, 0.2):
        training.steps([1.0])
        metrics = {f'{prefix}mmdefect/AP': score}
        if prefix:
            metrics = {'student/mmdefect/AP': 0.3, **metrics}
        training.hook.after_val_epoch(training.runner, metrics)
    assert len(training.messages) == 1


def test_stops_before_the_next_iteration(tmp_path):
    rules = [{**DROP, 'limit': 0.1}, {**DROP, 'limit': 0.5, 'action': 'stop'}]
    training = Training(tmp_path, TrainingGuardHook(rules)).start()
    for score in (0.3, 0.2, 0.2):
        training.steps([1.0]).validate(score)
    assert len(training.messages) == 1
    training.steps([1.0]).validate(0.1)
    # Both lie so low only now.
    training.steps([1.0]).validate(0.1)
    with pytest.raises(InputError, match='stopped the training by rule score_drop at iteration 5'):
        training.steps([1.0])


def test_other_ranks_do_as_the_first_one_says(tmp_path, monkeypatch):
    def from_first_rank(found):
        found[:] = [Finding('the first rank saw it', 'change it')]

    monkeypatch.setattr(
        'mmdefect.engine.hooks.training_guard_hook.broadcast_object_list', from_first_rank
    )
    hook = TrainingGuardHook([dict(name='loss_stuck', span=4)], window=2, action='stop')
    training = Training(tmp_path, hook).start()
    with pytest.raises(InputError, match='at iteration 2: the first rank saw it'):
        training.steps([3.0, 2.0, 1.0])


@pytest.mark.filterwarnings('error')
def test_windows_and_undone_iterations(tmp_path):
    rules = [dict(name='loss_stuck', span=8)]
    training = Training(tmp_path, TrainingGuardHook(rules, window=4)).start()
    # None: undone; not a number: left out of the mean.
    training.steps([4.0, None, 2.0, float('nan'), 2.0, 2.0, 2.0, 2.0])
    assert [window.means['loss'] for window in training.hook.history.windows] == [3.0, 2.0]
    assert not training.messages
    training.steps([2.0] * 4)
    assert 'rule loss_stuck at iteration 12' in training.messages[0]
    # A window in which all is undone says nothing, and interrupts the span.
    training.steps([None] * 4)
    assert training.hook.history.windows[-1].means == {}


def test_no_pseudo_labels_warns_once_with_the_counts(tmp_path):
    statistics = SimpleNamespace(quiet=1000)
    rules = [dict(name='no_pseudo_labels', iterations=6)]
    training = Training(tmp_path, TrainingGuardHook(rules, window=2), statistics=statistics).start()
    assert statistics.quiet is None
    numbers = dict(pseudo__stage__floor=3.0, pseudo__stage__cls=0.0, pseudo__score_best=0.25)
    training.steps([1.0] * 30)  # burn-in: nothing is counted
    training.steps([1.0] * 5, pseudo__count__dent=0.0, pseudo__count__rust=0.5)
    training.steps([1.0] * 20, pseudo__count__dent=0.0, pseudo__count__rust=0.0, **numbers)
    (message,) = training.messages
    assert 'no pseudo label for' in message and '3 above the score floor' in message
    assert '0 from the threshold cls on; its best score was .250' in message


def test_statistics_warn_themselves_where_the_rule_is_left_out(tmp_path):
    statistics = SimpleNamespace(quiet=1000)
    Training(tmp_path, TrainingGuardHook([DROP]), statistics=statistics).start()
    assert statistics.quiet == 1000


def test_precision_is_the_mean_over_classes(tmp_path):
    rules = [dict(name='noise_up', span=4)]
    training = Training(tmp_path, TrainingGuardHook(rules, window=2)).start()
    training.steps([1.0] * 2, pseudo__precision__dent=0.9, pseudo__precision__rust=0.7)
    training.steps([1.0] * 2, pseudo__precision__dent=0.6, pseudo__precision__rust=0.7)
    assert 'fell from .800 to .650' in training.messages[0]


def test_goes_on_from_a_checkpoint(tmp_path):
    rules = [DROP, dict(name='loss_stuck', span=4)]
    first = Training(tmp_path, TrainingGuardHook(rules, window=2)).start()
    first.steps([1.0] * 2).validate(0.3, dent=0.3).steps([1.0])
    # The same iterations in one go, and with a resume after the third.
    saved = first.checkpoint()
    torch.save(saved, tmp_path / 'a.pth')
    second = Training(tmp_path, TrainingGuardHook(rules, window=2), iteration=3)
    second.hook.after_load_checkpoint(second.runner, load(tmp_path / 'a.pth'))
    second.start()
    for training in (first, second):
        training.steps([1.0]).validate(0.2).steps([1.0]).validate(0.2)
    assert second.messages == first.messages and len(first.messages) == 2
    assert second.checkpoint() == first.checkpoint()
    # Only a resumed training goes on.
    third = Training(tmp_path / 'other', TrainingGuardHook(rules, window=2))
    third.hook.after_load_checkpoint(third.runner, saved)
    assert third.start().hook.history.windows == []


def test_the_file_knows_what_came_after_the_checkpoint(tmp_path):
    rules = [DROP]
    first = Training(tmp_path, TrainingGuardHook(rules)).start()
    first.steps([1.0]).validate(0.3).steps([1.0]).validate(0.2).steps([1.0])
    saved = first.checkpoint()
    first.validate(0.2, dent=float('nan')).steps([1.0]).validate(0.1)
    assert len(first.messages) == 1
    second = Training(tmp_path, TrainingGuardHook(rules), iteration=3)
    second.hook.after_load_checkpoint(second.runner, saved)
    second.start()
    assert [item.score for item in second.hook.history.validations] == [0.3, 0.2, 0.2]
    # What was said right after the checkpoint is not said again.
    second.steps([1.0]).validate(0.1)
    assert second.messages == []
    assert [item['iteration'] for item in second.record()['said']] == [3]


def test_a_spoilt_file_is_no_reason_to_stop(tmp_path):
    (tmp_path / 'training_guard.json').write_text('{"said": [], "validations": [{}]}')
    training = Training(tmp_path, TrainingGuardHook([DROP]), iteration=3).start()
    assert 'cannot be read' in training.messages[0]
    training.validate(0.2)
    assert training.record()['validations'] == [{'iteration': 3, 'score': 0.2, 'classes': {}}]


def test_a_metric_that_is_not_there(tmp_path):
    training = Training(tmp_path, TrainingGuardHook([DROP], metric='AP_50')).start()
    for _ in range(2):
        training.hook.after_val_epoch(training.runner, {'mmdefect/AP50': 0.1})
    (message,) = training.messages
    assert "no metric 'AP_50'" in message and "did you mean 'AP50'" in message


def test_a_validation_alone_is_no_training(tmp_path):
    training = Training(tmp_path, TrainingGuardHook([DROP]))
    training.runner._train_loop = {'type': 'IterBasedTrainLoop'}
    training.validate(0.3)
    assert not training.hook.history.validations and not list(tmp_path.iterdir())


def test_stop_in_a_real_training(small_runner, tmp_path, caplog):
    rule = {**DROP, 'validations': 1, 'action': 'stop'}
    hook = {'type': 'mmdefect.TrainingGuardHook', 'metric': 'AP50', 'rules': [rule]}
    runner = small_runner(
        tmp_path, {'interval': 2}, scores=(0.5, 0.2, 0.2), by_epoch=False, end=8,
        custom_hooks=[hook],
    )  # fmt: skip
    runner.logger.addHandler(caplog.handler)
    with caplog.at_level(logging.WARNING), pytest.raises(InputError, match='score_drop'):
        runner.train()
    assert runner.iter == 4
    # All of the iteration was saved; a resume goes on and is not stopped by the same again.
    assert (tmp_path / 'iter_4.pth').is_file()
    resumed = small_runner(
        tmp_path, {'interval': 2}, scores=(0.2, 0.2), by_epoch=False, end=8,
        custom_hooks=[hook], load_from=tmp_path / 'iter_4.pth',
    )  # fmt: skip
    resumed.train()
    assert resumed.iter == 8
