from __future__ import annotations

import importlib.util
from types import SimpleNamespace

import pytest
from mmengine.config import Config

from mmdefect.engine.tracking.wandb_backend import WandbVisBackend, _require_login
from mmdefect.errors import InputError


def wandb_of(mode, login):
    settings = SimpleNamespace(mode=mode)
    return SimpleNamespace(
        setup=lambda: SimpleNamespace(settings=settings), login=login,
        api=SimpleNamespace(api_key=None),
    )  # fmt: skip


@pytest.mark.parametrize(
    ('mode', 'given', 'known', 'refused'),
    [
        ('online', None, True, False),
        ('online', None, False, True),
        ('shared', None, False, True),
        ('offline', None, False, False),
        ('disabled', None, False, False),
        ('online', 'offline', False, False),
        ('offline', 'online', False, True),
    ],
)
def test_only_an_online_run_needs_a_login(mode, given, known, refused):
    def login(prompt, verify):
        assert not prompt
        return known

    if refused:
        with pytest.raises(InputError, match='nobody is logged in; run `wandb login`'):
            _require_login(wandb_of(mode, login), given)
    else:
        _require_login(wandb_of(mode, login), given)


def test_releases_that_know_no_prompt():
    def login(verify=True):
        raise AssertionError('would ask')

    wandb = wandb_of('online', login)
    with pytest.raises(InputError, match='nobody is logged in'):
        _require_login(wandb, None)
    wandb.api.api_key = 'key'
    _require_login(wandb, None)


def test_without_the_package(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(InputError, match=r"package wandb; pip install 'mmdefect\[tracking\]'"):
        WandbVisBackend(str(tmp_path)).add_config(Config())
