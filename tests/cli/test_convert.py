from __future__ import annotations

import inspect
import json
import re

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from mmdefect.cli.convert import convert
from mmdefect.datasets.readers import FORMATS, COCOReader, reader_class
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
    assert '2 images, 1 of them without a box, 1 box, classes rust' in result.output
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
        (('coco', '--min-area', '3'), '--min-area does not go with the format coco'),
        (('coco', '--unlabelled', 'good'), '--unlabelled does not go with the format coco'),
        (('folder', '--image-root', 'x'), '--image-root does not go with the format folder'),
        (('deeppcb', '--class-name', 'x'), '--class-name does not go with the format deeppcb'),
        (('voc', '--list', 'x'), 'x: list file is missing'),
        (('mask', '--classes', '1=a,b'), "--classes: 'b' must be a mask value"),
        (('mask', '--classes', '1=a,1=b'), "--classes: '1' must be a mask value that stands once"),
        (('mask', '--classes', '1=a,2='), "--classes: '2' must be a mask value"),
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


def test_the_source_is_not_replaced(tmp_path, write_coco):
    write_coco(tmp_path)
    source = tmp_path / 'train.json'
    before = source.read_bytes()
    with pytest.raises(InputError, match='is what is to be converted'):
        run('coco', source, source)
    assert source.read_bytes() == before


