from __future__ import annotations

import json
import math

import numpy as np
import pytest
from PIL import Image

from mmdefect.datasets.readers import LabelStudioReader
from mmdefect.errors import InputError

BOX = {'x': 10, 'y': 20, 'width': 50, 'height': 40, 'rotation': 0}
SIZE = {'original_width': 200, 'original_height': 100}


def result(kind='rectanglelabels', label='rust', region='r1', value=BOX, **keys):
    labels = {} if label is None else {kind: [label]}
    return {'id': region, 'type': kind, 'value': {**value, **labels}, **SIZE, **keys}


def annotation(*results, **keys):
    return {'id': 5, 'was_cancelled': False, 'ground_truth': False, 'result': results, **keys}


def task(name='a.png', *annotations, **keys):
    return {
        'id': 17,
        'data': {'image': f'/data/upload/1/0123abcd-{name}'},
        'annotations': annotations,
        'predictions': [annotation(result(label='predicted'))],
        **keys,
    }


@pytest.fixture
def write(tmp_path):
    """``write(*tasks)`` -> export.json beside a.png and b.png of (w, h) (200, 100)."""
    for name in ('a', 'b'):
        Image.new('L', (200, 100)).save(tmp_path / f'{name}.png')

    def save(*tasks, name='export.json'):
        path = tmp_path / name
        path.write_text(json.dumps(tasks))
        return path

    return save


@pytest.mark.parametrize(
    ('item', 'box'),
    [
        (result(), [20, 20, 120, 60]),
        (result(value={**BOX, 'rotation': 90}), [-20, 20, 20, 120]),
        (
            result(value={**BOX, 'rotation': 30}),
            [0, 20, 20 + 100 * math.cos(math.pi / 6), 70 + 40 * math.cos(math.pi / 6)],
        ),
        (result(value={k: BOX[k] for k in ('x', 'y', 'width', 'height')}), [20, 20, 120, 60]),
        (result('polygonlabels', value={'points': [[5, 5], [50, 90], [10, 30]]}), [10, 5, 100, 90]),
        (
            result('ellipselabels', value={'x': 50, 'y': 50, 'radiusX': 10, 'radiusY': 30}),
            [80, 20, 120, 80],
        ),
        (
            result(
                'ellipselabels',
                value={'x': 50, 'y': 50, 'radiusX': 10, 'radiusY': 30, 'rotation': 90},
            ),
            [70, 30, 130, 70],
        ),
        (result('labels'), [20, 20, 120, 60]),
        (result('labels', value={'points': [[5, 5], [50, 90], [10, 30]]}), [10, 5, 100, 90]),
    ],
)
def test_regions(write, item, box):
    (record,) = LabelStudioReader(write(task('a.png', annotation(item))))
    np.testing.assert_allclose(record.boxes, [box], atol=1e-4)
    assert record.boxes.dtype == np.float32
    assert record.labels == ('rust',)
    assert (record.width, record.height) == (200, 100)
    assert record.image_id == 'a.png'


@pytest.mark.parametrize(
    ('item', 'message'),
    [
        (result('brushlabels', value={'format': 'rle', 'rle': [1]}), 'a brush mask is no box'),
        (result('labels', value={'format': 'rle', 'rle': [1]}), 'a brush mask is no box'),
        (result('keypointlabels', value={'x': 1, 'y': 1, 'width': 1}), 'a key point has no area'),
        (result('videorectangle'), "type 'videorectangle' is no region"),
        (result(3, label=None), 'type 3 is no region'),
        ({'type': 'rectanglelabels'}, "type 'rectanglelabels' is no region"),
        (result(label=None), 'has 0 classes'),
        (result('rectangle', label=None, region='r2'), 'has 0 classes'),
        (result(value={**BOX, 'rectanglelabels': ['a', 'b']}, label=None), 'has 2 classes'),
        (result(image_rotation=90), 'turned by 90 degrees while labelling'),
        (result(item_index=1), 'several images'),
        (result('polygonlabels', value={'points': [[1, 2], [3, 4]]}), 'a polygon needs'),
        (result('polygonlabels', value={'points': [[1, 2], [3, 4], 5]}), 'a polygon needs'),
        (result(value={**BOX, 'width': None}), 'not finite'),
        (result(value={**BOX, 'x': '1'}), 'not finite'),
        (result(value={**BOX, 'rotation': 'x'}), 'not finite'),
        (result(value={**BOX, 'width': 1e300}), 'not finite'),
        (result(value={**BOX, 'width': 0}), 'width 0'),
        (result(value={**BOX, 'height': -1, 'rotation': 20}), 'height -1'),
        (
            result('ellipselabels', value={'x': 1, 'y': 1, 'radiusX': -1, 'radiusY': 2}),
            'width 0 and height 0',
        ),
    ],
)
def test_bad_regions(write, item, message):
    good = result(label='chip', region='other')
    path = write(task('a.png', annotation(good, item)))
    with pytest.raises(InputError, match=message) as caught:
        list(LabelStudioReader(path))
    assert str(caught.value).startswith(f'{path}, task number 1 (id 17), ')
    assert str(caught.value).count("on_error='drop'") == 1
    reader = LabelStudioReader(path, on_error='drop')
    (record,) = reader
    assert (record.labels, record.box_ids) == (('chip',), (1,))
    assert len(reader.problems) == 1


