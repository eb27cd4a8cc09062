from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmdefect.datasets.readers import VOCReader
from mmdefect.errors import InputError

OBJECT = (
    '<object><name>{name}</name><difficult>{difficult}</difficult><bndbox><xmin>{xmin}</xmin>'
    '<ymin>{ymin}</ymin><xmax>{xmax}</xmax><ymax>{ymax}</ymax></bndbox></object>'
)
SIZE = '<size><width>30</width><height>20</height><depth>1</depth></size>'


def voc_object(name='rust', box=(1, 1, 30, 20), difficult=0):
    keys = dict(zip(('xmin', 'ymin', 'xmax', 'ymax'), box, strict=True))
    return OBJECT.format(name=name, difficult=difficult, **keys)


def add(root, stem, objects='', filename=None, size=SIZE, image=True):
    for path in (root / 'images' / stem, root / 'annotations' / stem):
        path.parent.mkdir(parents=True, exist_ok=True)
    if image:
        Image.new('L', (30, 20)).save(root / 'images' / f'{stem}.jpg')
    name = f'{stem}.jpg' if filename is None else filename
    (root / 'annotations' / f'{stem}.xml').write_text(
        f'<annotation><filename>{name}</filename>{size}{objects}</annotation>'
    )


def test_one_based_corners_cover_the_whole_image(tmp_path):
    add(tmp_path, 'a', voc_object())
    (record,) = VOCReader(tmp_path)
    assert record.boxes.tolist() == [[0, 0, 30, 20]]
    assert record.boxes.dtype == np.float32
    (record,) = VOCReader(tmp_path, one_based=False)
    assert record.boxes.tolist() == [[1, 1, 30, 20]]


def test_one_pixel_box(tmp_path):
    add(tmp_path, 'a', voc_object(box=(5, 6, 5, 6)))
    (record,) = VOCReader(tmp_path)
    assert record.boxes.tolist() == [[4, 5, 5, 6]]


def test_sorted_with_classes_difficult_and_good_images(tmp_path):
    add(tmp_path, 'b', voc_object('scratch') + voc_object('rust', difficult=1))
    add(tmp_path, 'a')
    reader = VOCReader(tmp_path)
    assert reader.classes == ('rust', 'scratch')
    good, bad = reader
    assert (good.image_id, len(good)) == ('a', 0)
    assert bad.labels == ('scratch', 'rust')
    assert bad.ignored.tolist() == [False, True]
    assert [r.ignored.any() for r in VOCReader(tmp_path, difficult='keep')] == [False, False]


@pytest.mark.parametrize('filename', ['a', 'a.jpg', 'renamed.jpg', '', 'C:\\x\\a.png'])
def test_images_are_found_by_stem(tmp_path, filename):
    add(tmp_path, 'a', filename=filename)
    (record,) = VOCReader(tmp_path)
    assert record.path == tmp_path / 'images' / 'a.jpg'


def test_image_found_by_filename_when_the_stem_differs(tmp_path):
    add(tmp_path, 'a', filename='photo.png', image=False)
    Image.new('L', (30, 20)).save(tmp_path / 'images' / 'photo.png')
    (record,) = VOCReader(tmp_path, unlabelled='skip')
    assert record.path.name == 'photo.png'


def test_folders_by_class(tmp_path):
    add(tmp_path, 'crazing/1')
    add(tmp_path, 'rust/1')
    records = list(VOCReader(tmp_path))
    assert [record.image_id for record in records] == ['crazing/1', 'rust/1']
    assert records[1].path == tmp_path / 'images' / 'rust' / '1.jpg'


def test_two_images_of_one_stem_need_a_filename(tmp_path):
    add(tmp_path, 'a', filename='a')
    Image.new('L', (30, 20)).save(tmp_path / 'images' / 'a.png')
    with pytest.raises(InputError, match='image is ambiguous'):
        list(VOCReader(tmp_path))
    add(tmp_path, 'a', filename='a.png')
    assert next(iter(VOCReader(tmp_path))).path.suffix == '.png'


@pytest.mark.parametrize(
    'size',
    [
        '',
        '<size><width>x</width><height>20</height></size>',
        '<size><width>0</width><height>0</height></size>',
        '<size><width/></size>',
    ],
)
def test_absent_size_is_read_from_the_header(tmp_path, size):
    add(tmp_path, 'a', size=size)
    (record,) = VOCReader(tmp_path)
    assert (record.width, record.height) == (30, 20)


@pytest.mark.parametrize('width', ['inf', '-30', '30.5', '1e300', '3000000000'])
def test_impossible_sizes(tmp_path, width):
    add(tmp_path, 'a', size=f'<size><width>{width}</width><height>20</height></size>')
    with pytest.raises(InputError, match=r'a\.xml: width and height must be whole numbers from 1'):
        list(VOCReader(tmp_path))


