import pytest
from mmengine.config import Config

from mmdefect.engine.config_options import apply_options
from mmdefect.errors import InputError


def make_config():
    return Config(
        dict(
            gamma=2.0,
            dataset=dict(on_error='raise'),
            model=dict(head=dict(loss=dict(gamma=2.0))),
            param_scheduler=[dict(end=5)],
            train_dataloader=dict(dataset=dict(on_error='raise')),
        )
    )


@pytest.mark.parametrize(
    ('key', 'value', 'read'),
    [
        ('model.head.loss.gamma', 1.5, lambda config: config.model.head.loss.gamma),
        ('param_scheduler.0.end', 9, lambda config: config.param_scheduler[0].end),
        ('load_from', 'a.pth', lambda config: config.load_from),
        ('randomness.seed', 3, lambda config: config.randomness.seed),
    ],
)
def test_options_arrive(key, value, read):
    config = make_config()
    apply_options(config, {key: value})
    assert read(config) == value


@pytest.mark.parametrize(
    ('key', 'words'),
    [
        ('gamma', ['gamma', 'set model.head.loss.gamma']),
        ('dataset.on_error', ['set train_dataloader.dataset.on_error']),
        ('modle.depth', ["did you mean 'model'"]),
        ('param_scheduler.7.end', ['cannot be set']),
    ],
)
def test_options_that_nothing_reads(key, words):
    with pytest.raises(InputError) as caught:
        apply_options(make_config(), {key: 1})
    message = str(caught.value)
    assert message.startswith(f'--cfg-options {key}: ')
    assert all(word in message for word in words)
    assert '\n' not in message