def test_outline_and_class_with_separate_tools(write):
    items = (result('rectangle', label=None), result('labels'))
    (record,) = LabelStudioReader(write(task('a.png', annotation(*items))))
    assert (record.labels, len(record)) == (('rust',), 1)


def test_answers_and_further_data_are_carried(write):
    items = (
        result(),
        result('choices', 'deep', from_name='depth'),
        {'type': 'rating', 'id': 'z', 'from_name': 'focus', 'value': {'rating': 4}},
        {'type': 'relation', 'from_id': 'r1', 'to_id': 'z'},
    )
    one = task('a.png', annotation(*items))
    one['data']['part_id'] = 'p7'
    (record,) = LabelStudioReader(write(one))
    assert record.box_extra == ({'depth': ['deep']},)
    assert record.extra == {'part_id': 'p7', 'focus': 4}


OLD = annotation(result(label='old'), updated_at='2023-05-01T10:00:00Z')
NEW = annotation(result(label='new'), updated_at='2023-05-01T10:00:00.250000Z')
NO_TIME = annotation(result(label='no time'))
CREATED = annotation(result(label='created'), created_at='2024-01-01T00:00:00+00:00')
CANCELLED = annotation(result(label='bad'), was_cancelled=True, updated_at='2030-01-01T00:00:00Z')
TRUTH = annotation(result(label='truth'), ground_truth=True, updated_at='2020-01-01T00:00:00Z')


@pytest.mark.parametrize(
    ('annotations', 'newest', 'first'),
    [
        ((OLD, NEW, NO_TIME), 'new', 'old'),
        ((NEW, OLD), 'new', 'new'),
        ((NO_TIME, OLD), 'old', 'no time'),
        ((OLD, CREATED), 'created', 'old'),
        ((NO_TIME, annotation(result(label='last'))), 'last', 'no time'),
        ((CANCELLED, OLD, NEW), 'new', 'old'),
        ((NEW, TRUTH, OLD), 'truth', 'truth'),
    ],
)
def test_one_annotation_counts(write, annotations, newest, first):
    path = write(task('a.png', *annotations))
    for policy, label in (('newest', newest), ('first', first)):
        (record,) = LabelStudioReader(path, annotation=policy)
        assert record.labels == (label,)
    valid = [a for a in annotations if not a['was_cancelled']]
    if any(a['ground_truth'] for a in valid):
        assert len(list(LabelStudioReader(path, annotation='raise'))) == 1
        return
    with pytest.raises(InputError, match=f'has {len(valid)} annotations; mark one as ground'):
        list(LabelStudioReader(path, annotation='raise'))
    reader = LabelStudioReader(path)
    list(reader)
    assert '1 tasks have several annotations, of which the newest counts' in reader.notes[0]


@pytest.mark.parametrize('unlabelled', [(), (CANCELLED,)])
def test_unlabelled_tasks(write, unlabelled):
    path = write(task('a.png', annotation(result())), task('b.png', *unlabelled, id=18))
    reader = LabelStudioReader(path)
    assert [record.image_id for record in reader] == ['a.png']
    assert (
        '1 tasks have no annotation and are left out; if they are good parts, set'
        in (reader.notes[0])
    )
    records = list(LabelStudioReader(path, unlabelled='good'))
    assert [len(record) for record in records] == [1, 0]
    with pytest.raises(InputError, match=r'task number 2 \(id 18\): has no annotation; label it'):
        list(LabelStudioReader(path, unlabelled='raise'))


def test_only_unlabelled_tasks(write):
    path = write(task('a.png'), task('b.png'))
    with pytest.raises(InputError, match='none of its 2 tasks has an annotation'):
        list(LabelStudioReader(path))


def test_an_empty_annotation_is_a_good_part(write):
    (record,) = LabelStudioReader(write(task('a.png', annotation())))
    assert (record.boxes.shape, record.width, record.height) == ((0, 4), 200, 100)


def test_old_exports_say_completions(write):
    one = task('a.png')
    one['completions'] = [annotation(result(), created_at=1600000000)]
    del one['annotations']
    assert [record.labels for record in LabelStudioReader(write(one))] == [('rust',)]


@pytest.mark.parametrize(
    ('reference', 'file'),
    [
        ('/data/upload/1/0123abcd-x.png', 'images/0123abcd-x.png'),
        ('/data/upload/1/0123abcd-x.png', 'images/x.png'),
        ('/data/local-files/?d=line%201/x.png', 'line 1/x.png'),
        ('s3://bucket/line1/x.png', 'line1/x.png'),
        ('line1\\x.png', 'line1/x.png'),
    ],
)
def test_images_are_found(write, tmp_path, reference, file):
    path = tmp_path / 'photos' / file
    path.parent.mkdir(parents=True)
    Image.new('L', (200, 100)).save(path)
    export = write(task('x', annotation(result()), data={'img': reference, 'n': 3}))
    (record,) = LabelStudioReader(export, image_root=tmp_path / 'photos')
    assert (record.path, record.image_id) == (path, file)
    assert record.extra == {'n': 3}


