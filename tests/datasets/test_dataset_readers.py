"""DefectDataset over every kind of reader: `reader=dict(type=..., source=...)`."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import mmdefect  # noqa: F401
from mmdefect.datasets import DefectDataset, write_severstal
from mmdefect.datasets.readers import FORMATS, open_reader
from mmdefect.errors import InputError

BOX = [10.0, 5.0, 30.0, 15.0]


@pytest.fixture(scope='module')
def sources(tmp_path_factory):
    """One image of 40x20 with one box, in several formats, and a good one where it can be."""
    root = tmp_path_factory.mktemp('sources')
    mask = np.zeros((20, 40), np.uint8)
    mask[5:15, 10:30] = 255
    for name in ('yolo', 'mask', 'deeppcb', 'folder', 'severstal', 'sku110k'):
        (root / name).mkdir()
        stems = ('a_test', 'a_temp', 'b_test') if name == 'deeppcb' else ('a', 'b')
        for stem in stems:
            Image.new('L', (40, 20)).save(root / name / f'{stem}.png')
    (root / 'yolo' / 'classes.txt').write_text('rust')
    (root / 'yolo' / 'a.txt').write_text('0 0.5 0.5 0.5 0.5')
    (root / 'yolo' / 'b.txt').touch()
    Image.fromarray(mask).save(root / 'mask' / 'a_mask.png')
    Image.fromarray(mask * 0).save(root / 'mask' / 'b_mask.png')
    (root / 'deeppcb' / 'a.txt').write_text('10 5 30 15 2')
    (root / 'deeppcb' / 'b.txt').touch()
    write_severstal(root / 'severstal' / 'train.csv', [('a.png', {2: mask > 0})])
    (root / 'sku110k' / 'annotations_train.csv').write_text('a.png,30,15,10,5,product,40,20\n')
    return root


@pytest.mark.parametrize(
    ('name', 'options', 'classes'),
    [
        ('yolo', {}, ('rust',)),
        ('mask', {}, ('defect',)),
        ('mask', {'class_name': 'rust'}, ('rust',)),
        ('severstal', {'size': (40, 20)}, ('pitted', 'crazing', 'scratch', 'patch')),
        ('sku110k', {}, ('product',)),
        ('deeppcb', {}, ('open', 'short', 'mousebite', 'spur', 'copper', 'pin-hole')),
    ],
)
def test_readers_by_config(sources, name, options, classes):
    reader = {'type': f'mmdefect.{FORMATS[name]}', 'source': str(sources / name), **options}
    dataset = DefectDataset(reader=reader, pipeline=[])
    assert dataset.metainfo['classes'] == classes
    boxes = [[item['bbox'] for item in info['instances']] for info in dataset]
    assert boxes == ([[BOX]] if name == 'sku110k' else [[BOX], []])
    assert dataset[0]['instances'][0]['bbox_label'] == (name in ('deeppcb', 'severstal'))
    if name == 'deeppcb':
        assert dataset[0]['part_id'] == 'a'


def test_unlabelled_folder(sources):
    reader = {'type': 'mmdefect.FolderReader', 'source': str(sources / 'folder')}
    dataset = DefectDataset(reader=reader, metainfo={'classes': ('rust',)}, pipeline=[])
    assert [info['instances'] for info in dataset] == [[], []]
    assert len(DefectDataset(reader=reader, pipeline=[])) == 2, 'without any class'


def test_reader_object_and_errors(sources):
    dataset = DefectDataset(reader=open_reader(sources / 'yolo'), pipeline=[])
    assert len(dataset) == 2
    reader = {'type': 'mmdefect.YOLOReader', 'source': str(sources / 'yolo'), 'clases': ['rust']}
    with pytest.raises(InputError, match="YOLOReader: unknown key 'clases'; did you mean 'classe"):
        DefectDataset(reader=reader, pipeline=[])
    with pytest.raises(InputError, match="MaskReader: key 'source' is missing"):
        DefectDataset(reader={'type': 'mmdefect.MaskReader'}, pipeline=[])
    reader = {'type': 'mmdefect.YOLOReader', 'source': str(sources / 'yolo')}
    with pytest.raises(InputError, match="class 'chip' of the config is not declared"):
        DefectDataset(reader=reader, metainfo={'classes': ('rust', 'chip')}, pipeline=[])


def test_damaged_images_and_boxes_past_the_border_of_shelves(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (20, 40), np.uint8)
    for stem in 'ab':
        Image.fromarray(noise).save(tmp_path / f'{stem}.jpg')
    broken = tmp_path / 'a.jpg'
    broken.write_bytes(broken.read_bytes()[:-400])
    path = tmp_path / 'annotations_train.csv'
    row = '{}.jpg,30,-3,50,25,object,40,20\n'
    path.write_text(''.join(map(row.format, ('a', 'b', 'missing'))))
    (tmp_path / 'list.txt').write_text('a\n')
    reader = {'type': 'mmdefect.SKU110KReader', 'source': str(path)}
    with pytest.raises(InputError, match=r'a\.jpg: image cannot be decoded \(.*truncated'):
        listed = {**reader, 'list_file': 'list.txt'}
        DefectDataset(reader=listed, check_images='decode', pipeline=[])
    with pytest.raises(InputError, match=r'missing\.jpg: image file is missing'):
        DefectDataset(reader=reader, pipeline=[])
    dataset = DefectDataset(reader=reader, on_error='drop', pipeline=[])
    assert [info['img_id'] for info in dataset] == ['b.jpg']
    assert dataset[0]['instances'][0]['bbox'] == [30, 0, 40, 20]
    where = [problem.where for problem in dataset.problems]
    assert where == [str(tmp_path / f'{stem}.jpg') for stem in ('a', 'missing')]
