from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from mmdefect.datasets.audit import data_sources, read_table
from mmdefect.datasets.readers import SKU110KReader
from mmdefect.errors import InputError


def write(folder, rows, name='annotations_train.csv'):
    """A CSV file in ``annotations`` and the images a, b, c of 64x48 in ``images``."""
    (folder / 'annotations').mkdir(exist_ok=True)
    (folder / 'images').mkdir(exist_ok=True)
    for stem in 'abc':
        Image.new('L', (64, 48)).save(folder / 'images' / f'{stem}.jpg')
    path = folder / 'annotations' / name
    path.write_text(rows)
    return path


def row(name='a', box=(1, 2, 30, 20), label='object', size=(64, 48)):
    return f'{name}.jpg,{",".join(map(str, (*box, label, *size)))}\n'


def test_rows_in_any_order_with_the_quirks_of_the_public_files(tmp_path):
    rows = [
        row('b'), row('a', (5, 6, 9, 8)), row('b', (30, 20, 1, 2)), row('a', (60, -3, 70, 50)),
        '\n', row('b', (1, 20, 30.5, 2)),
    ]  # fmt: skip
    path = write(tmp_path, ''.join(rows))
    reader = SKU110KReader(path)
    first, second = reader
    assert (first.image_id, first.path) == ('b.jpg', tmp_path / 'images' / 'b.jpg')
    assert first.boxes.tolist() == [[1, 2, 30, 20], [1, 2, 30, 20], [1, 2, 30.5, 20]]
    assert first.boxes.dtype == np.float32 and first.box_ids == (1, 3, 6)
    assert second.boxes.tolist() == [[5, 6, 9, 8], [60, -3, 70, 50]], 'clipped by the data set'
    assert (second.width, second.height, second.labels) == (64, 48, ('object',) * 2)
    assert reader.classes == ('object',)
    assert reader.notes == [f'{path}: 2 boxes with reversed corners sorted']


def test_missing_images_and_a_second_class_are_noted(tmp_path):
    path = write(tmp_path, row() + row('b', label='objct') + row('gone') + row('c') + row('lost'))
    reader = SKU110KReader(path)
    assert len(list(reader)) == 5 and not reader.problems
    missing, classes = reader.notes
    assert missing.startswith(
        f'{path}: 2 of its images are not in {tmp_path / "images"} (first: gone.jpg); put'
    )
    assert '2 classes, while SKU-110K has one: object (4 boxes), objct (1 box)' in classes
    (tmp_path / 'list.txt').write_text('a.jpg')
    assert len(list(SKU110KReader(path, list_file=tmp_path / 'list.txt'))) == 1


@pytest.mark.parametrize(
    'change',
    [
        lambda text: 'image_name,x1,y1,x2,y2,class,image_width,image_height\n' + text,
        lambda text: '\ufeff' + text,
        lambda text: text.replace('\n', '\r\n'),
        lambda text: text.replace('\n', '\r'),
        lambda text: text.replace('a.jpg', '"a.jpg"').replace(',1,', ', "1" ,'),
        lambda text: text.rstrip('\n'),
    ],
)
def test_what_spreadsheets_do_to_a_file(tmp_path, change):
    path = write(tmp_path, '')
    path.write_bytes(change(row() + row('b')).encode())
    records = list(SKU110KReader(path))
    assert [record.image_id for record in records] == ['a.jpg', 'b.jpg']
    assert records[0].boxes.tolist() == [[1, 2, 30, 20]]


@pytest.mark.parametrize(
    ('bad', 'message'),
    [
        ('a.jpg,1,2,3\n', 'line 2: 4 values; write image_name,x1,'),
        (row(label='a,b'), 'line 2: 9 values'),
        (row(box=(1, 'x', 3, 4)), "line 2: 'x' is no number"),
        (row(box=(1, '', 3, 4)), "line 2: '' is no number"),
        (row(label=' '), 'line 2: class is empty'),
        (f',{row().partition(",")[2]}', 'line 2: image_name is empty'),
        (row(box=(5, 2, 5, 4)), 'image a.jpg, annotation in line 2: box has width 0 and height 2'),
        (row(box=(5, 2, 'nan', 4)), r'annotation in line 2: box .* is not finite'),
        (row(box=(5, 2, '1e99', 4)), r'annotation in line 2: box .* is not finite'),
    ],
)
def test_bad_rows_raise_or_are_dropped(tmp_path, bad, message):
    path = write(tmp_path, row() + bad + row(box=(2, 3, 4, 5)))
    with pytest.raises(InputError, match=rf'annotations_train\.csv, .*{message}'):
        list(SKU110KReader(path))
    reader = SKU110KReader(path, on_error='drop')
    (record,) = reader
    assert record.boxes.tolist() == [[1, 2, 30, 20], [2, 3, 4, 5]]
    assert record.box_ids == (1, 3) and len(reader.problems) == 1


