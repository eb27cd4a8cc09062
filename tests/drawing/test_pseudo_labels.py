from __future__ import annotations

import numpy as np
import pytest

from mmdefect.drawing import PseudoLabelImage, class_colours, draw_boxes, draw_pseudo_labels

BLANK = np.full((100, 50, 3), 128, np.uint8)
BLUE = (0xDD, 0x99, 0x11)


def image(**changes):
    given = dict(
        picture=BLANK, caption='a.png', boxes=np.array([[10, 10, 40, 60.0]]), labels=np.array([0]),
        scores=np.array([0.5]),
    )  # fmt: skip
    return PseudoLabelImage(**{**given, **changes})


def coloured(sheet):
    return (sheet == BLUE).all(2)


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({}, 'dent .50'),
        (dict(scores=np.array([1.0])), 'dent 1.00'),
        (dict(uses={'cls': np.array([True]), 'rpn': np.array([True])}), 'dent .50 cr'),
        (dict(uses={'cls': np.array([False])}), 'dent .50 -'),
        (dict(weights=np.array([1.0])), 'dent .50'),
        (dict(weights=np.array([0.25])), 'dent .50 x0.25'),
        (dict(added=np.array([True])), 'dent .50 +'),
    ],
)
def test_words(changes, words):
    assert image(**changes).words(['dent']) == [words]


def test_boxes_are_scaled_with_the_image():
    sheet = draw_pseudo_labels([image()], ['dent'], columns=1, cell=200)
    # 6 pixels around the cell of 200; the image is 100 wide, in the middle.
    rows, columns = np.nonzero(coloured(sheet))
    assert sheet.shape == (6 + 200 + 30 + 6, 212, 3)
    assert 6 + 120 <= rows.max() <= 6 + 122
    assert 56 + 18 <= columns.min() <= 56 + 20


def test_hidden_truth_is_dashed():
    where = dict(boxes=np.zeros((0, 4)), labels=np.zeros(0, int), scores=np.zeros(0))
    hidden = dict(truth=np.array([[10, 10, 40, 60.0]]), truth_labels=np.array([0]))
    solid, dashed, nothing = (
        coloured(draw_pseudo_labels([image(**keys)], ['dent'], cell=200)).sum()
        for keys in ({}, {**where, **hidden}, where)
    )
    assert nothing == 0 < dashed < solid


def test_the_legend_stands_above():
    bare = draw_pseudo_labels([image()] * 3, ['dent'], columns=2, cell=100)
    sheet = draw_pseudo_labels([image()] * 3, ['dent'], columns=2, cell=100, legend='a\nb')
    assert sheet.shape[1] == bare.shape[1] and sheet.shape[0] > bare.shape[0] + 30
    assert (sheet[-bare.shape[0] :] == bare).all()
    assert (sheet[: -bare.shape[0]] < 100).any()


@pytest.mark.parametrize(('names', 'lines'), [(2, 1), (12, 3)])
def test_every_class_has_a_square_of_its_colour(names, lines):
    classes = [f'class {number:02d}' for number in range(names)]
    sheet = draw_pseudo_labels([image(boxes=np.zeros((0, 4)), labels=np.zeros(0, int),
        scores=np.zeros(0))] * 2, classes, cell=200, legend='a')  # fmt: skip
    bare = draw_pseudo_labels([image()] * 2, classes, cell=200)
    squares = [
        (sheet == [int(colour[start : start + 2], 16) for start in (5, 3, 1)]).all(2).sum()
        for colour in class_colours(names)
    ]
    assert squares == [121] * names
    assert sheet.shape[0] - bare.shape[0] == 1 + 15 + 12 + 18 * lines


def test_a_long_legend_is_wrapped():
    heights = [
        draw_pseudo_labels([image()], ['dent'], columns=1, cell=200, legend='word ' * words).shape[
            0
        ]
        for words in (2, 40)
    ]
    assert heights[1] - heights[0] >= 6 * 15


def test_of_many_boxes_the_best_carry_words():
    many = dict(
        boxes=np.tile([[0, 95, 8, 99.0]], (30, 1)), labels=np.array([1] * 29 + [0]),
        scores=np.array([0.1] * 29 + [0.9]),
    )  # fmt: skip
    sheet = draw_pseudo_labels([image(**many)], ['a', 'b'], columns=1, cell=200)
    # The best one lies on top, whatever its place in the list.
    first = {key: value[::-1] for key, value in many.items()}
    assert (sheet == draw_pseudo_labels([image(**first)], ['a', 'b'], columns=1, cell=200)).all()
    assert coloured(sheet).sum() > 50
    alone = {key: value[-1:] for key, value in many.items()}
    assert (
        coloured(sheet).sum()
        == coloured(draw_pseudo_labels([image(**alone)], ['a'], columns=1, cell=200)).sum()
    )


def test_the_picture_is_left_as_it_was():
    before = BLANK.copy()
    draw_pseudo_labels([image()], ['dent'])
    assert (before == BLANK).all()


def test_words_in_place_of_names():
    boxes, labels = [[10, 30, 40, 60]], [0]
    named = draw_boxes(BLANK, boxes, labels, [0.5], ['dent'])
    same = draw_boxes(BLANK, boxes, labels, words=['dent 0.50'])
    assert (named == same).all()
    none = draw_boxes(BLANK, boxes, labels, [0.5], ['dent'], words=[''])
    assert (none == draw_boxes(BLANK, boxes, labels)).all()
    with pytest.raises(ValueError, match='words must be 1 long as boxes are, got 2'):
        draw_boxes(BLANK, boxes, labels, words=['a', 'b'])


def test_no_image():
    with pytest.raises(ValueError, match='images must be one image or more'):
        draw_pseudo_labels([], ['dent'])
