from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from mmdefect.datasets.readers import LabelMeReader
from mmdefect.errors import InputError


def image(path, size=(30, 20), **keys):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new('L', size).save(path, **keys)


def shape(kind='rectangle', points=((3, 4), (10, 12)), label='rust', **keys):
    return {'label': label, 'points': list(map(list, points)), 'shape_type': kind, **keys}


def add(root, stem, *shapes, written=None, with_image=True, **keys):
    if with_image:
        image(root / f'{stem}.png')
    content = {
        'version': '5.4.1',
        'flags': {},
        'shapes': list(shapes),
        'imagePath': f'{stem.rsplit("/", 1)[-1]}.png' if written is None else written,
        'imageData': 'never looked at',
        'imageHeight': 20,
        'imageWidth': 30,
        **keys,
    }
    path = root / f'{stem}.json'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    ('item', 'box'),
    [
        (shape(), [3, 4, 10, 12]),
        (shape(points=[(10, 4), (3, 12)]), [3, 4, 10, 12]),
        (shape(points=[(3, 4), (10, 4), (10, 12), (3, 12)]), [3, 4, 10, 12]),
        (shape('polygon', [(3, 4), (9, 2), (6, 7.5)]), [3, 2, 9, 7.5]),
        (shape('circle', [(10, 9), (13, 13)]), [5, 4, 15, 14]),
        (shape('line', [(9, 8), (1, 2)]), [1, 2, 9, 8]),
        (shape('linestrip', [(1, 2), (5, 9), (3, 1)]), [1, 1, 5, 9]),
        (shape('mask', [(3, 4), (9, 11)], mask='iVBO'), [3, 4, 10, 12]),
        (shape('rotation', [(5, 1), (9, 5), (5, 9), (1, 5)], direction=0.8), [1, 1, 9, 9]),
        (shape(None, [(3, 4), (9, 2), (6, 7.5)]), [3, 2, 9, 7.5]),
        (shape(points=[(-3, -2), (40, 25)]), [-3, -2, 40, 25]),
    ],
)
def test_shapes(tmp_path, item, box):
    add(tmp_path, 'a', item)
    (record,) = LabelMeReader(tmp_path)
    assert record.boxes.tolist() == [box]
    assert record.boxes.dtype == np.float32
    assert record.labels == ('rust',)
    assert record.path == tmp_path / 'a.png'


@pytest.mark.parametrize(
    ('item', 'message'),
    [
        (shape('point', [(3, 4)]), 'a point shape has no area'),
        (shape('points', [(3, 4), (5, 6)]), 'a points shape has no area'),
        (shape('star'), "unknown shape_type 'star'; known are rectangle"),
        (shape(7), 'unknown shape_type 7'),
        (shape(['a']), r"unknown shape_type \['a'\]"),
        (shape('rectangle', [(3, 4)]), 'a rectangle needs 2 points, got 1'),
        (shape('polygon', [(3, 4), (5, 6)]), 'a polygon needs 3 points, got 2'),
        (shape('circle', []), 'a circle needs 2 points, got 0'),
        ({**shape(), 'points': 'x'}, '"points" must be a list of'),
        ({**shape(), 'points': [[1, 2, 3]]}, '"points" must be a list of'),
        ({**shape(), 'points': [1, 2]}, '"points" must be a list of'),
        ({'label': 'rust'}, '"points" must be a list of'),
        (shape(label=''), 'has no label'),
        (shape(label=3), 'has no label'),
        (3, 'must be an object'),
        (shape(points=[(3, None), (5, 6)]), 'not finite'),
        (shape(points=[(3, '4'), (5, 6)]), 'not finite'),
        (shape(points=[(3, 1e300), (5, 6)]), 'not finite'),
        (shape('line', [(3, 4), (3, 9)]), 'width 0 and height 5'),
        (shape('circle', [(3, 4), (3, 4)]), 'width 0 and height 0'),
    ],
)
def test_bad_shapes(tmp_path, item, message):
    path = add(tmp_path, 'a', shape(label='chip'), item)
    with pytest.raises(InputError, match=message) as caught:
        list(LabelMeReader(tmp_path))
    assert str(caught.value).startswith(f'{path}, ')
    assert str(caught.value).count("on_error='drop'") == 1
    reader = LabelMeReader(tmp_path, on_error='drop')
    (record,) = reader
    assert (record.labels, record.box_ids) == (('chip',), (1,))
    assert len(reader.problems) == 1


def test_further_keys(tmp_path):
    add(
        tmp_path,
        'a',
        shape(group_id=0, flags={'deep': True}, description='at the edge'),
        shape(group_id=None, flags={}, description=''),
        flags={'second shift': True},
    )
    (record,) = LabelMeReader(tmp_path)
    first = {'group_id': 0, 'flags': {'deep': True}, 'description': 'at the edge'}
    assert record.box_extra == (first, {})
    assert record.extra == {'flags': {'second shift': True}}


@pytest.mark.parametrize(
    'written',
    ['a.png', './a.png', '..\\sub\\a.png', 'C:\\x\\a.png', '/elsewhere/a.png', 'b/a.png', '', 7],
)
def test_image_path(tmp_path, written):
    add(tmp_path, 'sub/a', shape(), written=written)
    (record,) = LabelMeReader(tmp_path)
    assert record.path == tmp_path / 'sub' / 'a.png'
    assert record.image_id == 'sub/a.png'


