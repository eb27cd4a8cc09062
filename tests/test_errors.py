from __future__ import annotations

import pytest

from mmdefect.errors import InputError, nearest_name, one_line, reject_unknown_keys


def test_input_error_is_a_value_error():
    assert issubclass(InputError, ValueError)


@pytest.mark.parametrize(
    ('text', 'line'),
    [
        ('Ölfleck 3 µm', 'Ölfleck 3 µm'),
        ('a\r\nb\tc\x00', 'a\\r\\nb\\tc\\x00'),
        ('a\x85b\u2028c', 'a\\x85b\\u2028c'),
        ('a\ud800', 'a\\ud800'),
        ('\u202egnp.a', '\\u202egnp.a'),
        ('\x1b[31mred', '\\x1b[31mred'),
    ],
)
def test_messages_are_one_printable_line(text, line):
    assert one_line(text) == str(InputError(text)) == line


def test_long_messages_keep_both_ends():
    text = str(InputError('where: ' + 'x' * 10_000_000 + '; cure'))
    assert len(text) <= 2000
    assert text.startswith('where: x') and text.endswith('x; cure')


@pytest.mark.parametrize(
    ('name', 'known', 'nearest'),
    [
        ('gama', ['alpha', 'gamma'], 'gamma'),
        ('gamma', ['gamma'], 'gamma'),
        ('xyz', ['alpha', 'gamma'], None),
        ('a', [], None),
        ('', ['alpha'], None),
    ],
)
def test_nearest_name(name, known, nearest):
    assert nearest_name(name, known) == nearest


def test_reject_unknown_keys():
    reject_unknown_keys('Metric', [], ['a'])
    reject_unknown_keys('Metric', ['a', 'b'], iter(['b', 'a']))
    with pytest.raises(InputError, match=r"^Metric: unknown key 'max_det'; did you mean 'max_d"):
        reject_unknown_keys('Metric', ['classes', 'max_det'], ['max_dets', 'classes'])
    with pytest.raises(InputError, match=r"unknown key 'zzz'; known keys: classes, max_dets$"):
        reject_unknown_keys('Metric', {'zzz': 1}, {'max_dets', 'classes'})


def test_command_line_prints_one_line_and_exits_2(monkeypatch, capsys):
    from mmdefect import cli

    def fail():
        raise InputError('train.json: no key "images"; give a COCO file')

    monkeypatch.setattr(cli, 'app', fail)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    captured = capsys.readouterr()
    assert captured.err == 'mmdefect: train.json: no key "images"; give a COCO file\n'
    assert captured.out == ''
