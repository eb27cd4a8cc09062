"""The bar on a pseudo terminal, the lines elsewhere, and silence while the work is short."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from mmdefect.cli import progress as module
from mmdefect.cli.progress import progress, track

SCRIPT = """
import sys, time
from mmdefect.cli import progress
progress._QUIET_SECONDS, progress._REFRESH_SECONDS = {quiet}, 0.01

def work():
    for item in progress.track({items}, 'reading'):
        time.sleep(0.02)
        if item == 9:
            print('a note')
        if item == 12 and {fail}:
            raise ValueError('a.png: cannot be read')

try:
    work()
except ValueError as error:
    print(error, file=sys.stderr)
    sys.exit(2)
print('result')
"""
LINE = re.compile(r'(\d+)(/20)? images, (\d+\.\d) images/s, \d\d?:\d\d elapsed(, \d\d?:\d\d left)?')


@pytest.fixture
def on_terminal(tmp_path):
    """``on_terminal(quiet=, items=, fail=)`` -> standard output, drawn text, exit code."""
    pty = pytest.importorskip('pty', reason='pseudo terminals are POSIX only')

    def run(quiet=0.05, items='range(20)', fail=False, terminal='xterm'):
        script = tmp_path / 'script.py'
        script.write_text(SCRIPT.format(quiet=quiet, items=items, fail=fail))
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=theirs,
            env={**os.environ, 'TERM': terminal, 'COLUMNS': '80'},
        )  # fmt: skip
        os.close(theirs)
        drawn = b''
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:
                break
            if not part:
                break
            drawn += part
        result = process.stdout.read().decode()
        code = process.wait()
        os.close(ours)
        return result, drawn.decode(errors='replace'), code

    return run


def bars(drawn):
    text = re.sub(r'\x1b\[[0-9;?]*[A-Za-z]', '', drawn).replace('\r', '\n')
    return [line for line in text.splitlines() if line.startswith('reading')]


def test_bar_with_rate_and_time_left(on_terminal):
    result, drawn, code = on_terminal()
    # Standard output is a pipe here and holds what was printed for it, nothing else.
    assert (result, code) == ('a note\nresult\n', 0)
    found = [LINE.search(line) for line in bars(drawn)]
    counts = [int(match[1]) for match in found if match]
    assert len(set(counts)) > 5 and counts == sorted(counts) and counts[-1] > 16
    assert all(match[2] and match[4] for match in found if match)
    assert all(10 < float(match[3]) < 51 for match in found if match and int(match[1]) > 5)
    # Transient: the line is erased, and the cursor comes back.
    assert drawn.rstrip().endswith('\x1b[2K')
    assert drawn.rfind('\x1b[?25h') > drawn.rfind('\x1b[?25l') > -1


def test_unknown_total(on_terminal):
    _, drawn, _ = on_terminal(items='iter(range(20))')
    found = [match for match in map(LINE.search, bars(drawn)) if match]
    assert found and not any(match[2] or match[4] for match in found)


def test_error_stands_below_no_bar(on_terminal):
    result, drawn, code = on_terminal(fail=True)
    assert (result, code) == ('a note\n', 2)
    assert drawn.rindex('reading') < drawn.rindex('a.png: cannot be read')
    assert drawn.rfind('\x1b[?25h') > drawn.rfind('\x1b[?25l') > -1


@pytest.mark.parametrize('options', [{'quiet': 30}, {'terminal': 'dumb'}])
def test_nothing_is_drawn_on_short_work_or_a_dumb_terminal(on_terminal, options):
    assert on_terminal(**options) == ('a note\nresult\n', '', 0)


def test_lines_where_there_is_no_terminal(monkeypatch, capsys):
    monkeypatch.setattr(module, '_QUIET_SECONDS', 0.01)
    monkeypatch.setattr(module, '_LINE_SECONDS', 0.01)
    with progress('drawing', unit='parts') as update:
        update(3, 12)
        while (out := capsys.readouterr()).err == '':
            pass
    assert re.match(r'drawing: 3/12 parts, [\d.]+ parts/s, 0:00 elapsed, 0:00 left\n', out.err)
    assert out.out == ''


def test_the_description_may_change(monkeypatch, capsys):
    monkeypatch.setattr(module, '_QUIET_SECONDS', 0.01)
    monkeypatch.setattr(module, '_LINE_SECONDS', 0.01)
    with progress('checking') as update:
        update(0, description='checking, training')
        while 'training' not in (out := capsys.readouterr()).err:
            pass
    assert re.search(r'checking, training: 0:00 elapsed\n', out.err)


def test_short_work_is_silent_and_leaves_no_thread(capsys):
    import threading

    before = threading.active_count()
    assert list(track((number for number in range(3)), 'reading')) == [0, 1, 2]
    assert capsys.readouterr() == ('', '')
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ('seconds', 'text'),
    [(0.2, '0:00'), (59.6, '1:00'), (754, '12:34'), (3599, '59:59'), (3600, '1:00:00')],
)
def test_clock(seconds, text):
    assert module._clock(seconds) == text