def test_list_file(tmp_path):
    for stem in ('a', 'b', 'c'):
        add(tmp_path, stem)
    (tmp_path / 'train.txt').write_text('\ufeffc\r\na\r\n\r\n', encoding='utf-8')
    records = VOCReader(tmp_path, list_file='train.txt')
    assert [record.image_id for record in records] == ['a', 'c']


def test_list_file_with_backslashes(tmp_path):
    add(tmp_path, 'rust/1')
    add(tmp_path, 'rust/2')
    (tmp_path / 'train.txt').write_text('rust\\2\nrust/1\n')
    records = VOCReader(tmp_path, list_file='train.txt')
    assert [record.image_id for record in records] == ['rust/1', 'rust/2']


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('x/a\nx\\a\n', "'x/a' stands twice"),
        ('a\na\n', "'a' stands twice"),
        ('\n', 'list file is empty'),
        ('z\n', "'z' is not in"),
    ],
)
def test_bad_list_files(tmp_path, content, message):
    add(tmp_path, 'a')
    (tmp_path / 'train.txt').write_text(content)
    with pytest.raises(InputError, match=rf'train\.txt: .*{message}'):
        list(VOCReader(tmp_path, list_file='train.txt'))


@pytest.mark.parametrize(('policy', 'stems'), [('good', ['a', 'b']), ('skip', ['a'])])
def test_unlabelled_images(tmp_path, policy, stems):
    add(tmp_path, 'a')
    Image.new('L', (30, 20)).save(tmp_path / 'images' / 'b.png')
    with pytest.raises(InputError, match=r"1 image without XML file .*'good'.*'skip'"):
        list(VOCReader(tmp_path))
    records = list(VOCReader(tmp_path, unlabelled=policy))
    assert [record.image_id for record in records] == stems


def test_a_good_image_named_like_a_labelled_one_of_another_folder(tmp_path):
    for folder in ('bad', 'good'):
        (tmp_path / 'images' / folder).mkdir(parents=True)
    add(tmp_path, 'bad/1', voc_object())
    Image.new('L', (30, 20)).save(tmp_path / 'images' / 'good' / '1.png')
    with pytest.raises(InputError, match='1 image without XML file'):
        list(VOCReader(tmp_path))
    records = list(VOCReader(tmp_path, unlabelled='good'))
    assert [(record.image_id, len(record)) for record in records] == [('bad/1', 1), ('good/1', 0)]


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('', 'not a readable XML file'),
        ('<annotation>', 'not a readable XML file'),
        ('<html></html>', 'the root is <html>'),
        ('<annotation><object/></annotation>', 'object 1 has no <name>'),
        ('<annotation><object><name>x</name></object></annotation>', 'has no <bndbox>'),
        (
            '<!DOCTYPE a [<!ENTITY b "boom">]><annotation><filename>&b;</filename></annotation>',
            'a document type is not accepted',
        ),
        (
            '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]><annotation>&b;</annotation>',
            'a document type is not accepted',
        ),
        ('<!DOCTYPE annotation><annotation></annotation>', 'a document type is not accepted'),
        ('<annotation>&b;</annotation>', 'not a readable XML file'),
        ('<?xml version="1.0" encoding="none"?><annotation/>', 'not a readable XML file'),
    ],
)
def test_unreadable_xml(tmp_path, content, message):
    add(tmp_path, 'a')
    add(tmp_path, 'b')
    (tmp_path / 'annotations' / 'a.xml').write_text(content)
    with pytest.raises(InputError, match=rf'a\.xml: .*{message}') as caught:
        list(VOCReader(tmp_path))
    assert '\n' not in str(caught.value)
    reader = VOCReader(tmp_path, on_error='drop')
    assert [record.image_id for record in reader] == ['b']
    assert len(reader.problems) == 1


@pytest.mark.parametrize(
    ('box', 'message'),
    [
        (('nan', 1, 2, 3), 'not finite'),
        (('', 1, 2, 3), 'not finite'),
        (('inf', 1, 2, 3), 'not finite'),
        ((9, 1, 8, 3), 'width 0'),
        ((9, 8, 10, 3), 'height -4'),
    ],
)
def test_bad_boxes(tmp_path, box, message):
    add(tmp_path, 'a', voc_object(box=box) + voc_object('chip'))
    with pytest.raises(InputError, match=rf'a\.xml, annotation 1: box .*{message}'):
        list(VOCReader(tmp_path))
    reader = VOCReader(tmp_path, on_error='drop')
    (record,) = reader
    assert (record.labels, record.box_ids) == (('chip',), (2,))
    assert len(reader.problems) == 1


