from __future__ import annotations

import copy
import json
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmdefect.datasets.readers import COCOReader
from mmdefect.errors import InputError

MINIMAL = {
    'images': [
        {'id': 7, 'file_name': 'b.png', 'width': 64, 'height': 48, 'part_id': 'p1'},
        {'id': 0, 'file_name': 'sub\\a.png', 'width': 32, 'height': 24},
    ],
    'annotations': [
        {'id': 0, 'image_id': 0, 'category_id': 3, 'bbox': [1, 2, 10, 20], 'iscrowd': 1},
        {'image_id': 7, 'category_id': 0, 'bbox': [0.5, 0, 1, 1], 'defect_id': 9},
    ],
    'categories': [{'id': 3, 'name': 'rust'}, {'id': 0, 'name': 'chip'}],
}


def write(tmp_path, content):
    path = tmp_path / 'train.json'
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def changed(**changes):
    """MINIMAL with `part__index__key=value` set; a value of KeyError removes the key."""
    content = copy.deepcopy(MINIMAL)
    for where, value in changes.items():
        part, index, key = where.split('__')
        if value is KeyError:
            del content[part][int(index)][key]
        else:
            content[part][int(index)][key] = value
    return content


def test_minimal_file_with_ids_zero(tmp_path):
    reader = COCOReader(write(tmp_path, MINIMAL))
    assert reader.classes == ('rust', 'chip')
    first, second = reader
    assert (first.image_id, second.image_id) == (7, 0)
    assert first.path == tmp_path / 'b.png'
    assert second.path == tmp_path / 'sub' / 'a.png'
    assert first.boxes.tolist() == [[0.5, 0, 1.5, 1]]
    assert first.boxes.dtype == np.float32
    assert second.boxes.tolist() == [[1, 2, 11, 22]]
    assert (first.labels, second.labels) == (('chip',), ('rust',))
    assert (first.ignored.tolist(), second.ignored.tolist()) == ([False], [True])
    assert first.extra == {'part_id': 'p1'}
    assert first.box_extra == ({'defect_id': 9},)
    assert second.box_ids == (0,)
    assert len(list(reader)) == 2, 'a reader can be read again'


def test_image_without_boxes_and_image_root(tmp_path):
    path = write(tmp_path, {**MINIMAL, 'annotations': []})
    records = list(COCOReader(path, image_root=tmp_path / 'images'))
    assert [record.boxes.shape for record in records] == [(0, 4), (0, 4)]
    assert records[0].path == tmp_path / 'images' / 'b.png'


def test_no_images_at_all(tmp_path):
    empty = {'images': [], 'annotations': [], 'categories': []}
    assert list(COCOReader(write(tmp_path, empty))) == []


