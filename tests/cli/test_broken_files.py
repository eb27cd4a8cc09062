"""A damaged file of any format through ``mmdefect convert``: exit code 2 and one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mmdefect.cli import main

sys.path.append(str(Path(__file__).resolve().parents[2] / 'benchmarks'))

from reader_samples import make_samples  # noqa: E402

SAMPLES = make_samples()
# What of each sample is cut short; an empty text file is a good part.
DAMAGED = {
    'voc': 'annotations/a.xml', 'coco': 'train.json', 'coco folder': 'train.json',
    'yolo': 'labels/train/a.txt', 'yolo yaml': 'data.yaml', 'labelme': 'b.json',
    'labelme file': 'a.json', 'label-studio': 'export.json', 'cvat': 'annotations.xml',
    'cvat folder': 'annotations.xml', 'mask': 'masks/a.png', 'deeppcb': '1/1_test.jpg',
    'folder': 'sub/a.png', 'sku110k': 'annotations_train.csv',
    'sku110k folder': 'annotations_val.csv', 'severstal': 'train.csv',
    'severstal folder': 'val.csv',
}  # fmt: skip


@pytest.fixture
def convert(tmp_path, monkeypatch, capfd):
    """``convert(sample)`` -> exit code, standard error; nothing may be written."""

    def run(sample, *flags):
        out = tmp_path / 'out' / 'a.json'
        source = tmp_path / 'data' / sample.source
        size = [str(side) for side in sample.options.get('size', ())]
        flags = (*flags, '--size', *size) if size else flags
        arguments = ['mmdefect', 'convert', sample.source_format, str(source), str(out), *flags]
        monkeypatch.setattr(sys, 'argv', arguments)
        capfd.readouterr()
        with pytest.raises(SystemExit) as caught:
            main()
        captured = capfd.readouterr()
        assert out.exists() == (caught.value.code in (0, None))
        assert bool(captured.out) == out.exists()
        return caught.value.code, captured.err

    return run


@pytest.mark.parametrize('name', DAMAGED)
def test_exit_code_and_line(tmp_path, convert, name):
    sample = SAMPLES[name]
    sample.write(tmp_path / 'data')
    assert convert(sample)[0] in (0, None)
    (tmp_path / 'out' / 'a.json').unlink()
    path = tmp_path / 'data' / DAMAGED[name]
    path.write_bytes(path.read_bytes()[:7])
    code, error = convert(sample)
    assert code == 2
    (line,) = error.splitlines()
    assert line.startswith('mmdefect: ') and str(path) in line


def test_nothing_left_says_why(tmp_path, convert):
    sample = SAMPLES['label-studio']
    sample.write(tmp_path / 'data')
    for path in (tmp_path / 'data' / 'images').iterdir():
        path.unlink()
    code, error = convert(sample, '--drop-bad')
    assert code == 2
    (line,) = error.splitlines()
    assert 'export.json: no images; dropped 2: ' in line and 'no image files' in line


def test_as_a_process(tmp_path):
    SAMPLES['coco'].write(tmp_path)
    path = tmp_path / 'train.json'
    path.write_text('{"a": ' * 100_000)
    code = 'from mmdefect.cli import main; main()'
    done = subprocess.run(
        [sys.executable, '-c', code, 'convert', 'coco', path, tmp_path / 'out.json'],
        capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, '')
    reason = 'not a JSON file (nested too deep); give a COCO JSON file'
    assert done.stderr == f'mmdefect: {path}: {reason}\n'
