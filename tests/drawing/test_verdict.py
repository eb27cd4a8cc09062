from __future__ import annotations

import numpy as np
import pytest

from mmdefect.drawing import draw_verdict


@pytest.mark.parametrize('size', [(1, 1), (60, 80), (40, 900)])
@pytest.mark.parametrize('outcome', ['PASS', 'HOLD', 'FAIL'])
def test_a_bar_above_the_image(outcome, size):
    image = np.full((*size, 3), 128, np.uint8)
    drawn = draw_verdict(image, outcome, 'scratch ä reaches 0.5 ' * 20)
    assert drawn.shape == (size[0] + 24, max(size[1], 320), 3)
    assert (drawn[24:, : size[1]] == 128).all() and (image == 128).all()
    # The bar has the colour of the outcome, and letters on it.
    assert len(np.unique(drawn[:24].reshape(-1, 3), axis=0)) > 1


def test_boxes_and_colours():
    image = np.zeros((40, 40, 3), np.uint8)
    one = draw_verdict(image, 'FAIL', '', [[5, 5, 20, 20]], [0], [0.9], ['rust'])
    assert one[24:, :40].any()
    corner = [tuple(draw_verdict(image, name, '')[0, 0]) for name in ('PASS', 'HOLD', 'FAIL')]
    assert len(set(corner)) == 3
    with pytest.raises(ValueError, match='outcome must be one of PASS, HOLD, FAIL'):
        draw_verdict(image, 'OK', '')
