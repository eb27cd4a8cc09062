from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mmdefect.datasets.readers import YOLOReader
from mmdefect.errors import InputError


def add(root, image, label=None, rows='0 0.5 0.5 0.25 0.5'):
    """An image of 40x20 and its label file, where there is one."""
    (root / image).parent.mkdir(parents=True, exist_ok=True)
    Image.new('L', (40, 20)).save(root / image)
    if label is not None:
        (root / label).parent.mkdir(parents=True, exist_ok=True)
        (root / label).write_text(rows)


@pytest.fixture
def classes(tmp_path):
    (tmp_path / 'classes.txt').write_text('chip\nrust\n')
    return tmp_path / 'classes.txt'


def test_boxes_of_all_kinds_of_rows(tmp_path, classes):
    rows = '1 0.5 0.5 0.25 0.5\r\n\n0 0 0 1 0 1 1\n1.0 0.25 0.25 0.75 0.25 0.75 0.5 0.25 0.5\n'
    add(tmp_path, 'a.png', 'a.txt', rows)
    reader = YOLOReader(tmp_path)
    assert reader.classes == ('chip', 'rust')
    (record,) = reader
    assert record.boxes.tolist() == [[15, 5, 25, 15], [0, 0, 40, 20], [10, 5, 30, 10]]
    assert record.boxes.dtype == np.float32
    assert record.labels == ('rust', 'chip', 'rust')
    assert record.box_ids == (1, 3, 4)
    assert (record.width, record.height, record.image_id) == (40, 20, 'a.png')
    assert len(list(reader)) == 1, 'a reader can be read again'


@pytest.mark.parametrize(
    ('image', 'label'),
    [
        ('images/train/a.png', 'labels/train/a.txt'),
        ('train/images/a.png', 'train/labels/a.txt'),
        ('obj_train_data/a.png', 'obj_train_data/a.txt'),
        ('train_images/a.png', 'train_labels/a.txt'),
        ('JPEGImages/a.png', 'labels/a.txt'),
    ],
)
def test_layouts(tmp_path, classes, image, label):
    add(tmp_path, image, label)
    (tmp_path / 'train.txt').write_text(f'./{image}\n')
    (tmp_path / 'README.txt').write_text('Labels of line 1.\n')
    (record,) = YOLOReader(tmp_path)
    assert (record.image_id, len(record)) == (image, 1)
    (record,) = YOLOReader(tmp_path, list_file='train.txt')
    assert record.image_id == image


def test_equal_stems_in_two_splits(tmp_path, classes):
    add(tmp_path, 'images/train/a.png', 'labels/train/a.txt')
    add(tmp_path, 'images/val/a.png', 'labels/val/a.txt', '')
    assert [len(record) for record in YOLOReader(tmp_path)] == [1, 0]
    (tmp_path / 'labels' / 'val' / 'a.txt').unlink()
    (record,) = YOLOReader(tmp_path, unlabelled='skip')
    assert record.image_id == 'images/train/a.png'


def test_upright_image_scales_the_shares(tmp_path, classes):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new('L', (40, 20)).save(tmp_path / 'a.jpg', exif=exif)
    (tmp_path / 'a.txt').write_text('0 0.5 0.5 1 1')
    (record,) = YOLOReader(tmp_path)
    assert record.boxes.tolist() == [[0, 0, 20, 40]]


@pytest.mark.parametrize(('policy', 'names'), [('good', ['a.png', 'b.png']), ('skip', ['a.png'])])
def test_unlabelled_images(tmp_path, classes, policy, names):
    add(tmp_path, 'a.png', 'a.txt', '')
    add(tmp_path, 'b.png')
    with pytest.raises(InputError, match=r"1 image without label file .*b\.png.*'good'.*'skip'"):
        list(YOLOReader(tmp_path))
    records = list(YOLOReader(tmp_path, unlabelled=policy))
    assert [record.image_id for record in records] == names
    assert not any(len(record) for record in records)
    reader = YOLOReader(tmp_path, on_error='drop')
    assert len(list(reader)) == 1
    assert len(reader.problems) == 1


def test_class_names_from_yaml_file_folder_or_key(tmp_path, classes):
    add(tmp_path, 'a.png', 'a.txt')
    assert YOLOReader(tmp_path, classes=['x', 'y']).classes == ('x', 'y')
    (tmp_path / 'my.yaml').write_text('path: elsewhere\nnames: {0: p, 1: q}')
    reader = YOLOReader(tmp_path / 'my.yaml')
    assert [record.labels for record in reader] == [('p',)]
    with pytest.raises(InputError, match='its class names are not those of'):
        _ = YOLOReader(tmp_path).classes
    (tmp_path / 'my.yaml').unlink()
    classes.unlink()
    with pytest.raises(InputError, match='no class names; add classes'):
        list(YOLOReader(tmp_path))


