from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from mmdefect.datasets.readers import FORMATS, BaseReader, detect_format, open_reader, reader_class
from mmdefect.errors import InputError
from mmdefect.registry import READERS

COCO = '{"images": [], "annotations": [], "categories": []}'
TASKS = '[{"id": 1, "annotations": [], "data": {"image": "a.png"}}]'
LABELME = '{"version": "5", "shapes": [], "imagePath": "a.png"}'
SHELF = 'a.jpg,1,2,30,20,object,64,48\n'
RUNS = 'ImageId_ClassId,EncodedPixels'
# Files with their content, and what they are.
CASES = [
    ('voc', {'annotations/a.xml': '<annotation/>', 'images/a.jpg': ''}),
    ('voc', {'a.xml': '<?xml version="1.0"?>\n<!-- <annotations> -->\n<annotation verified="x">'}),
    ('coco', {'train.json': COCO, 'images/a.png': ''}),
    ('coco', {'annotations/val.json': '{"info": {}, "categories": [], "images": []}'}),
    ('coco', {'a.json': '{"annotations": [' + '{"image_id": 1, "category_id": 1},' * 9000}),
    ('labelme', {'a.json': LABELME, 'a.png': ''}),
    ('labelme', {'a.json': '{"imageData": "' + 'x' * 100_000, 'a.png': ''}),
    ('label-studio', {'export.json': TASKS}),
    ('label-studio', {'task.json': '{"id": 3, "data": {}, "annotations": []}'}),
    ('cvat', {'annotations.xml': '<annotations><version>1.1</version>', 'images/a.png': ''}),
    ('yolo', {'images/a.jpg': '', 'labels/a.txt': '0 0.5 0.5 0.1 0.1'}),
    ('yolo', {'a.jpg': '', 'a.txt': '0 0.5 0.5 0.1 0.1', 'train.txt': 'a.jpg'}),
    ('yolo', {'a.jpg': '', 'a.txt': '0 0.1 0.1 0.2 0.1 0.2 0.2'}),
    ('yolo', {'images/a.jpg': '', 'labels/a.txt': ''}),
    ('yolo', {'images/a.jpg': '', 'data.yaml': 'names: [a]'}),
    ('yolo', {'a.jpg': '', 'a.txt': '0 0.5 0.5 0.1 0.1', 'classes.txt': 'a', 'notes.json':
              '{"categories": [{"id": 0, "name": "a"}], "info": {"year": 2021}}'}),
    ('mask', {'images/a.jpg': '', 'masks/a.png': ''}),
    ('mask', {'a.jpg': '', 'a_mask.png': ''}),
    ('mask', {'test/crack/a.png': '', 'ground_truth/crack/a_mask.png': '', 'train/good/b.png': ''}),
    ('deeppcb', {'1/a_test.jpg': '', '1/a_temp.jpg': '', '1_not/a.txt': '10 20 30 40 1'}),
    ('deeppcb', {'a_test.jpg': '', 'a_temp.jpg': '', 'a.txt': '10 20 30 40 1', 'train.txt': 'a'}),
    ('sku110k', {'annotations/annotations_val.csv': SHELF, 'images/a.jpg': ''}),
    ('sku110k', {'a.csv': f'?\n{SHELF}', 'a.jpg': '', 'README.txt': 'Line 1.'}),
    ('severstal', {'train.csv': f'{RUNS}\n', 'train_images/a.jpg': ''}),
    ('severstal', {'a.csv': 'ImageId,EncodedPixels,ClassId\n', 'a.jpg': ''}),
    ('coco', {'train.json': COCO, 'train.csv': RUNS, 'annotations_val.csv': SHELF}),
    ('folder', {'a.png': '', 'sub/b.JPG': '', 'README.txt': 'Line 1.', 'train.txt': 'a.png'}),
    ('folder', {'labels/a.png': ''}),
]  # fmt: skip


