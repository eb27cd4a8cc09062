from __future__ import annotations

import pytest

from mmdefect.decision import TrainingManifest
from mmdefect.errors import InputError


def test_round_trip(tmp_path):
    manifest = TrainingManifest(images=['a' * 64, '0' * 64], parts=['p1'])
    manifest.save(tmp_path / 'training.json')
    assert TrainingManifest.load(tmp_path / 'training.json') == manifest


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('', 'invalid JSON'),
        ('{"images": ["A"]}', 'key "images.0"'),
        ('{"parts": []}', 'key "images": field required'),
        ('{"images": [], "extra": 1}', 'key "extra"'),
        ('{"format": "mmdefect-training/2", "images": []}', "'mmdefect-training/1'"),
    ],
)
def test_bad_files(tmp_path, text, reason):
    path = tmp_path / 'training.json'
    path.write_text(text)
    with pytest.raises(InputError, match='no training manifest') as error:
        TrainingManifest.load(path)
    assert str(path) in str(error.value) and reason in str(error.value)


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match='cannot be read'):
        TrainingManifest.load(tmp_path / 'no.json')
