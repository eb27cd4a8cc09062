from __future__ import annotations

import numpy as np
import pytest

from mmdefect.decision import NotCertifiedError, TrainingManifest, choose_threshold
from mmdefect.decision.training_manifest import TRAINING_MANIFEST
from mmdefect.errors import InputError


def test_round_trip(tmp_path):
    manifest = TrainingManifest(images=['a' * 64, '0' * 64], parts=['p1'])
    manifest.save(tmp_path / 'training.json')
    assert TrainingManifest.load(tmp_path / 'training.json') == manifest


def test_beside_a_checkpoint(tmp_path):
    checkpoint = tmp_path / 'epoch_1.pth'
    assert TrainingManifest.beside(checkpoint) is None
    manifest = TrainingManifest(images=[], complete=False)
    manifest.save(tmp_path / TRAINING_MANIFEST)
    assert TrainingManifest.beside(checkpoint) == manifest
    (tmp_path / TRAINING_MANIFEST).write_text('{}')
    with pytest.raises(InputError, match='no training manifest'):
        TrainingManifest.beside(checkpoint)


def test_union():
    one = TrainingManifest(images=['b' * 64, 'a' * 64], parts=['p1'])
    other = TrainingManifest(images=['a' * 64], parts=['p0'], complete=False)
    both = TrainingManifest(images=['a' * 64, 'b' * 64], parts=['p0', 'p1'], complete=False)
    assert one.union(other) == other.union(one) == both
    assert one.union(one).complete


def test_what_an_incomplete_manifest_says():
    training = TrainingManifest(images=['a' * 64], complete=False)
    scores, labels = np.linspace(0.5, 1, 80), np.ones(80)
    hashes = [[f'{index:064x}'] for index in range(80)]
    chosen = choose_threshold(scores, labels, image_hashes=hashes, training=training)
    assert chosen.overlap == 'unknown'
    hashes[3] = ['a' * 64]
    with pytest.raises(NotCertifiedError, match='the model was trained on'):
        choose_threshold(scores, labels, image_hashes=hashes, training=training)


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
