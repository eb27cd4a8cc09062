"""DefectDataset over every kind of reader: `reader=dict(type=..., source=...)`."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

import mmdefect  # noqa: F401
from mmdefect.datasets import DefectDataset, records_to_coco, write_severstal
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


def test_masks_reach_the_pipeline_whatever_the_format(tmp_path):
    from mmdet.datasets.transforms import LoadAnnotations

    pixels = np.zeros((20, 40), bool)
    pixels[5:15, 10:20] = pixels[5:8, 20:30] = True
    pixels[2:5, 32:38] = True
    Image.fromarray(pixels).convert('L').save(tmp_path / 'a_mask.png')
    Image.new('L', (40, 20)).save(tmp_path / 'a.png')
    write_severstal(tmp_path / 'train.csv', [('a.png', {1: pixels})])
    steel = {'type': 'mmdefect.SeverstalReader', 'source': str(tmp_path / 'train.csv')}
    (tmp_path / 'list.txt').write_text('a.png')
    steel |= {'size': (40, 20), 'list_file': 'list.txt'}
    content = records_to_coco(open_reader(tmp_path, 'mask', masks=True), None, tmp_path)
    (tmp_path / 'a.json').write_text(json.dumps(content))
    readers = [
        steel,
        {'type': 'mmdefect.MaskReader', 'source': str(tmp_path), 'list_file': 'list.txt'},
        {'type': 'mmdefect.COCOReader', 'ann_file': str(tmp_path / 'a.json')},
    ]
    step = LoadAnnotations(with_mask=True)
    for reader in readers:
        (info,) = DefectDataset(reader={**reader, 'masks': True}, pipeline=[])
        masks = step({**info, 'ori_shape': (20, 40)})['gt_masks'].masks
        assert masks.shape == (2, 20, 40), reader['type']
        np.testing.assert_array_equal(masks.any(axis=0), pixels)
        corner = info['instances'][0]['bbox'][:2]
        assert masks[0].astype(bool).sum() == 18 and corner == [32, 2], 'in the order of the boxes'
        (info,) = DefectDataset(reader=reader, pipeline=[])
        assert 'mask' not in info['instances'][0]


def test_boxes_without_a_mask_are_a_problem_only_where_masks_are_wanted(tmp_path):
    Image.new('L', (40, 20)).save(tmp_path / 'a.png')
    polygon = [[1, 1, 9, 1, 9, 9]]
    boxes = [
        {'image_id': 1, 'category_id': 1, 'bbox': [1, 1, 8, 8], 'segmentation': segmentation}
        for segmentation in (polygon, [], None, [[1, 2, 3]], {'counts': 'x'}, 'x', [5])
    ]
    content = {
        'images': [{'id': 1, 'file_name': 'a.png'}],
        'annotations': boxes,
        'categories': [{'id': 1, 'name': 'rust'}],
    }
    (tmp_path / 'a.json').write_text(json.dumps(content))
    assert len(next(iter(open_reader(tmp_path / 'a.json')))) == 7
    reader = open_reader(tmp_path / 'a.json', masks=True, on_error='drop')
    (record,) = reader
    assert record.box_extra == ({'mask': polygon},) and len(reader.problems) == 6
    with pytest.raises(InputError, match='segmentation must be polygons or run lengths'):
        list(open_reader(tmp_path / 'a.json', masks=True))
