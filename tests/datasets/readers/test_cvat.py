from __future__ import annotations

import math
import time
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from mmdefect.datasets.readers import CVATReader
from mmdefect.errors import InputError

META = '<meta><task><labels>{}</labels></task></meta>'
LABEL = '<label><name>{}</name><type>any</type><attributes/></label>'
ROOT3 = math.sqrt(3)


def document(*images, classes=('rust', 'chip'), extra=''):
    labels = ''.join(LABEL.format(name) for name in classes)
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>'
        f'{META.format(labels)}{"".join(images)}{extra}</annotations>'
    )


def image(*shapes, name='a.png', size='width="64" height="48"', index=0, subset=''):
    attributes = f'id="{index}" name="{name}" {size} {subset}'
    return f'<image {attributes}>{"".join(shapes)}</image>'


def shape(tag='box', numbers='xtl="1" ytl="2" xbr="9.5" ybr="8"', label='rust', inside='', more=''):
    return f'<{tag} label="{label}" source="manual" {numbers} {more} z_order="0">{inside}</{tag}>'


@pytest.fixture
def write(tmp_path):
    """``write(text)`` -> annotations.xml beside a.png and b.png of (w, h) (64, 48)."""
    for name in ('a', 'b'):
        Image.new('L', (64, 48)).save(tmp_path / f'{name}.png')

    def save(text, name='annotations.xml'):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return save


@pytest.mark.parametrize(
    ('item', 'box'),
    [
        (shape(), [1, 2, 9.5, 8]),
        (shape(more='rotation="90.0"', numbers='xtl="1" ytl="2" xbr="9" ybr="6"'), [3, 0, 7, 8]),
        (
            shape(more='rotation="30"', numbers='xtl="0" ytl="0" xbr="20" ybr="10"'),
            [7.5 - 5 * ROOT3, -2.5 * ROOT3, 12.5 + 5 * ROOT3, 10 + 2.5 * ROOT3],
        ),
        (shape('polygon', 'points="1.0,2.0;9,3;4,8.25"'), [1, 2, 9, 8.25]),
        (shape('polyline', 'points="9,8;1,2"'), [1, 2, 9, 8]),
        (shape('ellipse', 'cx="20" cy="20" rx="5" ry="3"'), [15, 17, 25, 23]),
        (shape('ellipse', 'cx="20" cy="20" rx="5" ry="3" rotation="90"'), [17, 15, 23, 25]),
        (shape('mask', 'rle="3, 1" left="5" top="6" width="2" height="3"'), [5, 6, 7, 9]),
    ],
)
def test_shapes(write, item, box):
    (record,) = CVATReader(write(document(image(item))))
    np.testing.assert_allclose(record.boxes, [box], atol=1e-5)
    assert record.boxes.dtype == np.float32
    assert (record.labels, record.width, record.height) == (('rust',), 64, 48)


@pytest.mark.parametrize(
    ('item', 'message'),
    [
        (shape('points', 'points="1,2"'), '<points> has no area; draw a box'),
        (shape('skeleton', ''), '<skeleton> has no area'),
        (shape('cuboid', 'xtl1="1"'), '<cuboid> is none of box, ellipse, mask, polygon, polyline'),
        (shape('x', ''), '<x> is none of'),
        (shape(label=' '), 'has no label'),
        ('<box xtl="1"/>', 'has no label'),
        (shape(label='dent'), "label 'dent' is not declared in <meta>; declared are chip, rust"),
        (shape('polygon', 'points="1,2;3,4"'), '<polygon> needs points='),
        (shape('polygon', 'points="1,2;3,4;5"'), '<polygon> needs points='),
        (shape('polyline', ''), '<polyline> needs points='),
        (shape('polyline', 'points="1,2;x,4"'), 'not finite'),
        (shape(numbers='xtl="1" ytl="2" xbr="9"'), 'not finite'),
        (shape(numbers='xtl="nan" ytl="2" xbr="9" ybr="9"'), 'not finite'),
        (shape(numbers='xtl="1" ytl="2" xbr="1e300" ybr="9"'), 'not finite'),
        (shape(more='rotation="x"'), 'not finite'),
        (shape(numbers='xtl="9" ytl="2" xbr="1" ybr="9"', more='rotation="3"'), 'width -8'),
        (shape('mask', 'left="5" top="6" width="0" height="3"'), 'width 0'),
        (shape('ellipse', 'cx="20" cy="20" rx="0" ry="3"'), 'width 0'),
    ],
)
def test_bad_shapes(write, item, message):
    path = write(document(image(shape(label='chip'), item)))
    with pytest.raises(InputError, match=message) as caught:
        list(CVATReader(path))
    assert str(caught.value).startswith(f'{path}, image 1 (a.png), ')
    assert str(caught.value).count("on_error='drop'") == 1
    reader = CVATReader(path, on_error='drop')
    (record,) = reader
    assert (record.labels, record.box_ids) == (('chip',), (1,))
    assert len(reader.problems) == 1


def test_attributes_tags_and_good_images(write):
    deep = shape(inside='<attribute name="depth">3</attribute><attribute name="id2"/>')
    covered = shape(more='occluded="1" group_id="4"')
    plain = shape(more='occluded="0"')
    tag = '<tag label="second shift" source="manual"/>'
    reader = CVATReader(write(document(image(deep, tag, covered, plain), image(name='b.png'))))
    first, second = reader
    assert first.box_extra == (
        {'depth': '3', 'id2': ''},
        {'occluded': True, 'group_id': '4'},
        {},
    )
    assert first.extra == {'tags': ['second shift']}
    assert (len(second), second.image_id, second.extra) == (0, 'b.png', {})


