from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmdefect.datasets.record_converter import RecordConverter
from mmdefect.errors import InputError
from mmdefect.structures import ImageRecord

BOXES = [[-3, 1, 5, 4], [1, 1, 2, 2], [8, 0, 9, 6]]


def record(boxes=BOXES, image_id=0, path='a.png', **extra) -> ImageRecord:
    count = len(boxes)
    return ImageRecord(
        path=Path(path),
        image_id=image_id,
        width=8,
        height=6,
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        labels=('rust',) * count,
        ignored=np.arange(count) == 1,
        box_ids=tuple(range(count)),
        extra=extra,
        box_extra=tuple({'defect_id': i, 'other': i} for i in range(count)),
    )


def converter(**options) -> RecordConverter:
    options = {'check_images': 'none', 'on_error': 'drop', **options}
    return RecordConverter({'rust': 0}, 'train.json', **options)


def test_boxes_are_clipped_dropped_and_counted():
    convert = converter(box_keys=('defect_id',), image_keys=('part_id',))
    info = convert.convert(record(part_id='p', view_id='v'))
    assert info['instances'] == [
        {'bbox': [0, 1, 5, 4], 'bbox_label': 0, 'ignore_flag': 0, 'defect_id': 0},
        {'bbox': [1, 1, 2, 2], 'bbox_label': 0, 'ignore_flag': 1, 'defect_id': 1},
    ]
    assert (info['part_id'], 'view_id' in info) == ('p', False)
    assert (convert.clipped, convert.ignored) == (1, 1)
    assert [problem.where for problem in convert.problems] == ['a.png, annotation 2']


def test_good_image_is_kept():
    assert converter().convert(record([]))['instances'] == []


def test_raise_or_drop_a_repeated_id():
    convert = converter()
    assert convert.convert(record([], 0)) is not None
    assert convert.convert(record([], 0)) is None
    assert convert.convert(record([], '0')) is not None
    convert = converter(on_error='raise')
    convert.convert(record([]))
    with pytest.raises(InputError, match='duplicate image id 0'):
        convert.convert(record([]))


@pytest.mark.parametrize(
    ('check', 'kept'), [('none', (1, 1)), ('header', (0, 1)), ('decode', (0, 0))]
)
def test_image_checks(tmp_path, check, kept):
    noise = np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8)
    Image.new('L', (6, 8)).save(tmp_path / 'turned.png')
    Image.fromarray(noise).save(tmp_path / 'cut.png')
    data = (tmp_path / 'cut.png').read_bytes()
    (tmp_path / 'cut.png').write_bytes(data[: len(data) // 2])
    for name, wanted in zip(('turned.png', 'cut.png'), kept, strict=True):
        convert = converter(check_images=check)
        info = convert.convert(record([], path=str(tmp_path / name)))
        assert (info is not None) == bool(wanted)
        assert len(convert.problems) == 1 - wanted
