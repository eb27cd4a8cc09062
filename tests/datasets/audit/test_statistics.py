import json

import numpy as np

from mmdefect.datasets.audit import compute_statistics


def test_counts_per_split_and_class(make_table, make_record):
    table = make_table(
        classes=('chip', 'rust', 'dent'),
        train=[
            make_record(
                'a.png', [('rust', 0, 0, 20, 10), ('rust', 50, 0, 70, 40)], ignored=[1], part_id='p'
            ),
            make_record('b.png', part_id='p'),
        ],
        val=[make_record('c.png', [('chip', 0, 0, 200, 50)], part_id='q')],
    )
    found = compute_statistics(table, np.array([True, True, False]))
    train, val = found.splits
    assert (train.images, train.good, train.boxes, train.ignored, train.parts) == (2, 1, 2, 1, 1)
    assert (val.images, val.good, val.boxes, val.ignored, val.parts) == (1, 0, 1, 0, 1)
    rows = {row.name: row for row in found.classes}
    assert rows['rust'].boxes == [2, 0] and rows['rust'].images == [1, 0]
    assert rows['rust'].touching == 2 and rows['rust'].half_image == 0
    assert rows['chip'].boxes == [0, 1] and rows['chip'].half_image == 1
    assert rows['dent'].boxes == [0, 0] and rows['dent'].quantiles == {}
    assert found.total.boxes == [2, 1] and found.total.images == [1, 1]


def test_quantiles(make_table, make_record):
    rows = [('rust', 0, 0, 10 * n, 10) for n in range(1, 6)]
    table = make_table(train=[make_record('a.png', rows), make_record('b.png')])
    found = compute_statistics(table)
    quantiles = found.classes[0].quantiles
    assert quantiles['width'] == [10, 12, 20, 30, 40, 48, 50]
    assert quantiles['ratio'] == [1, 1.2, 2, 3, 4, 4.8, 5]
    assert quantiles['side'][3] == float(f'{np.sqrt(300):.6g}')
    assert quantiles['share'][-1] == 500 / 20000
    # Of a class in images that have it, of all in every image.
    assert quantiles['per_image'] == [5] * 7
    assert found.total.quantiles['per_image'][0] == 0


def test_without_boxes(make_table, make_record):
    found = compute_statistics(make_table(train=[make_record('a.png')]))
    assert found.classes == []
    assert found.total.quantiles == {} and found.total.boxes == [0]
    json.dumps(found.as_dict(), allow_nan=False)


def test_parts_of_any_kind_are_counted(make_table, make_record):
    parts = (7, '7', ['a', 1], {'lot': 2}, None)
    records = [make_record(f'{number}.png', part_id=part) for number, part in enumerate(parts)]
    assert compute_statistics(make_table(train=records)).splits[0].parts == 3
