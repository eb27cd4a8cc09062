from mmdefect.datasets.audit import FindingList
from mmdefect.datasets.audit.split_checks import check_splits


def check(table):
    found = FindingList()
    repeated = check_splits(table, found)
    return repeated, {kind: [item.what for item in found.of(kind)] for kind in found.kinds()}, found


def test_all_apart(make_table, make_record):
    table = make_table(train=[make_record('a/1.png')], val=[make_record('b/1.png')])
    assert check(table)[:2] == (set(), {})


def test_same_file_by_another_path(make_table, make_record):
    train = make_record('a/1.png', [('rust', 1, 1, 5, 5)])
    val = make_record('a/../a/1.png', [('chip', 1, 1, 5, 5)])
    repeated, kinds, found = check(make_table(train=[train], val=[val]))
    assert repeated == {1}
    assert kinds == {'leak': ['the same file stands in train and val']}
    leak = found.of('leak')[0]
    assert leak.split == 'train / val' and set(leak.classes) == {'rust', 'chip'}
    assert [part.image for part in leak.marked] == [0, 1]


def test_twice_in_one_split(make_table, make_record):
    table = make_table(train=[make_record('1.png')] * 3)
    assert check(table)[:2] == (
        {1, 2}, {'repeated-image': ['the same file stands 3 times in train']}
    )  # fmt: skip


def test_part_in_two_splits(make_table, make_record):
    table = make_table(
        train=[make_record('1.png', part_id=7), make_record('2.png', part_id=8)],
        val=[make_record('3.png', part_id='7'), make_record('4.png', part_id='7')],
        test=[make_record('5.png', part_id=9)],
    )
    assert check(table)[1] == {'part-leak': ['part 7: 1 image in train, 2 images in val']}
