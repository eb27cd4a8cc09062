from __future__ import annotations

import sys
import warnings
from pathlib import Path

import pytest
from mmengine.config import Config

from mmdefect.compat.checkpoints import load
from mmdefect.compat.embedded_config import drop_code, is_plain_data

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'

PLAIN = [
    '',
    "model = dict(type='RetinaNet', depth=18, scale=-1.5, norm=None, on=True)",
    "a = [1, (2, 3), {'b': 4}, {5}]",
    "train_pipeline = [dict(type='mmdefect.LoadImage'), dict(type='mmdet.Resize')]",
    "default_scope = 'mmdet'",
    "custom_imports = dict(allow_failed_imports=False, imports=['mmdefect'])",
    "custom_imports = {'imports': ['mmdet.models', 'json'], 'allow_failed_imports': True}",
    "model = dict(type='mmdet.models.detectors.RetinaNet')",
    "model = dict(_scope_='mmpretrain', type='ResNet')",
    "norm = float('inf')",
    "dataset = dict(type='PascalVOC', ann='{x}.json')",
    'a = b = 3',
    "collate_fn = dict(type='pseudo_collate')",
    "collate_fn = dict(type='mmdefect.multi_view_collate')",
]
CODE = [
    'import os',
    'from os import system',
    "__import__('os').system('true')",
    "a = dict(b=open('x', 'w'))",
    'a = (lambda: 0)()',
    'a = [x for x in (1,)]',
    'a = os.environ',
    "a = f'{open}'",
    "a = 'a' 'b'.join(['c'])",
    'a = open',
    'model = dict(type=open, file=1)',
    'model = dict(type=dict)',
    'dict = 3',
    "_base_ = ['other.py']",
    "a = _base_ = ['other.py']",
    "_base_, a = ['other.py'], 1",
    '__builtins__ = dict(dict=1)',
    'a: int = 3',
    'def f(): pass',
    'class A: pass',
    'with read_base():\n    from .a import *',
    'a = 1; del a',
    'a = {**open}',
    'a = dict(**open)',
    'a = 3 if open else 4',
    'a = 1\n@exec\nclass B: pass',
    'a = (b := 3)',
    'a[0] = 1',
    'a.b = 1',
    'a += 1',
    'a = (',
    'a = "\x00"',
    '[' * 5000,
    # MMEngine rewrites templates in the text, comments included, before executing it.
    r'# {{$X:\nimport|B}}',
    "a = '{{ fileDirname }}'",
    "a = '{{ _base_.b }}'",
    # MMEngine imports these.
    "custom_imports = dict(imports=['module_of_the_sender'])",
    "custom_imports = dict(imports='module_of_the_sender')",
    "custom_imports = dict(**{'imports': ['module_of_the_sender']})",
    "custom_imports = {'imports': ('module_of_the_sender',)}",
    "a = custom_imports = dict(imports=['module_of_the_sender'])",
    "custom_imports = dict([('imports', ['module_of_the_sender'])])",
    "default_scope = 'module_of_the_sender'",
    "model = dict(_scope_='module_of_the_sender', type='A')",
    # MMEngine calls what a dotted type names.
    "model = dict(type='os.system', command='true')",
    "model = {'type': 'os.system', 'command': 'true'}",
    "model = dict([('type', 'os.system')])",
    "model = dict(**{'type': 'builtins.open'})",
    "model = dict(a=[dict(b=(dict(type='subprocess.Popen', args='true'),))])",
    "model = dict(type='mmengine.utils.call_command', cmd=['true'])",
    "model = dict(type='mmengine.runner.checkpoint.os.system', command='true')",
    "model = dict(type='.os.System')",
    "model = dict(t\u1d67pe='antigravity')".replace('\u1d67', 'y'),
    "model = dict(\uff54ype='os.system')",
]


@pytest.mark.parametrize('text', PLAIN)
def test_plain(text):
    assert is_plain_data(text)


@pytest.mark.parametrize('text', CODE)
def test_code(text):
    assert not is_plain_data(text)


@pytest.mark.parametrize('path', sorted(CONFIGS.glob('[!_]*/*.py')), ids=lambda path: path.stem)
def test_our_configs_survive(path, monkeypatch):
    # MMEngine formats with yapf, which takes seconds and changes white space only.
    monkeypatch.setattr('yapf.yapflib.yapf_api.FormatCode', lambda text, **_: (text, True))
    text = Config.fromfile(path).pretty_text
    assert is_plain_data(text)
    assert Config.fromstring(text, '.py').to_dict() == Config.fromfile(path).to_dict()


def test_formatted_config_survives():
    path = sorted(CONFIGS.glob('retinanet/*.py'))[0]
    assert is_plain_data(Config.fromfile(path).pretty_text)


def test_a_module_beside_the_script_is_not_imported(tmp_path, monkeypatch):
    """A type without dots may name a module: MMEngine would import it."""
    (tmp_path / 'module_of_the_sender.py').write_text('raise SystemExit("ran")')
    text = "model = dict(type='module_of_the_sender')"
    assert is_plain_data(text)
    monkeypatch.syspath_prepend(tmp_path)
    assert not is_plain_data(text)
    assert 'module_of_the_sender' not in sys.modules


def test_drop_code_in_all_three_places():
    for bad in ('import os', "model = dict(type='os.system')", 7, None, ['a']):
        checkpoint = {
            'meta': {'config': bad, 'cfg': bad, 'epoch': 3},
            'message_hub': {'runtime_info': {'cfg': bad, 'epoch': 3}},
        }
        with pytest.warns(UserWarning, match=r'a\.pth: its config text .* dropped'):
            drop_code(checkpoint, 'a.pth')
        assert checkpoint == {
            'meta': {'epoch': 3},
            'message_hub': {'runtime_info': {'epoch': 3}},
        }


@pytest.mark.parametrize(
    'checkpoint',
    [None, 3, [], {}, {'meta': None}, {'meta': 3, 'message_hub': 4}, {'message_hub': {}},
     {'meta': {'config': 'a = 1'}, 'message_hub': {'runtime_info': {'cfg': 'a = dict(b=2)'}}}],
)  # fmt: skip
def test_drop_code_leaves_the_rest(checkpoint):
    before = repr(checkpoint)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        drop_code(checkpoint, 'a.pth')
    assert repr(checkpoint) == before


def test_a_checkpoint_of_the_runner_keeps_its_config(tiny_trained):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        content = load(tiny_trained.checkpoint)
    hub = content['message_hub']
    assert 'RetinaNet' in hub['runtime_info']['cfg']
    assert all(len(buffer.data[0]) for buffer in hub['log_scalars'].values())
    assert content['meta']['epoch'] == 1
    assert set(content) >= {'state_dict', 'optimizer', 'param_schedulers'}


def test_the_inferencer_does_not_build_what_a_checkpoint_names(tiny_trained, tmp_path):
    """Without a config of its own it builds the model from the text in the checkpoint."""
    import torch
    from mmengine.runner import checkpoint as upstream

    mark = tmp_path / 'ran'
    content = load(tiny_trained.checkpoint)
    content['message_hub']['runtime_info']['cfg'] = (
        f"default_scope = 'mmdet'\nmodel = dict(type='io.open', file={str(mark)!r}, mode='w')\n"
    )
    torch.save(content, tmp_path / 'a.pth')
    with pytest.warns(UserWarning, match='was dropped'):
        loaded = upstream.CheckpointLoader.load_checkpoint(str(tmp_path / 'a.pth'), 'cpu')
    assert 'cfg' not in loaded['message_hub']['runtime_info']
    assert not mark.exists()
