from __future__ import annotations

import pytest

from mmdefect.engine.config_file import parse_options, read_config
from mmdefect.errors import InputError


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (None, 'no such file'),
        ('model = (', 'not a readable config'),
        ("raise ValueError('x')", 'not a readable config'),
        ('model = dict()', "no key 'optim_wrapper'"),
        ('x = 1', "no key 'model'"),
    ],
)
def test_bad_files(tmp_path, content, message):
    path = tmp_path / 'c.py'
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=message):
        read_config(path)


def test_options_apply_and_the_file_stays(tiny_config):
    before = tiny_config.read_bytes()
    config = read_config(tiny_config, parse_options(['model.bbox_head.loss_cls.gamma=1.5']))
    assert config.model.bbox_head.loss_cls.gamma == 1.5
    assert tiny_config.read_bytes() == before
    with pytest.raises(InputError, match='nothing reads'):
        read_config(tiny_config, {'modell.x': 1})


@pytest.mark.parametrize('word', ['a', '=1', '-x=1', '--a=1', 'a=[1,2', ''])
def test_words_that_are_no_options(word):
    with pytest.raises(InputError, match='--cfg-options'):
        parse_options([word])


def test_values_as_upstream_reads_them():
    words = ['a.b=-2', 'c=[1,2]', 'd=None', 'e=a=b', 'f=(1,2.5)', 'g=True', 'h=x.pth']
    assert parse_options(words) == {
        'a.b': -2, 'c': [1, 2], 'd': None, 'e': 'a=b', 'f': (1, 2.5), 'g': True, 'h': 'x.pth',
    }  # fmt: skip
