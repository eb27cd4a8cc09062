from __future__ import annotations

import pytest

from mmdefect.decision.file_kind import file_kind


@pytest.mark.parametrize(
    ('begin', 'kind'),
    [
        (b'', 'an empty file'),
        (b' \n', 'an empty file'),
        (b'a;b\n1;2', 'a CSV table'),
        (b'\xef\xbb\xbfa,b', 'a CSV table'),
        (b'\x80\x04', 'a pickle'),
        (b'PK\x03\x04', 'a checkpoint'),
        (b'\x89PNG\r', 'a PNG image'),
        (b'<annotation>', 'XML'),
        (b'[{"image_id": 1}]', 'a JSON list'),
        (b'{"images": [], "categories": []}', 'COCO labels'),
        (b'{"format": "mmdefect-evaluation/2", "images": []}', 'format mmdefect-evaluation/2'),
        (b'{"a": 1}', None),
        (b'\x00\x01', None),
    ],
)
def test_kinds(begin, kind):
    found = file_kind(begin)
    assert found is None if kind is None else kind in found