@pytest.mark.parametrize(
    ('row', 'message'),
    [
        ('2 .5 .5 .1 .1', r'line 2: class 2 is none of those in .*classes\.txt \(0 to 1\)'),
        ('-1 .5 .5 .1 .1', 'line 2: class -1 is none'),
        ('0.5 .5 .5 .1 .1', 'line 2: class 0.5 is none'),
        ('nan .5 .5 .1 .1', 'line 2: class nan is none'),
        ('inf .5 .5 .1 .1', 'line 2: class inf is none'),
        ('rust .5 .5 .1 .1', "line 2: 'rust' is no number"),
        ('0 .5 .5 .1', 'line 2: 4 values; write class cx cy w h'),
        ('0', 'line 2: 1 values'),
        ('0 .1 .1 .2 .2 .3 .3 .4', 'line 2: 8 values'),
        ('0 15 5 25 15', r'line 2: 15 lies outside 0\.\.1'),
        ('0 .5 .5 1.01 .1', r'line 2: 1\.01 lies outside'),
        ('0 .5 nan .1 .1', r'line 2: nan lies outside'),
        ('0 .5 .5 0 .1', 'annotation in line 2: box has width 0'),
        ('0 .1 .1 .1 .2 .1 .3', 'annotation in line 2: box has width 0'),
    ],
)
def test_bad_rows_raise_or_are_dropped(tmp_path, classes, row, message):
    add(tmp_path, 'a.png', 'a.txt', f'1 .5 .5 .5 .5\n{row}\n0 .5 .5 .5 .5')
    with pytest.raises(InputError, match=rf'a\.txt, {message}') as caught:
        list(YOLOReader(tmp_path))
    assert str(caught.value).count('on_error') == 1
    reader = YOLOReader(tmp_path, on_error='drop')
    (record,) = reader
    assert (record.labels, record.box_ids) == (('rust', 'chip'), (1, 3))
    assert len(reader.problems) == 1


def test_rows_are_read_alike_with_and_without_a_bad_one_among_them(tmp_path, classes):
    values = np.random.default_rng(0).random((50, 4)) * 0.5 + 0.1
    rows = [f'{i % 2} ' + ' '.join(f'{value:.6f}' for value in row) for i, row in enumerate(values)]
    add(tmp_path, 'a.png', 'a.txt', '\n'.join(rows))
    add(tmp_path, 'b.png', 'b.txt', '\n'.join([*rows, '7 .5 .5 .1 .1']))
    one, other = YOLOReader(tmp_path, on_error='drop')
    np.testing.assert_array_equal(one.boxes, other.boxes)
    assert one.labels == other.labels
    assert one.box_ids == other.box_ids == tuple(range(1, 51))


def test_rounding_just_outside_is_accepted(tmp_path, classes):
    add(tmp_path, 'a.png', 'a.txt', '0 .5 .5 1.0005 1')
    (record,) = YOLOReader(tmp_path)
    np.testing.assert_allclose(record.boxes, [[-0.01, 0, 40.01, 20]], atol=1e-4)


def test_predictions_are_refused(tmp_path, classes):
    add(tmp_path, 'a.png', 'a.txt', '0 .5 .5 .5 .5 .93')
    with pytest.raises(InputError, match=r'a\.txt, line 1: six values, of which the last is a con'):
        list(YOLOReader(tmp_path))
    assert list(YOLOReader(tmp_path, on_error='drop')) == []


def test_bad_files_raise_or_are_dropped(tmp_path, classes):
    add(tmp_path, 'ok.png', 'ok.txt')
    add(tmp_path, 'images/broken.png', 'labels/broken.txt')
    (tmp_path / 'images' / 'broken.png').write_bytes(b'')
    add(tmp_path, 'images/latin.png', 'labels/latin.txt')
    (tmp_path / 'labels' / 'latin.txt').write_bytes(b'\xe9')
    add(tmp_path, 'images/two.png', 'labels/two.txt')
    (tmp_path / 'two.txt').touch()
    (tmp_path / 'labels' / 'gone.txt').touch()
    (tmp_path / 'beside.txt').write_text('0 .5 .5 .5 .5')
    reader = YOLOReader(tmp_path, on_error='drop')
    assert [record.image_id for record in reader] == ['ok.png']
    expected = (
        r'beside\.txt: its image is missing',
        r'gone\.txt: its image is missing',
        r'broken\.png: image cannot be decoded',
        r'latin\.txt: label file is not UTF-8',
        r'two\.png: label file is ambiguous: .*two\.txt or .*labels.two\.txt',
    )
    for problem, message in zip(reader.problems, expected, strict=True):
        with pytest.raises(InputError, match=message):
            raise InputError(str(problem))


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'source': 'none'}, 'none: folder is missing'),
        ({'source': 'empty'}, 'empty: no class names'),
        ({'source': 'empty', 'classes': ['a']}, 'empty: no image files'),
        ({'classes': 'rust'}, "YOLOReader classes: class names must be a list.*got 'rust'"),
        ({'classes': ['a', 'a']}, "YOLOReader classes: class 1, 'a', stands twice"),
        ({'unlabelled': 'x'}, 'unlabelled must be one of'),
        ({'unlabeled': 'good'}, "unknown key 'unlabeled'; did you mean 'unlabelled'"),
        ({'list_file': 'none.txt'}, 'list file is missing'),
        ({'on_error': 'x'}, 'on_error must be'),
    ],
)
def test_bad_arguments(tmp_path, classes, arguments, message):
    add(tmp_path, 'a.png', 'a.txt')
    (tmp_path / 'empty').mkdir()
    source = tmp_path / arguments.pop('source', '')
    with pytest.raises(InputError, match=message):
        list(YOLOReader(source, **arguments))