def test_image_path_leads_to_another_folder_and_name(tmp_path):
    image(tmp_path / 'images' / 'rust' / 'photo.png')
    image(tmp_path / 'images' / 'chip' / 'photo.png')
    labels = tmp_path / 'labels'
    add(labels, 'rust/1', shape(), written='..\\..\\images\\rust\\photo.png', with_image=False)
    add(labels, 'chip/1', shape(), written='../../images/chip/photo.png', with_image=False)
    records = list(LabelMeReader(labels, image_root=tmp_path / 'images'))
    assert [record.image_id for record in records] == ['chip/photo.png', 'rust/photo.png']


def test_absent_size_is_read_upright_from_the_header(tmp_path):
    add(tmp_path, 'a', shape(), imageWidth=None)
    exif = Image.Exif()
    exif[0x0112] = 6
    image(tmp_path / 'a.png', exif=exif)
    (record,) = LabelMeReader(tmp_path)
    assert (record.width, record.height) == (20, 30)


@pytest.mark.parametrize('width', [0, -1, 30.5, 'x', '30', True, 1e300, [30]])
def test_impossible_sizes(tmp_path, width):
    add(tmp_path, 'a', imageWidth=width)
    with pytest.raises(InputError, match=r'a\.json: width and height must be whole numbers'):
        list(LabelMeReader(tmp_path))


def test_unlabelled_images(tmp_path):
    add(tmp_path, 'rust/1', shape())
    image(tmp_path / 'chip' / '1.png')
    with pytest.raises(InputError, match=r"1 image without LabelMe file .*chip.*'good'.*'skip'"):
        list(LabelMeReader(tmp_path))
    assert len(list(LabelMeReader(tmp_path, unlabelled='skip'))) == 1
    first, good = LabelMeReader(tmp_path, unlabelled='good')
    assert (first.image_id, good.image_id, len(good)) == ('rust/1.png', 'chip/1.png', 0)
    assert (good.width, good.height) == (30, 20)


def test_the_image_of_a_bad_file_never_counts_as_good(tmp_path):
    add(tmp_path, 'a', shape()).write_text('{')
    add(tmp_path, 'b', shape())
    reader = LabelMeReader(tmp_path, unlabelled='good', on_error='drop')
    assert [record.image_id for record in reader] == ['b.png']
    assert len(reader.problems) == 1


def test_an_empty_list_of_shapes_is_a_good_part(tmp_path):
    add(tmp_path, 'a')
    (record,) = LabelMeReader(tmp_path)
    assert record.boxes.shape == (0, 4)


def test_one_file_and_list_file(tmp_path):
    for stem in ('a', 'b', 'c'):
        add(tmp_path, stem, shape())
    (record,) = LabelMeReader(tmp_path / 'b.json')
    assert record.image_id == 'b.png'
    (tmp_path / 'train.txt').write_text('c.png\na\n')
    image(tmp_path / 'd.png')
    records = LabelMeReader(tmp_path, list_file='train.txt')
    assert [record.image_id for record in records] == ['a.png', 'c.png']
    assert list(LabelMeReader(tmp_path / 'b.json', list_file='train.txt', on_error='drop')) == []


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', 'the file is empty'),
        ('{"shapes": [], "shapes": []}', 'name "shapes" stands twice'),
        ('[]', 'not LabelMe: no list "shapes"'),
        ('{"images": []}', 'not LabelMe: no list "shapes"'),
        ('{"shapes": {}}', 'not LabelMe: no list "shapes"'),
        ('{"shapes": [], "imagePath": "none.png"}', "image 'none.png' is missing|belongs to"),
    ],
)
def test_bad_files(tmp_path, text, message):
    add(tmp_path, 'b', shape())
    (tmp_path / 'a.json').write_text(text)
    with pytest.raises(InputError, match=rf'a\.json: .*({message})'):
        list(LabelMeReader(tmp_path))
    with pytest.raises(InputError, match=rf'a\.json: .*({message})'):
        list(LabelMeReader(tmp_path / 'a.json', on_error='drop'))
    reader = LabelMeReader(tmp_path, on_error='drop')
    assert [record.image_id for record in reader] == ['b.png']
    assert len(reader.problems) == 1


def test_two_files_of_one_image(tmp_path):
    add(tmp_path, 'a', shape())
    add(tmp_path, 'b', shape(), written='a.png', with_image=False)
    with pytest.raises(InputError, match=r'b\.json: image .*a\.png belongs to .*a\.json already'):
        list(LabelMeReader(tmp_path))


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'source': 'none'}, 'none: LabelMe file or folder is missing'),
        ({'source': 'x/none'}, 'none: LabelMe file or folder is missing'),
        ({'source': 'empty'}, 'no LabelMe files'),
        ({'image_root': 'none'}, 'none: image folder is missing'),
        ({'list_file': 'none.txt'}, 'list file is missing'),
        ({'image_rot': 'x'}, "unknown key 'image_rot'; did you mean 'image_root'"),
        ({'unlabelled': 'x'}, 'unlabelled must be one of'),
        ({'on_error': 'x'}, 'on_error must be'),
    ],
)
def test_bad_arguments(tmp_path, arguments, message):
    add(tmp_path / 'data', 'a')
    (tmp_path / 'empty').mkdir()
    source = tmp_path / arguments.pop('source', 'data')
    with pytest.raises(InputError, match=message):
        list(LabelMeReader(source, **arguments))
