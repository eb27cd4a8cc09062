from __future__ import annotations

import json
import os
import stat
import sys

import pytest

from mmdefect import fileio
from mmdefect.errors import InputError
from mmdefect.fileio import write_bytes, write_json, write_text


def test_writes_and_replaces(tmp_path):
    target = tmp_path / 'a' / 'b' / 'c.bin'
    write_bytes(target, b'one')
    write_bytes(str(target), b'')
    assert target.read_bytes() == b''
    write_text(target, 'Bohrer \u00e9\n')
    assert target.read_bytes() == 'Bohrer \u00e9\n'.encode()
    write_json(target, {'b': 1, 'a': [None, 0.5, '\u00e9']})
    assert target.read_text(encoding='utf-8') == '{"b": 1, "a": [null, 0.5, "\u00e9"]}'
    write_json(target, [1], indent=2)
    assert json.loads(target.read_text()) == [1]
    assert [path.name for path in target.parent.iterdir()] == ['c.bin']


@pytest.mark.skipif(sys.platform == 'win32', reason='POSIX file modes')
def test_mode_is_that_of_an_ordinary_file(tmp_path):
    (tmp_path / 'plain').touch()
    write_text(tmp_path / 'ours', '')
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ('plain', 'ours')]
    assert modes[0] == modes[1]


@pytest.mark.parametrize('value', [float('nan'), float('inf'), {'a': [float('-inf')]}])
def test_nan_is_refused(tmp_path, value):
    target = tmp_path / 'a.json'
    write_json(target, {'old': True})
    with pytest.raises(ValueError, match='JSON'):
        write_json(target, value)
    assert json.loads(target.read_text()) == {'old': True}


def test_unwritable_paths(tmp_path):
    (tmp_path / 'file').write_text('x')
    (tmp_path / 'folder' / 'full').mkdir(parents=True)
    for target in (tmp_path / 'file' / 'a.txt', tmp_path / 'folder', tmp_path / ('n' * 300)):
        with pytest.raises(InputError, match='cannot be written .*choose a writable path'):
            write_text(target, 'new')
    assert sorted(path.name for path in tmp_path.iterdir()) == ['file', 'folder']
    assert (tmp_path / 'file').read_text() == 'x'


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    target = tmp_path / 'a.txt'
    write_text(target, 'old')

    def fail(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(fileio.os, 'fsync', fail)
    with pytest.raises(InputError, match=r'a\.txt: cannot be written \(No space left on device\)'):
        write_text(target, 'new')
    assert target.read_text() == 'old'
    assert os.listdir(tmp_path) == ['a.txt']
