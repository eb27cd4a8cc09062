from __future__ import annotations

import json
import os

import pytest
import typer
from typer.testing import CliRunner

from mmdefect.cli.split import split
from mmdefect.errors import InputError

APP = typer.Typer(pretty_exceptions_enable=False)
APP.command()(split)


def run(*arguments):
    result = CliRunner().invoke(APP, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def coco(tmp_path):
    content = {
        'images': [{'id': i, 'file_name': f'p{i // 2}_{i}.png'} for i in range(20)],
        'annotations': [{'image_id': i, 'category_id': 0, 'bbox': [0, 0, 1, 1]} for i in range(10)],
        'categories': [{'id': 0, 'name': 'rust'}],
    }
    path = tmp_path / 'all.json'
    path.write_text(json.dumps(content))
    return path


def test_files_and_table(coco, tmp_path):
    result = run(coco, tmp_path / 'out', '--ratios', 'train=.8,val=.2')
    sizes = {}
    for name in ('train', 'val'):
        content = json.loads((tmp_path / 'out' / f'{name}.json').read_text())
        sizes[name] = (len(content['images']), len(content['annotations']))
    assert sizes == {'train': (16, 8), 'val': (4, 2)}
    assert '16 (80.0%)' in result.output
    assert 'boxes rust' in result.output


def test_by_pattern_and_seed(coco, tmp_path):
    ratios = ('--ratios', 'labeled=.1,unlabeled=.9', '--group-pattern', r'p(\d+)_', '--seed', '3')
    run(coco, tmp_path / 'a', *ratios)
    run(coco, tmp_path / 'b', *ratios)
    first, second = ((tmp_path / folder / 'labeled.json').read_text() for folder in 'ab')
    assert first == second
    assert len({i['file_name'].split('_')[0] for i in json.loads(first)['images']}) == 1


def test_images_are_still_found(coco, tmp_path):
    for i in range(20):
        (tmp_path / f'p{i // 2}_{i}.png').touch()
    run(coco, tmp_path / 'out', '--ratios', 'a=.5,b=.5')
    names = [
        i['file_name'] for i in json.loads((tmp_path / 'out' / 'a.json').read_text())['images']
    ]
    assert all((tmp_path / 'out' / name).is_file() for name in names)


@pytest.mark.parametrize(
    ('ratios', 'message'),
    [
        ('train', 'must be NAME=SHARE'),
        ('train=x,val=.2', 'must be NAME=SHARE'),
        ('a=.5,a=.5', "split 'a' stands twice"),
        ('a=.5,b=.6', 'must sum to 1'),
        ('all=.5,b=.5', 'would overwrite the file it comes from'),
    ],
)
def test_bad_ratios_write_nothing(coco, tmp_path, ratios, message):
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match=message):
        run(coco, tmp_path, '--ratios', ratios)
    assert sorted(tmp_path.iterdir()) == before


def test_missing_file_and_unwritable_folder(coco, tmp_path):
    with pytest.raises(InputError, match='annotation file is missing'):
        run(tmp_path / 'none.json', tmp_path, '--ratios', 'a=.5,b=.5')
    with pytest.raises(InputError, match='cannot be written'):
        run(coco, coco / 'out', '--ratios', 'a=.5,b=.5')


def read_only(path):
    path.write_text('kept')
    path.chmod(0o444)
    if os.access(path, os.W_OK):
        pytest.skip('this user may write read-only files')


@pytest.mark.parametrize(
    ('second', 'block', 'reason'),
    [
        ('b', lambda path: path.mkdir(), 'is a folder'),
        ('b', read_only, 'is read-only'),
        ('b' * 300, lambda path: None, 'too long|cannot be written'),
    ],
    ids=['folder', 'read-only', 'long name'],
)
def test_an_unwritable_second_file_leaves_no_first(coco, tmp_path, second, block, reason):
    out = tmp_path / 'out'
    out.mkdir()
    block(out / f'{second}.json')
    before = sorted(out.iterdir())
    with pytest.raises(InputError, match=f'cannot be written .*({reason})') as caught:
        run(coco, out, '--ratios', f'a=.5,{second}=.5')
    assert '\n' not in str(caught.value)
    assert sorted(out.iterdir()) == before
