from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmdefect.datasets.coco_file import records_to_coco, relative_name, relocate_images
from mmdefect.datasets.readers import COCOReader
from mmdefect.errors import InputError
from mmdefect.structures import ImageRecord


def record(path, boxes, labels, **keys):
    count = len(labels)
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    return ImageRecord(
        path, 'x', 640, 480, boxes, labels, np.zeros(count, bool), (0,) * count, **keys
    )


@given(
    st.lists(
        st.tuples(*[st.floats(0, 300, width=32)] * 2, *[st.floats(1, 300, width=32)] * 2),
        max_size=4,
    )
)
def test_reading_restores_the_records(tmp_path_factory, boxes):
    folder = tmp_path_factory.mktemp('coco')
    corners = np.array(boxes, np.float32).reshape(-1, 4)
    corners[:, 2:] += corners[:, :2]
    written = record(
        folder / 'images' / 'a.png',
        corners,
        ('rust',) * len(boxes),
        extra={'part_id': 'p'},
        box_extra=tuple({'defect_id': i} for i in range(len(boxes))),
    )
    (folder / 'a.json').write_text(json.dumps(records_to_coco([written], ['chip', 'rust'], folder)))
    reader = COCOReader(folder / 'a.json')
    (found,) = reader
    np.testing.assert_array_equal(found.boxes, written.boxes)
    assert found.path == written.path
    assert (found.labels, found.extra) == (written.labels, written.extra)
    assert found.box_extra == written.box_extra
    assert reader.classes == ('chip', 'rust')


def test_ids_begin_at_one_and_classes_may_be_taken_from_the_boxes(tmp_path):
    records = [
        record(tmp_path / 'a.png', [[0, 0, 2, 3]], ('rust',)),
        record(tmp_path / 'b.png', [[0, 0, 2, 3]], ('chip',)),
    ]
    content = records_to_coco(records, None, tmp_path)
    assert content['categories'] == [{'id': 1, 'name': 'chip'}, {'id': 2, 'name': 'rust'}]
    assert [a['category_id'] for a in content['annotations']] == [2, 1]
    assert [a['id'] for a in content['annotations']] == [1, 2]
    assert content['annotations'][0]['area'] == 6
    assert content['annotations'][0]['iscrowd'] == 0


def test_unknown_class():
    with pytest.raises(InputError, match=r"class 'rusts' is not among rust \(did you mean 'rust'"):
        records_to_coco([record(Path('a.png'), [[0, 0, 1, 1]], ('rusts',))], ['rust'], '.')


def test_relative_names(tmp_path):
    assert relative_name(tmp_path / 'images' / 'a.png', tmp_path) == 'images/a.png'
    assert relative_name(tmp_path / 'a.png', tmp_path / 'out' / 'x') == '../../a.png'


def test_names_follow_the_file_only_when_all_images_are_there(tmp_path):
    (tmp_path / 'a.png').touch()
    content = {'images': [{'id': 1, 'file_name': 'a.png'}]}
    moved = relocate_images(content, tmp_path / 'all.json', tmp_path / 'splits')
    assert moved['images'] == [{'id': 1, 'file_name': '../a.png'}]
    assert relocate_images(content, tmp_path / 'all.json', tmp_path) is content
    absent = {'images': [*content['images'], {'id': 2, 'file_name': 'b.png'}]}
    assert relocate_images(absent, tmp_path / 'all.json', tmp_path / 'splits') is absent
