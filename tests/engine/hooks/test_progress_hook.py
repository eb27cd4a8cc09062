"""The bar on a pseudo terminal, and its absence elsewhere."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys

import pytest
from rich.progress import Progress

SCRIPT = """
import sys, time
from types import SimpleNamespace
from mmengine.logging import MMLogger
import torch
from mmdefect.engine.hooks import ProgressHook

logger = MMLogger.get_instance('test')
runner = SimpleNamespace(
    train_loop=SimpleNamespace(max_iters=6), val_dataloader=[0] * 2, test_dataloader=[0] * 2,
    iter=2, epoch=0, max_epochs=3)
hook = ProgressHook()
hook.before_train(runner)
for index in range(2, 6):
    hook.after_train_iter(
        runner, index, {'inputs': [0] * 4}, {'loss': torch.tensor(0.25 * index)})
    logger.info(f'line {index} of the log')
    time.sleep(0.15)
    if 'fail' in sys.argv and index == 4:
        print('mmdefect: a.png: cannot be read', file=sys.stderr)
        sys.exit(2)
    if index == 3:
        hook.before_val_epoch(runner)
        for step in range(2):
            hook.after_val_iter(runner, step, {'inputs': [0]})
        hook.after_val_epoch(runner)
hook.after_train(runner)
logger.info('after the bar')
"""


@pytest.fixture
def on_terminal(tmp_path):
    pty = pytest.importorskip('pty', reason='pseudo terminals are POSIX only')
    script = tmp_path / 'script.py'
    script.write_text(SCRIPT)

    def run(*arguments):
        ours, theirs = pty.openpty()
        environment = {**os.environ, 'TERM': 'xterm', 'COLUMNS': '120', 'OMP_NUM_THREADS': '1'}
        process = subprocess.Popen(
            [sys.executable, str(script), *arguments],
            stdout=theirs, stderr=subprocess.PIPE, env=environment,
        )  # fmt: skip
        os.close(theirs)
        output = b''
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:
                break
            if not part:
                break
            output += part
        error = process.stderr.read().decode()
        code = process.wait()
        os.close(ours)
        return output.decode(errors='replace'), error, code

    return run


def visible(output):
    return re.sub(r'\x1b\[[0-9;?]*[A-Za-z]', '', output).replace('\r', '\n')


def test_bar_and_readable_log_lines_on_a_terminal(on_terminal):
    output, error, code = on_terminal()
    assert (code, error) == (0, '')
    lines = visible(output).splitlines()
    for index in range(2, 6):
        (line,) = {text.strip() for text in lines if f'line {index} of the log' in text}
        assert line.endswith(f'INFO - line {index} of the log')
    bars = [text for text in lines if text.startswith('train')]
    assert any('6/6' in text for text in bars)
    assert any('epoch 1/3' in text and 'loss 1.' in text for text in bars)
    # Resumed at iteration 2.
    assert not any('0/6' in text or '1/6' in text for text in bars)
    assert any('INFO - after the bar' in text for text in lines)
    # The cursor, hidden while the bar moves, is back.
    assert output.rfind('\x1b[?25h') > output.rfind('\x1b[?25l') > -1


def test_error_reaches_standard_error_and_the_cursor_comes_back(on_terminal):
    output, error, code = on_terminal('fail')
    assert (code, error) == (2, 'mmdefect: a.png: cannot be read\n')
    assert output.rfind('\x1b[?25h') > output.rfind('\x1b[?25l') > -1


def test_nothing_is_drawn_without_a_terminal(tmp_path, run_python):
    script = tmp_path / 'script.py'
    script.write_text(SCRIPT)
    done = run_python(script)
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and done.stderr == ''
    assert len(lines) == 5 and all(' - INFO - ' in line for line in lines)


def test_progress_ends_with_a_failing_run(monkeypatch):
    from mmdefect.engine.hooks import ProgressHook

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, 'stdout', Terminal())
    hook = ProgressHook()
    hook._start('train', 3)
    assert hook._progress is not None
    hook.close()
    hook.close()
    assert hook._progress is None and hook._tasks == {}


def test_rate_without_and_time_left_with_validations(monkeypatch):
    from mmdefect.engine.hooks import ProgressHook, progress_hook

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    now = [0.0]
    monkeypatch.setattr(sys, 'stdout', Terminal())
    monkeypatch.setattr(
        progress_hook, 'Progress', lambda *columns, **options: Progress(
            *columns, **options, get_time=lambda: now[0]
        )
    )  # fmt: skip
    hook = ProgressHook()
    # Resumed at iteration 10 of 30; two seconds for an iteration of four images.
    hook._start('train', 30, done=10)
    for _ in range(5):
        now[0] += 2.0
        hook._advance('train', {'inputs': [0] * 4})
    hook._start('val', 4)
    for _ in range(4):
        now[0] += 2.5
        hook._advance('val', {'inputs': [0]})
    (train, val) = hook._progress.tasks
    assert (val.fields['rate'], val.fields['left']) == ('0.4 img/s', '0:00:00')
    hook._finish('val')
    now[0] += 2.0
    hook._advance('train', {'inputs': [0] * 4})
    # 24 images in 12 s; 22 s for 6 iterations, 14 to go.
    assert (train.fields['rate'], train.fields['left']) == ('2.0 img/s', '0:00:51')
    assert train.completed == 16
    hook.close()