def test_classes_are_declared(write, tmp_path):
    write(document(image(), classes=('rust', 'chip')), 'x/1.xml')
    write(document(image(name='b.png'), classes=('dent', 'rust')), 'x/2.xml')
    reader = CVATReader(tmp_path / 'x', image_root=tmp_path)
    assert reader.classes == ('rust', 'chip', 'dent')
    assert len(list(reader)) == 2
    assert reader.classes == ('rust', 'chip', 'dent')


def test_classes_where_none_are_declared(write):
    reader = CVATReader(write(document(image(shape(label='dent')), classes=())))
    assert reader.classes == ('dent',)


def test_project_export_with_subsets(write, tmp_path):
    for folder in ('train/1', 'train/2', 'val/1'):
        path = tmp_path / 'images' / folder / 'a.png'
        path.parent.mkdir(parents=True)
        Image.new('L', (64, 48)).save(path)
    text = (
        document(
            image(name='1/a.png', subset='subset="val"'),
            image(name='2/a.png', subset='subset="train"'),
            image(name='1\\a.png', subset='subset="train"'),
            image(name='a.png'),
        )
        .replace('<task>', '<project>')
        .replace('</task>', '</project>')
    )
    records = list(CVATReader(write(text)))
    assert [record.image_id for record in records] == [
        'images/val/1/a.png', 'images/train/2/a.png', 'images/train/1/a.png', 'a.png',
    ]  # fmt: skip


def test_absent_size_is_read_from_the_header(write):
    (record,) = CVATReader(write(document(image(size=''))))
    assert (record.width, record.height) == (64, 48)


def test_list_file(write, tmp_path):
    path = write(document(image(), image(name='b.png'), image(name='gone.png')))
    (tmp_path / 'val.txt').write_text('b\n')
    assert [record.image_id for record in CVATReader(path, list_file='val.txt')] == ['b.png']


@pytest.mark.parametrize(
    ('bad', 'message'),
    [
        (image(name='none.png'), "image 'none.png' is missing from"),
        (image(name=''), "image '' is missing from"),
        (image(name='a\0.png'.replace('\0', '&#10;')), 'is missing from'),
        (image(name='b.png'), r'belongs to .*annotations\.xml, image 1 \(b\.png\) already'),
        (image(size='width="0" height="48"'), 'width and height must be whole numbers from 1'),
        (image(size='width="x" height="48"'), 'width and height must be whole numbers from 1'),
        (image(size='width="1e9999" height="48"'), 'width and height must be whole numbers'),
    ],
)
def test_bad_images(write, bad, message):
    path = write(document(image(name='b.png'), bad))
    with pytest.raises(InputError, match=message) as caught:
        list(CVATReader(path))
    assert str(caught.value).startswith(f'{path}, image 2 (')
    assert '\n' not in str(caught.value)
    reader = CVATReader(path, on_error='drop')
    assert [record.image_id for record in reader] == ['b.png']
    assert len(reader.problems) == 1


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', 'not a readable XML file'),
        (document(image())[:-5], 'not a readable XML file'),
        ('<annotation/>', 'not CVAT: the root is <annotation>, not <annotations>'),
        (document(extra='<track id="0" label="rust"/>'), 'is "CVAT for video" .*export as'),
        (f'<!DOCTYPE a>{META}', 'a document type is not accepted'),
    ],
)
def test_bad_files(write, tmp_path, text, message):
    path = write(text, 'x/1.xml')
    for on_error in ('raise', 'drop'):
        with pytest.raises(InputError, match=rf'1\.xml: .*{message}'):
            list(CVATReader(path, image_root=tmp_path, on_error=on_error))
    write(document(image(name='b.png')), 'x/2.xml')
    with pytest.raises(InputError, match=message):
        list(CVATReader(tmp_path / 'x', image_root=tmp_path))
    reader = CVATReader(tmp_path / 'x', image_root=tmp_path, on_error='drop')
    assert reader.classes == ('rust', 'chip')
    assert [record.image_id for record in reader][-1] == 'b.png'
    assert len(reader.problems) == 1


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'source': 'none'}, 'none: CVAT file or folder is missing'),
        ({'source': 'x/none'}, 'none: CVAT file or folder is missing'),
        ({'source': 'empty'}, 'no CVAT files'),
        ({'image_root': 'none'}, 'none: image folder is missing'),
        ({'list_file': 'none.txt'}, 'list file is missing'),
        ({'image_rot': 'x'}, "unknown key 'image_rot'; did you mean 'image_root'"),
        ({'on_error': 'x'}, 'on_error must be'),
    ],
)
def test_bad_arguments(write, tmp_path, arguments, message):
    write(document(image()))
    (tmp_path / 'empty').mkdir()
    source = tmp_path / arguments.pop('source', 'annotations.xml')
    with pytest.raises(InputError, match=message):
        list(CVATReader(source, **arguments))


def test_large_files_are_streamed(write, tmp_path):
    images = tmp_path / 'images'
    images.mkdir()
    names = [f'{number}.png' for number in range(200)]
    for name in names:
        (images / name).touch()
    path = write(document(*(image(*[shape()] * 50, name=name) for name in names)))
    reader = CVATReader(path, image_root=images)
    tracemalloc.start()
    try:
        start = time.perf_counter()
        assert sum(len(record) for record in reader) == 10_000
        assert time.perf_counter() - start < 20
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
