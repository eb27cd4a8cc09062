"""DefectDataset over every kind of reader: `reader=dict(type=..., source=...)`."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import mmdefect  # noqa: F401
from mmdefect.datasets import DefectDataset
from mmdefect.datasets.readers import FORMATS, open_reader
from mmdefect.errors import InputError

BOX = [10.0, 5.0, 30.0, 15.0]


@pytest.fixture(scope='module')
def sources(tmp_path_factory):
    """One image of 40x20 with one box, in several formats, and a good one where it can be."""
    root = tmp_path_factory.mktemp('sources')
    mask = np.zeros((20, 40), np.uint8)
    mask[5:15, 10:30] = 255
    for name in ('yolo', 'mask', 'deeppcb', 'folder'):
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
    return root


@pytest.mark.parametrize(
    ('name', 'options', 'classes'),
    [
        ('yolo', {}, ('rust',)),
        ('mask', {}, ('defect',)),
        ('mask', {'class_name': 'rust'}, ('rust',)),
        ('deeppcb', {}, ('open', 'short', 'mousebite', 'spur', 'copper', 'pin-hole')),
    ],
)
def test_readers_by_config(sources, name, options, classes):
    reader = {'type': f'mmdefect.{FORMATS[name]}', 'source': str(sources / name), **options}
    dataset = DefectDataset(reader=reader, pipeline=[])
    assert dataset.metainfo['classes'] == classes
    assert [[item['bbox'] for item in info['instances']] for info in dataset] == [[BOX], []]
    assert dataset[0]['instances'][0]['bbox_label'] == (1 if name == 'deeppcb' else 0)
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
