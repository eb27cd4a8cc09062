from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mmdefect.datasets.readers import MaskReader
from mmdefect.errors import InputError


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def values(*rows, size=(20, 40)):
    """A mask with rectangles ``(value, x1, y1, x2, y2)``."""
    mask = np.zeros(size, np.uint8)
    for value, x1, y1, x2, y2 in rows:
        mask[y1:y2, x1:x2] = value
    return mask


def add(root, image, mask=None, *rows):
    """An image of 40x20 and its mask, where there is one."""
    save(root / image, values())
    return save(root / mask, values(*rows)) if mask else None


SPOT = (255, 10, 5, 16, 9)
BOX = [10, 5, 16, 9]


@pytest.mark.parametrize(
    ('image', 'mask', 'class_name'),
    [
        ('a.png', 'a_mask.png', 'defect'),
        ('a.jpg', 'a_GT.png', 'defect'),
        ('images/a.jpg', 'masks/a.png', 'defect'),
        ('images/a.jpg', 'masks/a_mask.png', 'defect'),
        ('images/a.jpg', 'images/a_mask.png', 'defect'),
        ('images/a_mask.jpg', 'masks/a_mask.png', 'defect'),
        ('train/images/a.jpg', 'train/labels/a.png', 'defect'),
        ('images/train/a.jpg', 'masks/train/a.png', 'defect'),
        ('images/rust/a.jpg', 'masks/Rust/a.png', 'Rust'),
        ('Images/Anomaly/a.jpg', 'Masks/Anomaly/a.png', 'Anomaly'),
        ('scratch/a.png', 'scratch/a_label.bmp', 'scratch'),
        ('test/crack/a.png', 'ground_truth/crack/a_mask.png', 'crack'),
        ('bottle/test/crack/a.png', 'bottle/ground_truth/crack/a_mask.png', 'crack'),
        ('test/a.png', 'gt/test/a.png', 'defect'),
    ],
)
def test_layouts(tmp_path, image, mask, class_name):
    add(tmp_path, image, mask, SPOT)
    reader = MaskReader(tmp_path)
    (record,) = reader
    assert (record.image_id, record.path) == (image, tmp_path / image)
    assert record.boxes.tolist() == [BOX]
    assert record.boxes.dtype == np.float32
    assert record.labels == (class_name,)
    assert reader.classes == (class_name,)
    assert len(list(reader)) == 1, 'a reader can be read again'


def test_mvtec_with_good_parts_and_two_categories(tmp_path):
    for category in ('bottle', 'cable'):
        add(tmp_path / category, 'train/good/000.png')
        add(tmp_path / category, 'test/good/000.png')
        add(tmp_path / category, 'test/crack/000.png', 'ground_truth/crack/000_mask.png', SPOT)
    records = list(MaskReader(tmp_path))
    assert [(record.image_id, len(record)) for record in records] == [
        ('bottle/test/crack/000.png', 1), ('bottle/test/good/000.png', 0),
        ('bottle/train/good/000.png', 0), ('cable/test/crack/000.png', 1),
        ('cable/test/good/000.png', 0), ('cable/train/good/000.png', 0),
    ]  # fmt: skip
    (tmp_path / 'test.txt').write_text('cable/test/crack/000.png\n')
    (record,) = MaskReader(tmp_path, list_file='test.txt')
    assert record.image_id == 'cable/test/crack/000.png'


@pytest.mark.parametrize('mark', [1, 255])
def test_binary_masks_take_one_class(tmp_path, mark):
    add(tmp_path, 'a.png', 'a_mask.png', (mark, 1, 1, 5, 5), (mark, 20, 3, 24, 6))
    reader = MaskReader(tmp_path, class_name='rust')
    assert reader.declares_classes
    assert reader.classes == ('rust',)
    (record,) = reader
    assert record.boxes.tolist() == [[1, 1, 5, 5], [20, 3, 24, 6]]
    assert record.labels == ('rust', 'rust')
    assert record.box_ids == (1, 2)


@pytest.mark.parametrize('classes', [['chip', 'rust'], {2: 'rust', 1: 'chip'}])
def test_values_are_classes(tmp_path, classes):
    add(tmp_path, 'a.png', 'a_mask.png', (2, 0, 0, 5, 5), (1, 5, 0, 9, 5))
    reader = MaskReader(tmp_path, classes=classes)
    assert reader.classes == ('chip', 'rust')
    (record,) = reader
    assert record.boxes.tolist() == [[5, 0, 9, 5], [0, 0, 5, 5]]
    assert record.labels == ('chip', 'rust')


def test_two_values_of_one_name_and_16_bits(tmp_path):
    add(tmp_path, 'a.png')
    save(tmp_path / 'a_mask.png', values((1, 0, 0, 5, 5), (2, 5, 0, 9, 5)).astype(np.uint16) * 300)
    reader = MaskReader(tmp_path, classes={300: 'rust', 600: 'rust'})
    assert reader.classes == ('rust',)
    assert [record.labels for record in reader] == [('rust', 'rust')]


def test_specks_are_left_out_and_counted(tmp_path):
    add(
        tmp_path, 'a.png', 'a_mask.png', (255, 0, 0, 2, 4), (255, 10, 0, 13, 3), (255, 30, 0, 31, 1)
    )
    reader = MaskReader(tmp_path)
    assert [record.boxes.tolist() for record in reader] == [[[10, 0, 13, 3]]]
    assert 'min_area=9' in reader.notes[0]
    assert ': 2 components' in reader.notes[0]
    list(reader)
    assert len(reader.notes) == 1
    reader = MaskReader(tmp_path, min_area=1)
    assert [len(record) for record in reader] == [3]
    assert not reader.notes