def test_absent_size_is_read_upright_from_the_header(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new('RGB', (30, 20)).save(tmp_path / 'a.jpg', exif=exif)
    content = {'images': [{'id': 1, 'file_name': 'a.jpg'}], 'annotations': [], 'categories': []}
    (record,) = COCOReader(write(tmp_path, content))
    assert (record.width, record.height) == (20, 30)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('', 'not a JSON file'),
        ('{"images": [', 'not a JSON file'),
        ('[' * 100_000, 'not a JSON file'),
        ('[]', 'the top level is a list'),
        ({'images': [], 'categories': []}, 'no key "annotations"; for images without boxes'),
        ({'annotations': [], 'categories': []}, 'no key "images"'),
        ({'annotations': [], 'images': []}, 'no key "categories"'),
        ({**MINIMAL, 'images': {}}, '"images" must be a list'),
        ({**MINIMAL, 'images': [3]}, r'images\[0\] must be an object'),
        (changed(annotations__0__bbox=[1, 2, float('nan'), 4]), 'not strict JSON: NaN is no JSON'),
        (changed(images__0__width=10**400), 'not strict JSON: a number with 401 digits'),
        ('{"images": [], "images": []}', 'not strict JSON: name "images" stands twice'),
        (changed(images__1__id=KeyError), r'images\[1\] has no key "id"'),
        (changed(images__0__file_name=None), r'images\[0\]: "file_name" must be text'),
        (changed(images__0__id=[1]), r'images\[0\]: "id" must be a number or text'),
        (changed(annotations__1__bbox=KeyError), r'annotations\[1\] has no key "bbox"'),
        (changed(categories__0__name=KeyError), r'categories\[0\] has no key "name"'),
        (changed(categories__0__name='chip'), "categories: name 'chip' stands 2 times"),
        (changed(categories__0__id=0), 'categories: id 0 stands 2 times'),
    ],
)
@pytest.mark.parametrize('on_error', ['raise', 'drop'])
def test_files_that_are_no_coco(tmp_path, content, message, on_error):
    path = write(tmp_path, content)
    with pytest.raises(InputError, match=message) as caught:
        list(COCOReader(path, on_error=on_error))
    assert str(caught.value).startswith(str(path))
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    ('changes', 'message', 'images', 'boxes'),
    [
        ({'images__0__id': 0}, 'image id 0 stands 2 times', 0, 0),
        ({'annotations__0__image_id': 5}, 'annotation 0: image_id 5 is not among', 2, 1),
        ({'annotations__0__category_id': 5}, 'annotation 0: category_id 5 is not', 2, 1),
        ({'annotations__0__bbox': [1, 2, 1e300, 4]}, r'annotation 0: box .* not finite', 2, 1),
        ({'annotations__0__bbox': [1, 2, None, 4]}, r'annotation 0: box .* not finite', 2, 1),
        ({'annotations__0__bbox': [1, 2, 3]}, r'annotation 0: box .* not finite', 2, 1),
        ({'annotations__0__bbox': [1, 2, 10**300, 4]}, r'annotation 0: box .* not finite', 2, 1),
        ({'annotations__0__bbox': [1, 2, 3, 4, 5]}, r'annotation 0: box .* not finite', 2, 1),
        ({'annotations__0__bbox': ['1', '2', '3', '4']}, r'annotation 0: .* not finite', 2, 1),
        ({'annotations__0__bbox': {'x': 1}}, r'annotation 0: box .* not finite', 2, 1),
        ({'annotations__0__bbox': 7}, r'annotation 0: box .* not finite', 2, 1),
        ({'annotations__0__bbox': [1, 2, 0, 4]}, 'annotation 0: box has width 0', 2, 1),
        ({'annotations__0__bbox': [1, 2, 3, -4]}, 'annotation 0: .* height -4', 2, 1),
        ({'annotations__1__bbox': [1, 2, 3, -4]}, 'b.png, annotation number 1', 2, 1),
        ({'images__0__width': 0}, 'width and height must be whole', 1, 1),
        ({'images__0__width': 'x'}, 'width and height must be whole', 1, 1),
        ({'images__0__width': 10**300}, 'width and height must be whole', 1, 1),
        ({'images__0__width': True}, 'width and height must be whole', 1, 1),
        ({'images__0__width': 63.5}, 'width and height must be whole', 1, 1),
        ({'images__0__width': KeyError}, 'b.png: has no size: .*image file is missing', 1, 1),
    ],
)
def test_bad_entries_raise_or_are_dropped_and_listed(tmp_path, changes, message, images, boxes):
    path = write(tmp_path, changed(**changes))
    with pytest.raises(InputError, match=message) as caught:
        list(COCOReader(path))
    assert str(caught.value).startswith(str(path))
    reader = COCOReader(path, on_error='drop')
    records = list(reader)
    assert (len(records), sum(len(record) for record in records)) == (images, boxes)
    assert reader.problems
    list(reader)
    assert len({str(p) for p in reader.problems}) == len(reader.problems), 'counted once'


def test_missing_file_folder_and_unknown_keys(tmp_path):
    with pytest.raises(InputError, match=r'none\.json: annotation file is missing'):
        list(COCOReader(tmp_path / 'none.json'))
    with pytest.raises(InputError, match='no JSON file in this folder'):
        list(COCOReader(tmp_path))
    with pytest.raises(InputError, match="unknown key 'img_root'; did you mean 'image_root'"):
        COCOReader(tmp_path, img_root='x')


@pytest.mark.parametrize('boxes', [[[1, 2, 3, 4, 5]] * 2, [[[1, 2], [3, 4]]] * 2, ['abcd'] * 2])
def test_boxes_that_are_all_alike_but_wrong(tmp_path, boxes):
    content = changed(annotations__0__bbox=boxes[0], annotations__1__bbox=boxes[1])
    reader = COCOReader(write(tmp_path, content), on_error='drop')
    assert [len(record) for record in reader] == [0, 0]
    assert len(reader.problems) == 2


