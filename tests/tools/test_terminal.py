"""What a training and a command draw on a terminal, and that a pipe gets none of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
XML = (
    '<annotation><filename>{0}.png</filename><object><name>rust</name><bndbox><xmin>1</xmin>'
    '<ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object></annotation>'
)
# The real command, with a bar that appears at once.
CONVERT = """
import sys
from mmdefect.cli import main, progress
progress._QUIET_SECONDS, progress._REFRESH_SECONDS = 0.0, 0.005
sys.argv[0] = 'mmdefect'
main()
"""


@pytest.fixture
def on_terminal():
    """``on_terminal(*arguments)``: a Python process on a pseudo terminal -> lines, exit code."""
    pty = pytest.importorskip('pty', reason='pseudo terminals are POSIX only')

    def run(*arguments):
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, *map(str, arguments)], stdout=theirs, stderr=theirs, cwd=ROOT,
            env={**os.environ, 'TERM': 'xterm', 'COLUMNS': '100', 'OMP_NUM_THREADS': '1'},
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
        os.close(ours)
        text = re.sub(r'\x1b\[[0-9;?]*[A-Za-z]', '', drawn.decode(errors='replace'))
        return [line for line in text.replace('\r', '\n').splitlines() if line], process.wait()

    return run


@pytest.mark.slow
def test_training(on_terminal, tmp_path, tiny_config):
    lines, code = on_terminal(
        'tools/train.py', tiny_config, '--work-dir', tmp_path, '--cfg-options',
        'train_cfg.max_epochs=12', 'train_cfg.val_interval=6', 'default_hooks.checkpoint=None',
    )  # fmt: skip
    assert code == 0, '\n'.join(lines[-20:])
    bar = re.compile(
        r'train .* (\d+)/48 \d+\.\d img/s \d:\d\d:\d\d elapsed, \d:\d\d:\d\d left epoch \d+/12'
    )
    counts = [int(match[1]) for match in map(bar.match, lines) if match]
    assert counts and counts[-1] == 48 and counts == sorted(counts)
    assert any(line.startswith('val ') and '4/4' in line for line in lines)
    (last,) = {line.strip() for line in lines if 'Epoch(train) [12][4/4]' in line}
    assert re.match(r'\d\d/\d\d \d\d:\d\d:\d\d - mmengine - INFO - Epoch', last)


def test_command(on_terminal, tmp_path, run_python):
    for folder in ('images', 'annotations'):
        (tmp_path / folder).mkdir()
    for index in range(200):
        (tmp_path / 'annotations' / f'{index}.xml').write_text(XML.format(index))
        Image.new('L', (16, 16)).save(tmp_path / 'images' / f'{index}.png')
    arguments = ('-c', CONVERT, 'convert', 'voc', tmp_path, tmp_path / 'a.json')
    lines, code = on_terminal(*arguments)
    assert code == 0, '\n'.join(lines)
    bars = [line for line in lines if line.startswith('reading')]
    assert any(re.search(r'\d+ images, \d+\.\d images/s, \d:\d\d elapsed', line) for line in bars)
    assert '200 images, 0 of them without a box, 200 boxes, classes rust' in lines[-1]

    piped = run_python(*arguments)
    assert (piped.returncode, piped.stderr) == (0, '')
    assert len(piped.stdout.splitlines()) == 1 and '200 images' in piped.stdout