def write(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


@pytest.mark.parametrize(('expected', 'files'), CASES)
def test_folders_are_told_apart(tmp_path, expected, files):
    assert detect_format(write(tmp_path, files)) == expected


@pytest.mark.parametrize(
    ('expected', 'name', 'content'),
    [
        ('coco', 'a.json', COCO),
        ('label-studio', 'a.json', TASKS),
        ('labelme', 'a.JSON', LABELME),
        ('voc', 'a.xml', '<annotation/>'),
        ('cvat', 'a.xml', '<annotations/>'),
        ('yolo', 'my.yaml', 'names: [a]'),
        ('sku110k', 'a.csv', SHELF),
        ('severstal', 'a.csv', RUNS),
        ('folder', 'a.png', ''),
    ],
)
@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16'])
def test_single_files_are_told_apart(tmp_path, expected, name, content, encoding):
    (tmp_path / name).write_text(content, encoding=encoding)
    assert detect_format(tmp_path / name) == expected


@pytest.mark.parametrize(
    ('files', 'message'),
    [
        ({}, r'no annotation format fits \(found no files\)'),
        ({'a.csv': '', 'b.csv': '', 'c.png': ''}, r'\(found 2 \.csv, 1 \.png\); .* --format'),
        ({'a.png': '', 'b.json': '{}'}, r'no annotation format fits \(found'),
        (
            {'b.json': '[{"image_id": 1, "category_id": 1, "bbox": [], "score": 1}]'},
            'no annotation',
        ),
        ({'a.xml': '<html/>'}, 'no annotation format fits'),
        ({'LICENSE': 'x'}, r'found 1 without suffix'),
        (
            {'a.json': COCO, 'b.json': LABELME},
            r'several formats fit: coco \(.*a\.json\), labelme \(.*b\.json\); name one with --form',
        ),
    ],
)
def test_what_cannot_be_told(tmp_path, files, message):
    with pytest.raises(InputError, match=message) as caught:
        detect_format(write(tmp_path, files))
    assert str(caught.value).startswith(str(tmp_path))


def test_a_source_that_is_not_there(tmp_path):
    with pytest.raises(
        InputError, match='none: data set file or folder is missing; check the path'
    ):
        detect_format(tmp_path / 'none')


@pytest.mark.parametrize('name', [None, *FORMATS])
def test_a_source_that_no_file_system_can_have(name):
    with pytest.raises(InputError, match=r'path cannot be used \(.+\); correct it'):
        list(open_reader('a' * 5000, name))


@pytest.mark.skipif(os.name == 'nt', reason='links need rights there')
def test_a_label_file_that_is_a_link_to_nothing(tmp_path):
    write(tmp_path, {'images/a.png': '', 'labels/b.txt': '0 .5 .5 .1 .1'})
    (tmp_path / 'labels' / 'a.txt').symlink_to(tmp_path / 'nowhere.txt')
    assert detect_format(tmp_path) == 'yolo'


@pytest.mark.skipif(os.name == 'nt', reason='needs named pipes')
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / 'a.json')
    write(tmp_path, {'a.png': ''})
    assert detect_format(tmp_path) == 'folder'


def test_detection_looks_at_names_and_few_heads(tmp_path):
    write(tmp_path, {f'labels/{i}.txt': '0 .5 .5 .1 .1' for i in range(2000)})
    write(tmp_path, {f'images/{i}.jpg': '' for i in range(2000)})
    start = time.perf_counter()
    assert detect_format(tmp_path) == 'yolo'
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize('name', FORMATS)
def test_every_format_has_a_registered_reader(name):
    found = reader_class(name)
    assert issubclass(found, BaseReader)
    assert READERS.get(FORMATS[name]) is found
    reader = open_reader('nowhere', name)
    assert type(reader) is found
    with pytest.raises(InputError, match='nowhere'):
        list(reader)
    with pytest.raises(InputError, match=r"unknown key 'on_eror'; did you mean 'on_error'"):
        open_reader('nowhere', name, on_eror='drop')
    with pytest.raises(InputError, match=r"unknown key 'unknown'"):
        open_reader('nowhere', name, unknown={})
    with pytest.raises(InputError, match="on_error must be one of raise, drop; got 'x'"):
        open_reader('nowhere', name, on_error='x')


def test_open_reader_detects_and_passes_options_on(tmp_path):
    write(tmp_path, {'train.json': COCO})
    reader = open_reader(tmp_path, on_error='drop')
    assert (type(reader).__name__, reader.on_error) == ('COCOReader', 'drop')
    assert list(reader) == []
    with pytest.raises(InputError, match="unknown annotation format 'cocos'; did you mean 'coco'"):
        open_reader(tmp_path, 'cocos')
    with pytest.raises(InputError, match="unknown annotation format 'zzz'; known formats: voc, "):
        open_reader(tmp_path, 'zzz')


@pytest.mark.parametrize(('name', 'expected'), [('neu_det', 'voc'), ('deep_pcb', 'deeppcb')])
def test_real_data(name, expected):
    folder = Path(os.environ.get('MMDEFECT_DATA', '')) / name
    if not os.environ.get('MMDEFECT_DATA') or not folder.is_dir():
        pytest.skip(f'MMDEFECT_DATA names no folder with {name}')
    assert detect_format(folder) == expected


def test_written_coco_is_detected(tiny_coco):
    assert json.loads((tiny_coco / 'train.json').read_text())['images']
    assert detect_format(tiny_coco / 'train.json') == 'coco'
    assert detect_format(tiny_coco) == 'coco'