def part(name, category, width=64):
    """A COCO file with one image and, where there is a category, one box."""
    image = {'id': 1, 'file_name': name}
    box = {'image_id': 1, 'category_id': 1, 'bbox': [1, 2, 3, 4]}
    return {
        'images': [image if width is None else {**image, 'width': width, 'height': 48}],
        'annotations': [box] if category else [],
        'categories': [{'id': 1, 'name': category}] if category else [],
    }


def write_set(folder, **contents):
    for name, content in contents.items():
        path = folder / f'{name}.json'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))


def test_all_files_of_a_folder_are_one_set(tmp_path):
    parts = {'val': part('b.png', 'rust'), 'train': part('a.png', 'chip'), 'x': part('c', None)}
    write_set(tmp_path, **parts)
    reader = COCOReader(tmp_path)
    assert reader.classes == ('chip', 'rust')
    records = list(reader)
    assert [record.image_id for record in records] == ['train:1', 'val:1', 'x:1']
    assert [record.labels for record in records] == [('chip',), ('rust',), ()]
    write_set(tmp_path / 'sub', z=part('d.png', 'rust'))
    assert 'sub/z:1' in [record.image_id for record in COCOReader(tmp_path)]
    assert reader.classes == ('chip', 'rust'), 'one class of one name'


def test_folder_with_one_file_keeps_its_ids(tmp_path):
    write_set(tmp_path, train=part('a.png', 'chip'))
    (record,) = COCOReader(tmp_path)
    assert record.image_id == 1


def test_other_json_files_and_repeated_images_are_problems(tmp_path):
    write_set(tmp_path, a=part('a.png', 'chip'), b=part('a.png', None), c={'version': 1})
    message = r'b\.json: 1 image also in .*a\.json .first: a\.png'
    with pytest.raises(InputError, match=message):
        list(COCOReader(tmp_path))
    reader = COCOReader(tmp_path, on_error='drop')
    assert reader.classes == ('chip',)
    assert [record.image_id for record in reader] == ['a:1']
    assert [Path(problem.where).name for problem in reader.problems] == ['b.json', 'c.json']
    assert 'not COCO: no key "images"' in reader.problems[1].what
    (tmp_path / 'b.json').unlink()
    with pytest.raises(InputError, match=r'c\.json: not COCO'):
        _ = COCOReader(tmp_path).classes


@pytest.mark.parametrize(
    ('json_file', 'image'),
    [
        ('train.json', 'a.png'),
        ('train.json', 'images/a.png'),
        ('annotations/train.json', 'images/a.png'),
        ('annotations/instances_train2017.json', 'train2017/a.png'),
        ('annotations/instances_val.json', 'images/val/a.png'),
    ],
)
def test_images_are_found_beside_their_file(tmp_path, json_file, image):
    write_set(tmp_path, **{json_file.removesuffix('.json'): part('a.png', 'chip', width=None)})
    (tmp_path / image).parent.mkdir(parents=True, exist_ok=True)
    Image.new('L', (30, 20)).save(tmp_path / image)
    for source in (tmp_path, tmp_path / json_file):
        (record,) = COCOReader(source)
        assert (record.path, record.width) == (tmp_path / image, 30)


def test_list_file_restricts_a_coco_file(tmp_path):
    path = write(tmp_path, MINIMAL)
    (tmp_path / 'val.txt').write_text('sub/a.png\n')
    (record,) = COCOReader(path, list_file='val.txt')
    assert record.image_id == 0
    (tmp_path / 'val.txt').write_text('c.png\n')
    with pytest.raises(InputError, match=r"val\.txt: 'c\.png' is not in"):
        list(COCOReader(path, list_file='val.txt'))


def test_image_names_that_no_file_can_have(tmp_path):
    for name in ('a' * 5000, 'a\0b'):
        path = write(tmp_path, part(name, 'chip', width=None))
        reader = COCOReader(path, on_error='drop')
        assert list(reader) == []
        assert len(reader.problems) == 1


def test_many_boxes_are_cheap(tmp_path):
    count = 100_000
    content = {
        'images': [
            {'id': i, 'file_name': f'{i}.png', 'width': 99, 'height': 99} for i in range(1000)
        ],
        'annotations': [
            {'id': i, 'image_id': i % 1000, 'category_id': 1, 'bbox': [1, 1, 5, 5]}
            for i in range(count)
        ],
        'categories': [{'id': 1, 'name': 'rust'}],
    }
    path = write(tmp_path, content)
    start = time.perf_counter()
    assert sum(len(record) for record in COCOReader(path)) == count
    assert time.perf_counter() - start < 10