def test_image_key(write):
    data = {'image': 'a.png', 'template': 'b.png'}
    path = write(task('x', annotation(result()), data=data))
    with pytest.raises(InputError, match='2 keys of data name an image; set image_key to one of'):
        list(LabelStudioReader(path))
    (record,) = LabelStudioReader(path, image_key='template')
    assert (record.image_id, record.extra) == ('b.png', {'image': 'a.png'})
    with pytest.raises(InputError, match="data has no text 'img'; set image_key to one of image"):
        list(LabelStudioReader(path, image_key='img'))


def test_list_file_and_folder(write, tmp_path):
    write(task('a.png', annotation(result())))
    write(task('b.png', annotation()), name='more.json')
    assert [r.image_id for r in LabelStudioReader(tmp_path)] == ['a.png', 'b.png']
    (tmp_path / 'train.txt').write_text('b.png\n')
    (record,) = LabelStudioReader(tmp_path, list_file='train.txt')
    assert record.image_id == 'b.png'
    write({'id': 1}, name='broken.json')
    (tmp_path / 'empty.json').write_text('')
    reader = LabelStudioReader(tmp_path, on_error='drop')
    assert len(list(reader)) == 2
    assert len(reader.problems) == 2


def test_absent_size_is_read_from_the_header(write):
    item = result()
    del item['original_width']
    (record,) = LabelStudioReader(write(task('a.png', annotation(item))))
    assert record.boxes.tolist() == [[20, 20, 120, 60]]


@pytest.mark.parametrize(
    ('bad', 'message'),
    [
        (3, 'no object "data"; export the project as JSON again'),
        ({'id': 1, 'image': 'a.png', 'label': [], 'annotation_id': 3}, 'JSON-MIN and other short'),
        ({'id': 1, 'data': {'image': 'a.png'}}, 'no list "annotations"'),
        (task('a.png', annotations=None), 'no list "annotations"'),
        (task('a.png', annotations=[3]), 'no list "annotations"'),
        (task('a.png', annotation(result=None)), 'its annotation has no list "result"'),
        (task('a.png', annotation(result=[3])), 'its annotation has no list "result"'),
        (task('none.png', annotation()), 'is missing from'),
        (task('x', data={}), '0 keys of data name an image; set image_key to one of its keys'),
        (task('x', data={'image': 'data:image/png;base64,x'}), 'data.image names no file'),
        (task('x', data={'text': 'rust', 'n': 1}), '0 keys of data name an image; .* text, n'),
        (task('b.png', annotation()), 'belongs to .* already'),
        (
            task('a.png', annotation(result(original_width=0))),
            'width and height must be whole numbers from 1, got 0, 100',
        ),
        (
            task('a.png', annotation(result(), result(original_width=100))),
            r'its regions are on images of \(w, h\) \(100, 100\) and \(200, 100\)',
        ),
    ],
)
def test_bad_tasks(write, bad, message):
    path = write(task('b.png', annotation()), bad)
    with pytest.raises(InputError, match=message) as caught:
        list(LabelStudioReader(path))
    assert str(caught.value).startswith(f'{path}, task number 2')
    reader = LabelStudioReader(path, on_error='drop')
    assert [record.image_id for record in reader] == ['b.png']
    assert len(reader.problems) == 1


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', 'the file is empty'),
        ('{"shapes": []}', 'not Label Studio: the top level is no list of tasks'),
        ('[{"data": {}, "data": {}}]', 'name "data" stands twice'),
    ],
)
@pytest.mark.parametrize('on_error', ['raise', 'drop'])
def test_bad_file(tmp_path, text, message, on_error):
    path = tmp_path / 'a.json'
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        list(LabelStudioReader(path, on_error=on_error))


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'source': 'none'}, 'none: Label Studio file or folder is missing'),
        ({'source': 'x/none'}, 'none: Label Studio file or folder is missing'),
        ({'source': 'empty'}, 'no Label Studio files'),
        ({'list_file': 'none.txt'}, 'list file is missing'),
        ({'image_rot': 'x'}, "unknown key 'image_rot'; did you mean 'image_root'"),
        ({'unlabelled': 'x'}, 'unlabelled must be one of'),
        ({'annotation': 'x'}, 'annotation must be one of'),
        ({'on_error': 'x'}, 'on_error must be'),
    ],
)
def test_bad_arguments(write, tmp_path, arguments, message):
    write(task('a.png', annotation()))
    (tmp_path / 'empty').mkdir()
    source = tmp_path / arguments.pop('source', 'export.json')
    with pytest.raises(InputError, match=message):
        list(LabelStudioReader(source, **arguments))
