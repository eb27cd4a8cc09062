from __future__ import annotations

import json

import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from mmdefect.cli.convert import convert
from mmdefect.datasets.readers import COCOReader
from mmdefect.errors import InputError

APP = typer.Typer(pretty_exceptions_enable=False)
APP.command()(convert)
BOX = (
    '<object><name>{name}</name><difficult>1</difficult><bndbox><xmin>1</xmin><ymin>1</ymin>'
    '<xmax>{xmax}</xmax><ymax>20</ymax></bndbox></object>'
)


def run(*arguments):
    result = CliRunner().invoke(APP, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def voc(tmp_path):
    root = tmp_path / 'voc'
    for stem, objects in (('a', BOX.format(name='rust', xmax=30)), ('b', '')):
        for folder in ('images', 'annotations'):
            (root / folder).mkdir(parents=True, exist_ok=True)
        Image.new('L', (30, 20)).save(root / 'images' / f'{stem}.jpg')
        (root / 'annotations' / f'{stem}.xml').write_text(
            f'<annotation><filename>{stem}</filename>{objects}</annotation>'
        )
    return root


def test_voc_to_coco(voc, tmp_path):
    out = tmp_path / 'out' / 'all.json'
    result = run('voc', voc, out)
    assert '2 images, 1 boxes, classes rust' in result.output
    content = json.loads(out.read_text())
    assert content['images'][0] == {
        'id': 1,
        'file_name': '../voc/images/a.jpg',
        'width': 30,
        'height': 20,
    }
    assert content['annotations'] == [
        {
            'id': 1,
            'image_id': 1,
            'category_id': 1,
            'bbox': [0, 0, 30, 20],
            'area': 600,
            'iscrowd': 1,
        }
    ]
    assert [record.path.is_file() for record in COCOReader(out)] == [True, True]


def test_voc_options(voc, tmp_path):
    out = tmp_path / 'a.json'
    (voc / 'list.txt').write_text('a\n')
    run(
        'voc', voc, out, '--list', 'list.txt', '--zero-based', '--keep-difficult',
        '--classes', 'chip, rust',
    )  # fmt: skip
    content = json.loads(out.read_text())
    assert len(content['images']) == 1
    assert content['annotations'][0]['bbox'] == [1, 1, 29, 19]
    assert content['annotations'][0]['iscrowd'] == 0
    assert [category['name'] for category in content['categories']] == ['chip', 'rust']


def test_coco_to_coco_renumbers_and_keeps_class_order(tmp_path):
    source = {
        'images': [{'id': 0, 'file_name': 'a.png', 'width': 9, 'height': 9, 'part_id': 'p'}],
        'annotations': [{'id': 0, 'image_id': 0, 'category_id': 0, 'bbox': [1, 1, 2, 2]}],
        'categories': [{'id': 5, 'name': 'z'}, {'id': 0, 'name': 'a'}],
    }
    (tmp_path / 'in.json').write_text(json.dumps(source))
    run('coco', tmp_path / 'in.json', tmp_path / 'out.json', '--image-root', tmp_path / 'images')
    content = json.loads((tmp_path / 'out.json').read_text())
    assert content['categories'] == [{'id': 1, 'name': 'z'}, {'id': 2, 'name': 'a'}]
    assert content['annotations'][0]['category_id'] == 2
    assert content['images'][0]['file_name'] == 'images/a.png'
    assert content['images'][0]['part_id'] == 'p'


def test_bad_boxes_raise_or_are_dropped(voc, tmp_path):
    (voc / 'annotations' / 'b.xml').write_text(
        f'<annotation>{BOX.format(name="rust", xmax=0)}</annotation>'
    )
    out = tmp_path / 'a.json'
    with pytest.raises(InputError, match=r'b\.xml, annotation 1: box has width 0'):
        run('voc', voc, out)
    assert not out.exists()
    result = run('voc', voc, out, '--drop-bad')
    assert 'dropped: 1' in result.output
    assert len(json.loads(out.read_text())['annotations']) == 1


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('coco', '--zero-based'), '--zero-based does not go with the format coco'),
        (('coco', '--list', 'x'), '--list does not go with the format coco'),
        (('voc', '--image-root', 'x'), '--image-root does not go with the format voc'),
        (('voc', '--classes', 'a,,b'), "--classes: ''"),
        (('voc', '--classes', 'a,a'), "--classes: 'a'"),
        (('voc', '--classes', 'rusts'), "class 'rust' is not among rusts"),
        (('coco',), 'no JSON file in this folder'),
    ],
)
def test_bad_options(voc, tmp_path, arguments, message):
    name, *options = arguments
    with pytest.raises(InputError, match=message):
        run(name, voc, tmp_path / 'a.json', *options)
    assert not (tmp_path / 'a.json').exists()


def test_unwritable_target(voc, tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(InputError, match='cannot be written'):
        run('voc', voc, tmp_path / 'file' / 'a.json')


def test_unknown_format_exits_2(voc, tmp_path):
    assert run('yolo', voc, tmp_path / 'a.json').exit_code == 2


def test_help_names_the_formats():
    output = run('--help').output
    assert 'voc: a folder' in output
    assert 'coco: a JSON file' in output
