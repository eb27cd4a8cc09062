from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from mmdefect.drawing import draw_anchors


@pytest.mark.parametrize(
    ('extents', 'classes'),
    [
        ([[10, 40]], ['rust']),
        ([[1, 1]] * 3, ['_hidden', '$a$', 'b' * 80]),
        (np.random.default_rng(0).uniform(1, 900, (500, 2)), [str(n) for n in range(30)]),
    ],
)
def test_draws(extents, classes):
    labels = np.arange(len(extents)) % len(classes)
    png = draw_anchors(extents, labels, classes, [[32, 32]], [[10, 40], [20, 30]], title='$x')
    assert Image.open(io.BytesIO(png)).size == (1650, 550)


def test_no_boxes():
    with pytest.raises(ValueError, match='extents must hold one box or more'):
        draw_anchors([], [], ['rust'], [[32, 32]], [[32, 32]])
