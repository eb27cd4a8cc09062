from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from mmdefect.drawing import class_colours, draw_class_progress

NAN = float('nan')


def pixels(*given, **keys):
    return np.asarray(Image.open(io.BytesIO(draw_class_progress(*given, **keys))).convert('RGB'))


def count(picture, colour):
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return int((picture == wanted).all(2).sum())


def test_bars_and_curves_have_the_colours_of_the_classes():
    curves = {'dent': [(500, 0.1), (1000, 0.4)], 'rust': [(500, 0.1), (1000, 0.2)]}
    picture = pixels(curves, {'dent': 0.75, 'rust': 0.25}, title='a')
    dent, rust = (count(picture, colour) for colour in class_colours(2))
    # AP .4 against .2, as bars of the same height, beside curves of about the same length.
    assert dent > rust > 500
    grey = count(picture, '#b8bcc2')
    assert grey > dent


def test_a_longer_share_is_a_longer_bar():
    curves = {'dent': [(500, 0.1)], 'rust': [(500, 0.1)]}
    widths = []
    for share in (0.5, 0.9):
        picture = pixels(curves, {'dent': share, 'rust': 1 - share})
        columns = (picture == (0xB8, 0xBC, 0xC2)).all(2).sum(1)
        widths.append(columns.max() / columns[columns > 20].min())
    assert widths[0] == pytest.approx(1, abs=0.03) and widths[1] > 5


@pytest.mark.parametrize(
    ('curves', 'shares'),
    [
        ({'dent': []}, {'dent': 1.0}),
        ({'dent': [(500, NAN)]}, {'dent': None}),
        ({'dent': [(500, 0.0)]}, {}),
        ({'_hidden $x^2$': [(500, 0.5), (1000, NAN), (1500, 0.6)]}, {'_hidden $x^2$': 0.0}),
        ({f'class {n} ' + 'x' * 40: [(500, 0.1)] for n in range(30)}, {}),
    ],
)
def test_odd_input_is_drawn(curves, shares):
    picture = pixels(curves, shares)
    assert picture.shape[1] == 1265 and (picture < 128).any()


def test_the_same_input_gives_the_same_file():
    curves = {'dent': [(500, 0.1)]}
    assert draw_class_progress(curves, {}) == draw_class_progress(curves, {})


def test_no_class():
    with pytest.raises(ValueError, match='curves must name one class or more'):
        draw_class_progress({}, {})