def test_black_mask_is_a_good_image(tmp_path):
    add(tmp_path, 'a.png', 'a_mask.png')
    (record,) = MaskReader(tmp_path)
    assert record.boxes.shape == (0, 4)


@pytest.mark.parametrize(('policy', 'names'), [('good', ['a.png', 'b.png']), ('skip', ['a.png'])])
def test_unlabelled_images(tmp_path, policy, names):
    add(tmp_path, 'a.png', 'a_mask.png', SPOT)
    add(tmp_path, 'b.png')
    with pytest.raises(InputError, match=r"1 image without mask .*b\.png.*'good'.*'skip'"):
        list(MaskReader(tmp_path))
    records = list(MaskReader(tmp_path, unlabelled=policy))
    assert [record.image_id for record in records] == names
    reader = MaskReader(tmp_path, on_error='drop')
    assert len(list(reader)) == 1
    assert len(reader.problems) == 1


@pytest.mark.parametrize(
    ('rows', 'arguments', 'message', 'boxes'),
    [
        ([(2, 0, 0, 5, 5)], {}, r'mask value 2; name them with classes=\{2: \.\.\.\}', None),
        ([(1, 0, 0, 5, 5), (2, 5, 5, 9, 9)], {}, r'2 mask values \(1, 2\); name them', None),
        ([(1, 0, 0, 5, 5), (2, 5, 5, 9, 9)], {'class_name': 'x'}, '2 mask values', None),
        ([(1, 0, 0, 5, 5), (3, 5, 5, 9, 9)], {'classes': ['x']}, 'no class for mask value 3', 1),
        ([(255, 0, 0, 5, 5)], {'classes': ['x']}, 'no class for mask value 255', 0),
    ],
)
def test_values_without_a_name(tmp_path, rows, arguments, message, boxes):
    add(tmp_path, 'a.png', 'a_mask.png', *rows)
    with pytest.raises(InputError, match=rf'a_mask\.png: {message}') as caught:
        list(MaskReader(tmp_path, **arguments))
    assert str(caught.value).count('on_error') == 1
    reader = MaskReader(tmp_path, on_error='drop', **arguments)
    assert [len(record) for record in reader] == ([] if boxes is None else [boxes])
    assert len(reader.problems) == 1


def test_jpeg_masks_are_refused_by_what_they_are(tmp_path):
    add(tmp_path, 'images/a.jpg', 'masks/a.jpg', SPOT)
    with pytest.raises(InputError, match=r'mask values \(.*as JPEG leaves behind; store masks as'):
        list(MaskReader(tmp_path))


def test_bad_files_raise_or_are_dropped(tmp_path):
    add(tmp_path, 'images/ok.png', 'masks/ok.png', SPOT)
    add(tmp_path, 'images/size.png')
    save(tmp_path / 'masks' / 'size.png', values(size=(40, 20)))
    add(tmp_path, 'images/damaged.png', 'masks/damaged.png').write_bytes(b'')
    add(tmp_path, 'images/colour.png')
    save(tmp_path / 'masks' / 'colour.png', np.dstack([values(), values(), values(SPOT)]))
    add(tmp_path, 'images/two.png', 'masks/two.png')
    save(tmp_path / 'masks' / 'two_mask.png', values())
    add(tmp_path, 'images/same.png', 'masks/same.png')
    add(tmp_path, 'images/same.jpg')
    save(tmp_path / 'masks' / 'orphan.png', values())
    reader = MaskReader(tmp_path, on_error='drop')
    assert [record.image_id for record in reader] == ['images/ok.png']
    expected = (
        r'orphan\.png: its image is missing',
        r'colour\.png: a mask in colours',
        r'damaged\.png: image cannot be decoded .the file is empty',
        r'same\.png: its image is ambiguous: .*same\.jpg or .*same\.png',
        r'same\.png: its image is ambiguous',
        r'size\.png: the mask has \(w, h\) \(20, 40\) but its image \(40, 20\)',
        r'two\.png: mask is ambiguous: .*two\.png or .*two_mask\.png',
    )
    for problem, message in zip(reader.problems, expected, strict=True):
        with pytest.raises(InputError, match=message):
            raise InputError(str(problem))


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'source': 'none'}, 'none: is missing; give the folder'),
        ({'source': 'a.png'}, 'a.png: is a file; give the folder'),
        ({'source': 'empty'}, 'empty: no images beside masks'),
        ({'min_area': 0}, 'min_area must be a whole number from 1, got 0'),
        ({'min_area': 1.5}, 'min_area must be a whole number'),
        ({'class_name': ''}, "class_name must be a text, got ''"),
        ({'class_name': 'a', 'classes': ['a']}, 'give one of them'),
        ({'classes': []}, 'classes is empty'),
        ({'classes': 'rust'}, "classes must be a list or a mapping, got 'rust'"),
        ({'classes': {0: 'a'}}, r'a value in classes must be 1 to 65535 .*, got 0'),
        ({'classes': {'1': 'a'}}, "a value in classes must be 1 to 65535 .*, got '1'"),
        ({'classes': ['a', 3]}, 'name of value 2 must be a text, got 3'),
        ({'unlabelled': 'x'}, 'unlabelled must be one of'),
        ({'unlabeled': 'good'}, "unknown key 'unlabeled'; did you mean 'unlabelled'"),
        ({'on_error': 'x'}, 'on_error must be'),
    ],
)
def test_bad_arguments(tmp_path, arguments, message):
    add(tmp_path, 'a.png', 'a_mask.png')
    (tmp_path / 'empty').mkdir()
    source = tmp_path / arguments.pop('source', '')
    with pytest.raises(InputError, match=message):
        list(MaskReader(source, **arguments))