@pytest.mark.parametrize(
    ('rows', 'message'),
    [
        (
            (row(), row(size=(65, 48))),
            r'image a\.jpg: has \(w, h\) \(64, 48\) in line 2 and \(65, 48',
        ),
        ((row(size=(0, 48)),), r'width and height must be whole numbers from 1, got 0, 48'),
        ((row(size=('nan', 48)),), 'must be'),
        ((row(size=(64.5, 48)),), 'must be whole numbers'),
    ],
)
def test_bad_sizes(tmp_path, rows, message):
    path = write(tmp_path, row('b') + ''.join(rows))
    with pytest.raises(InputError, match=message):
        list(SKU110KReader(path))
    reader = SKU110KReader(path, on_error='drop')
    assert [record.image_id for record in reader] == ['b.jpg'] and len(reader.problems) == 1


def test_line_numbers_of_a_file_of_many_blocks(tmp_path):
    rows = [row(f'image_{number % 7}', (1, 2, 3 + number % 9, 4)) for number in range(5000)]
    rows[4321] = 'nothing\n'
    path = write(tmp_path, ''.join(rows))
    with pytest.raises(InputError, match='line 4322: 1 values'):
        list(SKU110KReader(path))
    records = list(SKU110KReader(path, on_error='drop'))
    assert sum(map(len, records)) == 4999
    for index, record in enumerate(records):
        assert all((line - 1) % 7 == index for line in record.box_ids)
        assert record.boxes[:, 2].tolist() == [3 + (line - 1) % 9 for line in record.box_ids]


@pytest.mark.parametrize(
    'content', ['', '\n\n', 'image_name,x1,y1,x2,y2,class,image_width,image_height']
)
def test_an_empty_annotation_set(tmp_path, content):
    with pytest.raises(InputError, match=r'train\.csv: no boxes; give a file with one row per box'):
        list(SKU110KReader(write(tmp_path, content)))


def test_sources_that_are_no_sku110k(tmp_path):
    with pytest.raises(InputError, match='none: SKU-110K file or folder is missing'):
        list(SKU110KReader(tmp_path / 'none'))
    with pytest.raises(InputError, match='no CSV file in this folder'):
        list(SKU110KReader(tmp_path))
    path = write(tmp_path, row())
    path.write_bytes(row().encode('utf-16'))
    with pytest.raises(InputError, match=r'CSV file is not UTF-8 text \(byte 0\)'):
        list(SKU110KReader(path, on_error='drop'))


def test_a_folder_is_one_set_and_an_image_stands_in_one_file(tmp_path):
    write(tmp_path, row('b'), 'annotations_val.csv')
    write(tmp_path, row('a'), 'annotations_train.csv')
    assert [record.image_id for record in SKU110KReader(tmp_path)] == ['a.jpg', 'b.jpg']
    write(tmp_path, row('a') + row('c'), 'annotations_test.csv')
    with pytest.raises(InputError, match=r'1 image also in .*_test\.csv \(first: a\.jpg\)'):
        list(SKU110KReader(tmp_path))
    write(tmp_path, 'nothing', 'annotations_z.csv')
    reader = SKU110KReader(tmp_path, on_error='drop')
    assert [record.image_id for record in reader] == ['a.jpg', 'c.jpg', 'b.jpg']
    assert [problem.where.rpartition('_')[2] for problem in reader.problems] == [
        'train.csv', 'z.csv, line 1', 'z.csv',
    ]  # fmt: skip


def test_the_files_of_a_folder_are_the_splits_of_an_audit(tmp_path):
    for split, name in (('test', 'c'), ('train', 'a'), ('val', 'b')):
        write(tmp_path, row(name), f'annotations_{split}.csv')
    sources = data_sources([tmp_path])
    assert [source.split for source in sources] == ['train', 'val', 'test']
    table = read_table(sources)
    assert table.split_of.tolist() == [0, 1, 2] and table.problems == []


def test_list_file_and_image_root(tmp_path):
    path = write(tmp_path, row('a') + row('b'))
    (tmp_path / 'annotations' / 'list.txt').write_text('b\n')
    reader = SKU110KReader(path, image_root=tmp_path, list_file='list.txt')
    assert [record.path for record in reader] == [tmp_path / 'b.jpg']


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == 'win32', reason='the peak memory is asked of Unix')
def test_the_whole_set_in_time_and_memory(tmp_path):
    rng = np.random.default_rng(0)
    for split, images in (('train', 8219), ('val', 588), ('test', 2936)):
        with (tmp_path / f'annotations_{split}.csv').open('w') as file:
            for index in range(images):
                corners = rng.integers(0, 2300, (148, 2))
                boxes = np.hstack([corners, corners + rng.integers(20, 150, (148, 2))]).tolist()
                file.writelines(row(f'{split}_{index}', box, size=(2448, 3264)) for box in boxes)
    # In a process of its own: the peak of this one may be that of another test.
    code = (
        'import resource, sys, time\n'
        'from mmdefect.datasets.readers import SKU110KReader\n'
        'peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n'
        'before, start = peak(), time.process_time()\n'
        'boxes = sum(len(record) for record in SKU110KReader(sys.argv[1]))\n'
        'print(boxes, time.process_time() - start, peak() - before)\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', code, tmp_path], check=True, capture_output=True, text=True
    )
    boxes, seconds, growth = map(float, done.stdout.split()[-3:])
    print(f'{boxes:.0f} boxes in {seconds:.1f} s and {growth:.0f} MB')
    assert boxes == 11_743 * 148
    assert seconds < 10 and growth < 1000
