import cv2
import numpy as np
import pytest

from mmdefect.datasets.audit import thumbnail_match
from mmdefect.datasets.audit.image_files import ImageFacts
from mmdefect.datasets.audit.near_duplicates import find_look_alikes
from mmdefect.datasets.audit.perceptual_hash import perceptual_hash, thumbnail
from mmdefect.datasets.audit.thumbnail_match import correlate, leave_out_common


def test_correlation_of_many_pairs(monkeypatch):
    small = np.random.default_rng(0).integers(0, 256, (9, 64), np.uint8)
    small[8] = 7
    first, second = np.triu_indices(9, 1)
    with np.errstate(invalid='ignore'):
        want = np.nan_to_num(np.corrcoef(small)[first, second])
    np.testing.assert_allclose(correlate(small, first, second), want, atol=1e-4)
    monkeypatch.setattr(thumbnail_match, '_CHUNK', 5)
    np.testing.assert_allclose(correlate(small, first, second), want, atol=1e-4)


def facts_of(image):
    small = thumbnail(image)
    return ImageFacts(deviation=50.0, look=perceptual_hash(small), small=small)


@pytest.mark.parametrize('copies', ['none', 'jpeg', 'half'])
def test_parts_in_a_fixture_are_no_copies(copies):
    """One fixture, forty parts of like texture; a copy of one of them among them."""
    generator = np.random.default_rng(1)
    fixture = cv2.resize(
        generator.integers(0, 256, (9, 9), np.uint8), (256, 256), interpolation=cv2.INTER_CUBIC
    ).astype(float)
    images = []
    for _ in range(40):
        texture = cv2.resize(generator.normal(0, 9, (24, 24)), (256, 256))
        noise = generator.normal(0, 4, (256, 256))
        images.append(np.clip(fixture + texture + noise, 0, 255).astype(np.uint8))
    if copies == 'jpeg':
        code = cv2.imencode('.jpg', images[3], [cv2.IMWRITE_JPEG_QUALITY, 40])[1]
        images.append(cv2.imdecode(code, 0))
    elif copies == 'half':
        images.append(cv2.resize(images[3], (128, 128), interpolation=cv2.INTER_AREA))
    facts = [facts_of(image) for image in images]
    alike = find_look_alikes(range(len(images)), facts, [0] * len(images))
    pairs = list(zip(alike.first.tolist(), alike.second.tolist(), strict=True))
    assert pairs == ([] if copies == 'none' else [(3, 40)])
    # They do look alike: the fixture alone is not told from them by correlation.
    small = np.array([fact.small.ravel() for fact in facts])
    first, second = np.triu_indices(40, 1)
    assert np.median(correlate(small, first, second)) > thumbnail_match.CORRELATION


def test_few_look_alikes_stay():
    small = np.zeros((3, 16), np.uint8)
    stays = leave_out_common(small, np.array([0, 0]), np.array([1, 2]), np.array([0.98, 0.99]))
    assert stays.tolist() == [True, True]
    empty = np.zeros(0, np.int64)
    assert leave_out_common(small, empty, empty, np.zeros(0)).tolist() == []
