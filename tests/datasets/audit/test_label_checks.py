import numpy as np
import pytest

from mmdefect.datasets.audit import FindingList
from mmdefect.datasets.audit.label_checks import check_boxes


def kinds_of(table):
    found = FindingList()
    touching = check_boxes(table, found)
    return {kind: found.totals[kind] for kind in found.kinds()}, found, touching


# Images are 200 x 100; a class with one normal box more keeps single boxes unusual.
NORMAL = [('rust', 20, 20, 60, 60), ('chip', 100, 30, 140, 70)]


@pytest.mark.parametrize(
    ('rows', 'kinds'),
    [
        ([], {}),
        (NORMAL, {}),
        ([('rust', 10, 10, 11, 40)], {'one-pixel-box': 1}),
        ([('rust', 10, 10, 12, 40)], {'one-pixel-box': 1}),
        ([('rust', 10, 10, 13, 40)], {}),
        ([('rust', 10, 10, 13, 70)], {'extreme-ratio': 1}),
        ([('rust', 10, 10, 13, 69)], {}),
        ([('rust', -2, 10, 30, 40)], {}),
        ([('rust', -3, 10, 30, 40)], {'outside-image': 1}),
        ([('rust', 150, 60, 203, 90)], {'outside-image': 1}),
        ([('rust', 300, 300, 330, 330)], {'outside-image': 1}),
        ([('rust', 0, 0, 200, 90)], {'giant-box': 1}),
        ([('rust', 0, 0, 200, 89)], {}),
        ([('rust', 20, 20, 60, 60), ('rust', 20, 20, 60, 61)],
         {'same-box-twice': 1, 'touching-boxes': 1}),
        ([('rust', 20, 20, 60, 60), ('chip', 20, 20, 60, 61)], {'two-classes-one-box': 1}),
        ([('rust', 20, 20, 60, 60), ('chip', 20, 20, 60, 66)], {}),
        ([('rust', 20, 20, 60, 60), ('rust', 61, 20, 99, 60)], {'cut-box': 1}),
        ([('rust', 20, 20, 60, 60), ('chip', 61, 20, 99, 60)], {}),
        ([('rust', 20, 20, 60, 60), ('rust', 55, 50, 99, 90)], {'touching-boxes': 1}),
    ],
)  # fmt: skip
def test_boxes(make_table, make_record, rows, kinds):
    assert kinds_of(make_table(train=[make_record('a.png', rows)]))[0] == kinds


def test_texts_name_image_annotation_and_numbers(make_table, make_record):
    rows = [('rust', 20, 20, 60, 60), ('rust', 61, 20, 99, 60), ('rust', 10, 80, 11, 90)]
    _, found, touching = kinds_of(
        make_table(val=[make_record('b.png'), make_record('a.png', rows)])
    )
    cut, thin = found.of('cut-box')[0], found.of('one-pixel-box')[0]
    assert cut.where == 'a.png, annotations 1, 2' and cut.split == 'val'
    assert cut.what == '2 boxes of rust lie edge to edge, flush to 100%'
    assert cut.marked[0].image == 1 and cut.marked[0].boxes.shape == (2, 4)
    assert thin.where == 'a.png, annotation 3' and thin.what == 'rust: box of 1 x 10 pixels (w x h)'
    assert touching.tolist() == [True, True, False]


def test_ignored_boxes_are_not_paired(make_table, make_record):
    rows = [('rust', 20, 20, 60, 60), ('rust', 20, 20, 60, 60), ('rust', 10, 80, 11, 90)]
    table = make_table(train=[make_record('a.png', rows, ignored=[0, 2])])
    assert kinds_of(table)[0] == {'one-pixel-box': 1}


def test_a_class_that_is_usually_giant_is_a_note(make_table, make_record):
    giant = make_record('a.png', [('rust', 0, 0, 200, 100)])
    small = make_record('b.png', [('rust', 20, 20, 60, 60)])
    kinds, found, _ = kinds_of(make_table(train=[giant, giant, small]))
    assert kinds == {'giant-class': 1}
    assert found.of('giant-class')[0].what == (
        '2 of 3 boxes of rust cover 90% of their image or more'
    )
    assert kinds_of(make_table(train=[giant, *[small] * 9]))[0] == {'giant-box': 1}


def test_classes_laid_out_edge_to_edge_are_no_cuts(make_table, make_record):
    shelf = [('tin', x, 20, x + 20, 80) for x in range(0, 200, 20)]
    kinds, *_ = kinds_of(
        make_table(train=[make_record('a.png', shelf), make_record('b.png', shelf)])
    )
    assert kinds == {'touching-boxes': 2}


def test_pairs_do_not_cross_images(make_table, make_record):
    table = make_table(train=[make_record('a.png', NORMAL[:1]), make_record('b.png', NORMAL[:1])])
    assert kinds_of(table)[0] == {}


def test_huge_coordinates_do_not_hide_others(make_table, make_record):
    rows = [('rust', 20, 20, 60, 60), ('rust', 61, 20, 99, 60), ('rust', 10, 10, 1e30, 1e30)]
    kinds, *_ = kinds_of(make_table(train=[make_record('a.png', rows)]))
    assert kinds['cut-box'] == 1 and kinds['outside-image'] == 1


def test_worst_come_first(make_table, make_record):
    rows = [('rust', -5, 10, 30, 40), ('rust', -50, 10, 30, 40), ('rust', -7, 10, 30, 40)]
    _, found, _ = kinds_of(make_table(train=[make_record('a.png', rows)]))
    corners = [finding.marked[0].boxes[0, 0] for finding in found.of('outside-image')]
    assert corners == [-50, -7, -5]


def test_no_boxes_at_all(make_table, make_record):
    kinds, _, touching = kinds_of(make_table(train=[make_record('a.png')]))
    assert kinds == {} and touching.dtype == np.bool_ and touching.shape == (0,)
