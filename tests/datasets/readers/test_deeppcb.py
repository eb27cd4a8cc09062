from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmdefect.datasets.readers import DeepPCBReader
from mmdefect.errors import InputError


def add(root, part, rows='1 2 30 20 1', template=True, test=True):
    """One pair in the folders of the set: group/group/part_test.jpg, group/group_not/part.txt."""
    images, labels = root / 'g1' / '1', root / 'g1' / '1_not'
    for folder in (images, labels):
        folder.mkdir(parents=True, exist_ok=True)
    for wanted, kind in ((test, 'test'), (template, 'temp')):
        if wanted:
            Image.new('L', (64, 48)).save(images / f'{part}_{kind}.jpg')
    if rows is not None:
        (labels / f'{part}.txt').write_text(rows)
    return labels / f'{part}.txt'


def test_pairs_are_read_with_their_template(tmp_path):
    add(tmp_path, 'b', '1 2 30 20 1\r\n3,4,5,6,6\n\n7, 8, 9, 10, 2')
    add(tmp_path, 'a', '')
    good, bad = DeepPCBReader(tmp_path)
    assert (good.image_id, len(good)) == ('g1/1/a', 0)
    assert bad.boxes.tolist() == [[1, 2, 30, 20], [3, 4, 5, 6], [7, 8, 9, 10]]
    assert bad.boxes.dtype == np.float32
    assert bad.labels == ('open', 'pin-hole', 'short')
    assert bad.box_ids == (1, 2, 4), 'the numbers of the lines'
    assert bad.extra == {'part_id': 'b', 'template_path': 'b_temp.jpg'}
    assert (bad.path.parent / bad.extra['template_path']).is_file()


def test_template_alone_is_no_image_and_a_test_alone_is_noted(tmp_path):
    add(tmp_path, 'a', template=False)
    add(tmp_path, 'b', rows=None, test=False)
    reader = DeepPCBReader(tmp_path)
    (record,) = reader
    assert record.extra == {'part_id': 'a'}
    assert reader.notes == [f'{tmp_path}: 1 tested image without a _temp image']


def test_list_file_of_the_set(tmp_path):
    for part in 'abc':
        add(tmp_path, part)
    (tmp_path / 'val.txt').write_text('g1/1/b.jpg g1/1_not/b.txt\ng1/1/c_test.jpg\n')
    reader = DeepPCBReader(tmp_path, list_file='val.txt')
    assert [record.extra['part_id'] for record in reader] == ['b', 'c']
    (tmp_path / 'val.txt').write_text('g1/1/z.jpg g1/1_not/z.txt\n')
    with pytest.raises(InputError, match=r"val\.txt: 'g1/1/z\.jpg g1/1_not/z\.txt' is not in"):
        list(reader)


@pytest.mark.parametrize(
    ('row', 'message'),
    [
        ('1 2 3', r'line 2: 3 values; write x1 y1 x2 y2 type'),
        ('1 2 3 4 5 6', r'line 2: 6 values'),
        ('1 2 3 4 0', r'line 2: type 0 is none of 1 to 6'),
        ('1 2 3 4 7', r'line 2: type 7 is none'),
        ('1 2 3 4 1.5', r'line 2: type 1\.5 is none'),
        ('1 2 3 4 nan', r'line 2: type nan is none'),
        ('1 2 x 4 1', r"line 2: 'x' is no number"),
        ('1 2 1e999 4 1', r'annotation in line 2: box .* not finite'),
        ('1 2 1e300 4 1', r'annotation in line 2: box .* not finite'),
        ('3 2 3 4 1', r'annotation in line 2: box has width 0'),
        ('3 9 4 8 1', r'annotation in line 2: box has width 1 and height -1'),
    ],
)
def test_bad_rows_raise_or_are_dropped(tmp_path, row, message):
    add(tmp_path, 'a', f'1 2 3 4 1\n{row}\n1 2 3 4 3')
    with pytest.raises(InputError, match=rf'a\.txt, {message}'):
        list(DeepPCBReader(tmp_path))
    reader = DeepPCBReader(tmp_path, on_error='drop')
    (record,) = reader
    assert (record.labels, record.box_ids) == (('open', 'mousebite'), (1, 3))
    assert len(reader.problems) == 1


def test_bad_files_raise_or_are_dropped(tmp_path):
    add(tmp_path, 'ok')
    add(tmp_path, 'unlabelled', rows=None)
    add(tmp_path, 'orphan', test=False, template=False)
    add(tmp_path, 'latin').write_bytes('1 2 3 4 \xe9'.encode('latin-1'))
    add(tmp_path, 'broken')
    (tmp_path / 'g1' / '1' / 'broken_test.jpg').write_bytes(b'')
    add(tmp_path, 'twice')
    Image.new('L', (64, 48)).save(tmp_path / 'g1' / '1' / 'twice_test.png')
    reader = DeepPCBReader(tmp_path, on_error='drop')
    assert [record.extra['part_id'] for record in reader] == ['ok']
    expected = (
        r'orphan\.txt: image orphan_test is missing',
        r'broken_test\.jpg: image cannot be decoded',
        r'latin\.txt: label file is not UTF-8 text .byte 8',
        r'twice_test: the image is ambiguous: .*\.jpg or .*\.png',
        r'unlabelled_test\.jpg: label file unlabelled\.txt is missing',
    )
    for problem, message in zip(reader.problems, expected, strict=True):
        with pytest.raises(InputError, match=message):
            raise InputError(str(problem))
    with pytest.raises(InputError, match=r'orphan\.txt'):
        list(DeepPCBReader(tmp_path))


def test_sources_that_are_no_deeppcb(tmp_path):
    with pytest.raises(InputError, match='image folder is missing'):
        list(DeepPCBReader(tmp_path / 'none'))
    Image.new('L', (9, 9)).save(tmp_path / 'a.png')
    with pytest.raises(InputError, match='is a file where a folder is needed'):
        list(DeepPCBReader(tmp_path / 'a.png'))
    with pytest.raises(InputError, match=r'no label files \(\.txt\)'):
        list(DeepPCBReader(tmp_path))
    (tmp_path / 'a.txt').touch()
    with pytest.raises(InputError, match=r'no image <id>_test\.jpg'):
        list(DeepPCBReader(tmp_path))
    with pytest.raises(InputError, match="unknown key 'lists'"):
        DeepPCBReader(tmp_path, lists='x')


def test_deep_pcb():
    folder = Path(os.environ.get('MMDEFECT_DATA', '')) / 'deep_pcb'
    if not os.environ.get('MMDEFECT_DATA') or not folder.is_dir():
        pytest.skip('MMDEFECT_DATA names no folder with deep_pcb')
    reader = DeepPCBReader(folder)
    records = list(reader)
    assert len(records) == 320
    assert not reader.problems
    assert not reader.notes
    assert {(record.width, record.height) for record in records} == {(640, 640)}
    assert all((r.path.parent / r.extra['template_path']).is_file() for r in records)
    assert Counter(name for record in records for name in record.labels) == {
        'open': 422,
        'short': 330,
        'mousebite': 439,
        'spur': 356,
        'copper': 321,
        'pin-hole': 324,
    }
    for split, count in (('train', 260), ('val', 60)):
        assert len(list(DeepPCBReader(folder, list_file=f'{split}.txt'))) == count
