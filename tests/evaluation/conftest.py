"""Images for the evaluation: written by hand, drawn, or from hypothesis."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import strategies as st

from mmdefect.evaluation import ImageResult


def _image_result(truth=(), labels=(), found=(), found_labels=(), scores=(), ignored=None):
    return ImageResult(
        'a.png', 50, 50,
        np.array(truth, np.float32).reshape(-1, 4), np.array(labels, np.int64),
        np.zeros(len(labels), bool) if ignored is None else np.array(ignored, bool),
        np.array(found, np.float32).reshape(-1, 4), np.array(found_labels, np.int64),
        np.array(scores, np.float32),
    )  # fmt: skip


def _boxes_of(generator, count, size):
    corner = generator.uniform(0, size * 0.7, (count, 2))
    extent = generator.uniform(1, size * 0.3, (count, 2))
    return np.concatenate([corner, corner + extent], axis=1).astype(np.float32)


def _random_images(seed, images=6, classes=3, most_boxes=5, clutter=6, crowd=0.2, size=100):
    """Ground truth, detections that are shifted copies of it, and clutter."""
    generator = np.random.default_rng(seed)
    results = []
    for index in range(images):
        count = int(generator.integers(0, most_boxes + 1))
        truth = _boxes_of(generator, count, size)
        labels = generator.integers(0, classes, count)
        shifted = truth + generator.normal(0, 1.5, (count, 4))
        shifted[:, 2:] = np.maximum(shifted[:, 2:], shifted[:, :2] + 1)
        extra = int(generator.integers(0, clutter + 1))
        found = np.concatenate([shifted, _boxes_of(generator, extra, size)]).astype(np.float32)
        found_labels = np.concatenate([labels, generator.integers(0, classes, extra)])
        scores = generator.permutation(len(found)) / 1000 + 0.1
        results.append(
            ImageResult(
                f'{index}.png', size, size, truth, labels, generator.random(count) < crowd,
                found, found_labels, scores,
            )
        )  # fmt: skip
    return results


def _box_lists(most):
    # Few places and sizes, so that equal IoUs and IoUs of exactly 0.5 occur.
    side = st.tuples(st.integers(0, 6), st.integers(0, 6))
    row = st.tuples(
        side, side, st.integers(0, 2), st.integers(0, 9), st.integers(0, 4).map(lambda n: n == 0)
    )
    return st.lists(row, max_size=most)


@st.composite
def _small_images(draw, most=8, least=1):
    images = []
    for _ in range(draw(st.integers(least, 4))):
        truth, found = draw(_box_lists(5)), draw(_box_lists(most))
        images.append(
            _image_result(
                [(x, y, x + w, y + h) for (x, w), (y, h), *_ in truth],
                [row[2] for row in truth],
                [(x, y, x + w, y + h) for (x, w), (y, h), *_ in found],
                [row[2] for row in found],
                [row[3] / 10 for row in found],
                [row[4] for row in truth],
            )
        )
    return images


@pytest.fixture(scope='session')
def image_result():
    """``image_result(truth, labels, found, found_labels, scores, ignored)``, all optional."""
    return _image_result


@pytest.fixture(scope='session')
def random_images():
    """``random_images(seed, images=, classes=, ...)``: boxes, shifted copies of them, clutter."""
    return _random_images


@pytest.fixture(scope='session')
def small_images():
    """Hypothesis strategy ``small_images()``: up to four images of three classes on a grid."""
    return _small_images
