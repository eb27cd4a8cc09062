"""``mmdefect browse``, as typed."""

from __future__ import annotations

import cv2
import pytest
from typer.testing import CliRunner

from mmdefect.cli import app
from mmdefect.errors import InputError


def run(*arguments):
    done = CliRunner().invoke(app, ['browse', *map(str, arguments)])
    if isinstance(done.exception, InputError):
        raise done.exception
    return done


def test_writes_into_the_work_dir_and_says_so(tiny_config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = run(tiny_config, '--images', 3, '--split', 'val')
    assert done.exit_code == 0, done.output
    path = tmp_path / 'work_dirs' / tiny_config.stem / 'browse_val.jpg'
    assert done.output.startswith(f'{path.relative_to(tmp_path)}: 3 images')
    assert done.output.count('\n') == 1
    assert cv2.imread(str(path)).shape[1] == 3 * 326 + 6


def test_options_and_out(tiny_config, tmp_path):
    out = tmp_path / 'a' / 'sheet.png'
    size = 'train_dataloader.dataset.pipeline.2.scale=(32,32)'
    flip = 'train_dataloader.dataset.pipeline.3.prob=1.'
    done = run(tiny_config, '--out', out, '--images', 2, '--cfg-options', size, flip)
    assert 'inputs 32 x 32' in done.output and out.is_file()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--out', 'a.gif'], 'must end in .jpg or .jpeg or .png'),
        (['a=1'], 'a=1: write --cfg-options before it'),
        (['--cfg-options', 'modell.a=1'], 'nothing reads'),
        (
            ['--cfg-options', "train_dataloader.dataset.pipeline.2.type='Resiz'"],
            r"Resiz is not in the .* did you mean 'Resize'",
        ),
        (
            ['--cfg-options', 'train_dataloader.dataset.reader.ann_file=none.json'],
            'none.json: annotation file is missing',
        ),
    ],
)
def test_bad_input_is_one_line(tiny_config, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        run(tiny_config, *arguments)
    assert not list(tmp_path.iterdir())
