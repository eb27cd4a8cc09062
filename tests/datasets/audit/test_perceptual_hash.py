import cv2
import numpy as np
import pytest

from mmdefect.datasets.audit import perceptual_hash as module
from mmdefect.datasets.audit.perceptual_hash import (
    close_hashes,
    hamming,
    perceptual_hash,
    thumbnail,
)


def planted(count, generator):
    """Random hashes, some of them copies with up to 13 bits flipped."""
    hashes = generator.integers(0, 2**64, count, dtype=np.uint64)
    for _ in range(count // 5):
        flips = generator.choice(64, generator.integers(0, 14), replace=False)
        mask = np.bitwise_or.reduce(np.uint64(1) << flips.astype(np.uint64), initial=np.uint64(0))
        hashes[generator.integers(count)] = hashes[generator.integers(count)] ^ mask
    return hashes


@pytest.mark.parametrize('most', [0, 1, 3, 7, 10, 11])
def test_finds_exactly_what_comparing_all_finds(most):
    hashes = planted(600, np.random.default_rng(most))
    first, second = np.triu_indices(len(hashes), 1)
    near = hamming(hashes[first], hashes[second]) <= most
    a, b, whole = close_hashes(hashes, most)
    assert whole
    assert a.tolist() == first[near].tolist() and b.tolist() == second[near].tolist()
    assert near.any()


def test_chunks_change_nothing(monkeypatch):
    hashes = planted(300, np.random.default_rng(0))
    whole = close_hashes(hashes)
    monkeypatch.setattr(module, '_CHUNK', 5)
    parts = close_hashes(hashes)
    assert [x.tolist() for x in whole[:2]] == [x.tolist() for x in parts[:2]]


def test_crowds_end_early_and_say_so(monkeypatch):
    monkeypatch.setattr(module, '_CHUNK', 10)
    monkeypatch.setattr(module, '_MOST_PAIRS', 2)
    first, second, whole = close_hashes(np.zeros(200, np.uint64))
    assert not whole and 0 < len(first) <= 128 * 200
    assert (first < second).all()


@pytest.mark.parametrize('count', [0, 1])
def test_nothing_to_compare(count):
    first, second, whole = close_hashes(np.zeros(count, np.uint64))
    assert len(first) == len(second) == 0 and whole


@pytest.mark.parametrize('most', [-1, 12])
def test_bad_limit(most):
    with pytest.raises(ValueError, match='most must be 0 to 11'):
        close_hashes(np.zeros(0, np.uint64), most)


def test_hash_survives_what_copies_suffer():
    generator = np.random.default_rng(1)
    small = generator.integers(0, 256, (12, 16), np.uint8)
    image = cv2.resize(small, (320, 240), interpolation=cv2.INTER_CUBIC)
    hashes = {
        'jpeg': cv2.imdecode(cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], 0),
        'half': cv2.resize(image, (160, 120), interpolation=cv2.INTER_AREA),
        'dark': image // 2,
        'deep': image.astype(np.uint16) * 16,
    }
    whole = np.array([perceptual_hash(thumbnail(image))], np.uint64)
    for name, copy in hashes.items():
        bits = hamming(whole, np.array([perceptual_hash(thumbnail(copy))], np.uint64))
        assert bits[0] <= 4, name
    other = cv2.resize(generator.integers(0, 256, (12, 16), np.uint8), (320, 240))
    assert hamming(whole, np.array([perceptual_hash(thumbnail(other))], np.uint64))[0] > 12


@pytest.mark.parametrize('shape', [(1, 1), (1, 500), (40, 3)])
def test_odd_shapes(shape):
    small = thumbnail(np.full(shape, 7, np.uint8))
    assert small.shape == (32, 32) and small.max() == 0
    assert 0 <= perceptual_hash(small) < 2**64