def test_zero_corner_in_a_one_based_file_is_noted(tmp_path):
    add(tmp_path, 'a', voc_object(box=(0, 3, 5, 6)))
    reader = VOCReader(tmp_path)
    list(reader)
    assert 'one_based=False' in reader.notes[0]


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'root': 'none'}, 'image folder is missing'),
        ({'images': 'empty'}, 'no image files'),
        ({'annotations': 'empty'}, 'no annotation files'),
        ({'list_file': 'none.txt'}, 'list file is missing'),
        ({'one_base': True}, "unknown key 'one_base'; did you mean 'one_based'"),
        ({'difficult': 'x'}, 'difficult must be one of'),
        ({'unlabelled': 'x'}, 'unlabelled must be one of'),
        ({'on_error': 'x'}, 'on_error must be'),
    ],
)
def test_bad_arguments(tmp_path, arguments, message):
    add(tmp_path, 'a')
    (tmp_path / 'empty').mkdir()
    root = tmp_path / arguments.pop('root', '')
    with pytest.raises(InputError, match=message):
        list(VOCReader(root, **arguments))


def test_missing_image(tmp_path):
    add(tmp_path, 'a', image=False)
    add(tmp_path, 'b')
    with pytest.raises(InputError, match=r"a\.xml: image 'a' is missing"):
        list(VOCReader(tmp_path))
    assert len(list(VOCReader(tmp_path, on_error='drop'))) == 1


def move(tmp_path, images, annotations):
    """Write two images and their XML files, each into the given folders."""
    for stem in ('a', 'b'):
        add(tmp_path / 'from', stem, voc_object(), filename='')
    for source, target in (('images', images), ('annotations', annotations)):
        (tmp_path / 'voc' / target).mkdir(parents=True, exist_ok=True)
        for path in (tmp_path / 'from' / source).iterdir():
            path.rename(tmp_path / 'voc' / target / path.name)
    return tmp_path / 'voc'


@pytest.mark.parametrize(
    ('images', 'annotations', 'image_ids'),
    [
        ('', '', ['a', 'b']),
        ('images', '', ['a', 'b']),
        ('', 'annotations', ['a', 'b']),
        ('JPEGImages', 'Annotations', ['a', 'b']),
        ('deep/er', 'deep/er', ['deep/er/a', 'deep/er/b']),
        ('VOC2007/JPEGImages', 'VOC2007/Annotations', [f'VOC2007/Annotations/{c}' for c in 'ab']),
    ],
)
def test_layouts_are_found_by_looking(tmp_path, images, annotations, image_ids):
    root = move(tmp_path, images, annotations)
    records = list(VOCReader(root))
    assert [record.image_id for record in records] == image_ids
    assert [record.path for record in records] == [root / images / f'{c}.jpg' for c in 'ab']
    xml_file = root / annotations / 'b.xml'
    (record,) = VOCReader(xml_file)
    assert (record.path, record.image_id) == (root / images / 'b.jpg', 'b')


def test_list_files_of_voc_devkit(tmp_path):
    root = move(tmp_path, 'JPEGImages', 'Annotations')
    (root / 'ImageSets' / 'Main').mkdir(parents=True)
    (root / 'ImageSets' / 'Main' / 'val.txt').write_text('b\n')
    (record,) = VOCReader(root, list_file='val.txt')
    assert record.image_id == 'b'


def test_splits_with_equal_stems_keep_to_their_folders(tmp_path):
    for split in ('train', 'val'):
        add(tmp_path / split, 'a', filename='')
    records = list(VOCReader(tmp_path))
    assert [record.path.parts[-3] for record in records] == ['train', 'val']
    (tmp_path / 'val' / 'images' / 'a.jpg').unlink()
    with pytest.raises(InputError, match=r'val/annotations/a\.xml: image .* belongs to'):
        list(VOCReader(tmp_path))


def test_two_xml_files_for_one_image(tmp_path):
    add(tmp_path, 'a')
    add(tmp_path, 'b', filename='a.jpg', image=False)
    with pytest.raises(InputError, match=r'b\.xml: image .*a\.jpg belongs to .*a\.xml already'):
        list(VOCReader(tmp_path))
    assert len(list(VOCReader(tmp_path, on_error='drop'))) == 1


def test_neu_det():
    folder = Path(os.environ.get('MMDEFECT_DATA', '')) / 'neu_det'
    if not os.environ.get('MMDEFECT_DATA') or not folder.is_dir():
        pytest.skip('MMDEFECT_DATA names no folder with neu_det')
    reader = VOCReader(folder)
    records = list(reader)
    assert len(records) == 1416
    assert Counter(name for record in records for name in record.labels) == {
        'crazing': 542,
        'inclusion': 795,
        'patches': 682,
        'pitted_surface': 344,
        'rolled-in_scale': 489,
        'scratches': 449,
    }
    boxes = np.concatenate([record.boxes for record in records])
    assert (boxes.min(), boxes.max()) == (0, 200)
    assert sum(record.ignored.sum() for record in records) == 62
    assert not reader.problems
    assert not reader.notes
    assert len(list(VOCReader(folder, list_file='val.txt'))) == 283
