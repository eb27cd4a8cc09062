from mmdefect.datasets.audit import FindingList
from mmdefect.datasets.audit.class_checks import check_classes


def boxes(name, count):
    return [(name, 10 * n, 10, 10 * n + 8, 20) for n in range(count)]


def check(table, wanted=None):
    found = FindingList()
    check_classes(table, found, wanted)
    return {kind: [item.what for item in found.of(kind)] for kind in found.kinds()}


def test_enough_of_everything(make_table, make_record):
    rows = boxes('rust', 10) + boxes('chip', 10)
    table = make_table(train=[make_record('a.png', rows)] * 2, val=[make_record('b.png', rows)])
    assert check(table, ['rust', 'chip']) == {}


def test_spelling_and_counts(make_table, make_record):
    rows = boxes('Pin-hole', 19) + boxes('pin hole', 20)
    table = make_table(classes=('Pin-hole', 'pin hole', 'dent'), train=[make_record('a.png', rows)])
    assert check(table) == {
        'similar-class-names': ["'Pin-hole' (19 boxes) and 'pin hole' (20 boxes)"],
        'tiny-class': ["19 boxes of 'Pin-hole'"],
        'empty-class': ["no box of 'dent'"],
    }


def test_unwanted_classes(make_table, make_record):
    rows = boxes('rusts', 20) + boxes('chip', 20)
    table = make_table(train=[make_record('a.png', rows)])
    assert check(table, ['rust', 'chip']) == {
        'unknown-class': ["20 boxes of 'rusts'; did you mean 'rust'?"]
    }
    assert check(table, ['x'])['unknown-class'][1] == "20 boxes of 'chip'; wanted: x"


def test_classes_absent_from_training(make_table, make_record):
    table = make_table(
        train=[make_record('a.png', boxes('rust', 20))],
        val=[make_record('b.png', boxes('chip', 20))],
    )
    assert check(table) == {'class-not-in-train': ["20 boxes of 'chip', none in train"]}


def test_unlabelled_training_images_miss_no_class(make_table, make_record):
    table = make_table(train=[make_record('a.png')], val=[make_record('b.png', boxes('chip', 20))])
    assert check(table) == {}
