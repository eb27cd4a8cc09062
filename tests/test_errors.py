from __future__ import annotations

import pytest
import typer

from mmdefect.errors import (
    InputError,
    constructor_keys,
    nearest_name,
    one_line,
    reject_unknown_keys,
    strict_keys,
)


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
    with pytest.raises(InputError, match=r"^Hook: unknown key 'interval'; it takes none$"):
        reject_unknown_keys('Hook', ['interval'], ())


class Base:
    def __init__(self, channels, stride=1):
        self.channels, self.stride = channels, stride


@strict_keys
class Head(Base):
    def __init__(self, gamma, *, alpha=0.25, **options):
        super().__init__(**options)
        self.gamma, self.alpha = gamma, alpha


def test_constructor_keys_reach_as_far_as_they_are_handed_on():
    assert constructor_keys(Base) == ('channels', 'stride')
    assert constructor_keys(Head) == ('gamma', 'alpha', 'channels', 'stride')


def test_strict_keys():
    head = Head(2.0, channels=8, alpha=0.5)
    assert vars(head) == {'channels': 8, 'stride': 1, 'gamma': 2.0, 'alpha': 0.5}
    for name, right in (('gama', 'gamma'), ('strid', 'stride'), ('chanels', 'channels')):
        with pytest.raises(InputError, match=f"^Head: unknown key '{name}'; did you mean '{right}"):
            Head(**{'gamma': 1, 'channels': 3, name: 2})
    # What is written is named, not what it should have been.
    with pytest.raises(InputError, match="unknown key 'gama'"):
        Head(gama=2, channels=8)
    with pytest.raises(InputError, match="^Head: key 'gamma' is missing; give it$"):
        Head(channels=8)


def test_strict_keys_of_a_class_and_its_heir():
    @strict_keys
    class Heir(Head):
        def __init__(self, depth, **options):
            super().__init__(**options)
            self.depth = depth

    assert Heir(3, gamma=1, channels=2).depth == 3
    with pytest.raises(InputError, match="^Heir: unknown key 'strde'; did you mean 'stride'"):
        Heir(3, gamma=1, channels=2, strde=4)


def test_command_line_prints_one_line_and_exits_2(monkeypatch, capsys):
    from mmdefect import cli

    def fail():
        raise InputError('train.json: no key "images"; give a COCO file')

    app = typer.Typer()
    app.command()(fail)
    monkeypatch.setattr(cli, 'app', app)
    monkeypatch.setattr('sys.argv', ['mmdefect'])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    captured = capsys.readouterr()
    assert captured.err == 'mmdefect: train.json: no key "images"; give a COCO file\n'
    assert captured.out == ''