def test_unwritable_target(voc, tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(InputError, match='cannot be written'):
        run('voc', voc, tmp_path / 'file' / 'a.json')


def test_unknown_format(voc, tmp_path):
    with pytest.raises(InputError, match="unknown annotation format 'yol'; did you mean 'yolo'"):
        run('yol', voc, tmp_path / 'a.json')


def test_help_names_the_formats():
    output = re.sub(r'[\s│]+', ' ', run('--help').output)
    assert f'One of {", ".join(FORMATS)}.' in output


# What the readers call an option, where the command calls it otherwise.
KEYS = {
    'zero_based': ('one_based',),
    'keep_difficult': ('difficult',),
    'of_several': ('annotation',),
}


def options_of_some_formats():
    for name, parameter in inspect.signature(convert, eval_str=True).parameters.items():
        option = parameter.annotation.__metadata__[0]
        if option.rich_help_panel:
            yield name, option.help


@pytest.mark.parametrize(('name', 'help_text'), options_of_some_formats())
def test_help_of_an_option_names_the_formats_that_take_it(name, help_text):
    takers = [
        source_format
        for source_format in FORMATS
        if any(
            key in inspect.signature(reader_class(source_format)).parameters
            for key in KEYS.get(name, (name,))
        )
    ]
    assert help_text.partition(':')[0] == ', '.join(takers)


def test_every_key_of_a_reader_is_an_option():
    options = set(inspect.signature(convert).parameters) | {'on_error', 'unknown'}
    options.update(key for keys in KEYS.values() for key in keys)
    for source_format in FORMATS:
        _, *keys = inspect.signature(reader_class(source_format)).parameters
        assert set(keys) <= options, source_format


@pytest.fixture
def sources(tmp_path, voc):
    """A source of each format whose reader is of this half: name -> source."""
    yolo, mask, pcb = (tmp_path / name for name in ('yolo', 'mask', 'pcb'))
    for folder in (yolo, mask, pcb):
        folder.mkdir()
    Image.new('L', (40, 20)).save(yolo / 'a.png')
    (yolo / 'a.txt').write_text('1 0.5 0.5 0.5 0.5')
    Image.new('L', (40, 20)).save(mask / 'a.png')
    pixels = np.zeros((20, 40), np.uint8)
    pixels[5:15, 10:30] = 100
    Image.fromarray(pixels).save(mask / 'a_mask.png')
    for kind in ('test', 'temp'):
        Image.new('L', (40, 20)).save(pcb / f'7_{kind}.jpg')
    (pcb / '7.txt').write_text('10 5 30 15 2')
    return {'voc': voc, 'yolo': yolo, 'mask': mask, 'deeppcb': pcb, 'folder': voc}


@pytest.mark.parametrize(
    ('source_format', 'options', 'names'),
    [
        ('yolo', ('--classes', 'rust,chip'), ['rust', 'chip']),
        ('mask', ('--classes', '50=rust, 100=chip'), ['rust', 'chip']),
        ('mask', ('--classes', '100=chip', '--min-area', '201'), ['chip']),
        ('deeppcb', (), ['open', 'short', 'mousebite', 'spur', 'copper', 'pin-hole']),
        ('folder', (), []),
    ],
)
def test_other_formats_to_coco(sources, tmp_path, source_format, options, names):
    out = tmp_path / 'out.json'
    result = run(source_format, sources[source_format], out, *options)
    content = json.loads(out.read_text())
    assert [category['name'] for category in content['categories']] == names
    boxes = [entry['bbox'] for entry in content['annotations']]
    assert boxes == ([] if '--min-area' in options or not names else [[10, 5, 20, 10]])
    if boxes:
        assert names[content['annotations'][0]['category_id'] - 1] == (
            'short' if source_format == 'deeppcb' else 'chip'
        )
    assert all((tmp_path / image['file_name']).is_file() for image in content['images'])
    assert ('no classes' in result.output) == (source_format == 'folder')
    if source_format == 'deeppcb':
        assert content['images'][0]['template_path'] == '7_temp.jpg'


def test_unlabelled_images(voc, tmp_path):
    Image.new('L', (30, 20)).save(voc / 'images' / 'c.jpg')
    run('voc', voc, tmp_path / 'a.json', '--unlabelled', 'good')
    assert len(json.loads((tmp_path / 'a.json').read_text())['images']) == 3


@pytest.mark.parametrize(
    ('source_format', 'message'),
    [
        ('yolo', r'no class names; .*, or give --classes NAME,\.\.\.$'),
        ('mask', r'mask value 100; name them with --classes 100=NAME,\.\.\. \(--drop-bad leaves'),
        ('voc', r'1 image without XML file .*; set --unlabelled good if .*\(--drop-bad leaves'),
    ],
)
def test_cures_name_the_options(sources, tmp_path, source_format, message):
    Image.new('L', (30, 20)).save(sources['voc'] / 'images' / 'c.jpg')
    with pytest.raises(InputError, match=message):
        run(source_format, sources[source_format], tmp_path / 'a.json')


def test_zero_corners_are_noted_with_the_option(voc, tmp_path):
    box = BOX.format(name='rust', xmax=9).replace('<xmin>1', '<xmin>0')
    (voc / 'annotations' / 'b.xml').write_text(f'<annotation>{box}</annotation>')
    assert 'if LabelImg wrote them, set --zero-based' in run('voc', voc, tmp_path / 'a.json').output


def test_list_of_problems_is_cut(voc, tmp_path):
    bad = ''.join(BOX.format(name='rust', xmax=0) for _ in range(12))
    (voc / 'annotations' / 'b.xml').write_text(f'<annotation>{bad}</annotation>')
    result = run('voc', voc, tmp_path / 'a.json', '--drop-bad')
    assert 'dropped: 12' in result.output
    assert '... and 2 more' in result.output


def test_what_dropping_means(tmp_path):
    for stem in 'ab':
        Image.new('L', (40, 20)).save(tmp_path / f'{stem}.jpg')
    path = tmp_path / 'train.csv'
    path.write_text('ImageId,ClassId,EncodedPixels\na.jpg,1,1 9\nb.jpg,1,1 2 3\n')
    with pytest.raises(InputError, match=r'\(--drop-bad leaves the image out\)'):
        run('severstal', path, tmp_path / 'a.json', '--size', 40, 20)
    done = run('severstal', path, tmp_path / 'a.json', '--size', 40, 20, '--drop-bad')
    assert 'dropped: 1; images with something wrong are left out' in done.output
    path.write_text('ImageId,ClassId,EncodedPixels\n')
    with pytest.raises(InputError, match='or --image-root FOLDER if all images there are good'):
        run('severstal', path, tmp_path / 'a.json')
