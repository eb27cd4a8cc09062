from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mmdefect.datasets.audit import FindingList
from mmdefect.datasets.audit.image_files import inspect_image
from mmdefect.datasets.audit.near_duplicates import check_look_alikes, find_look_alikes


@pytest.fixture
def scenes(tmp_path) -> list[Path]:
    """Six scenes; 0 and 3 are one file, 1 and 4 look alike, 2 and 5 stand alone."""
    generator = np.random.default_rng(5)

    def scene():
        small = generator.integers(0, 256, (10, 10), np.uint8)
        return cv2.resize(small, (120, 100), interpolation=cv2.INTER_CUBIC)

    one, two = scene(), scene()
    files = [one, two, scene(), one, None, scene()]
    paths = [tmp_path / f'{number}.png' for number in range(6)]
    for path, pixels in zip(paths, files, strict=True):
        if pixels is not None:
            Image.fromarray(pixels).save(path)
    paths[4] = tmp_path / '4.jpg'
    brighter = cv2.convertScaleAbs(two, alpha=0.7, beta=40)
    Image.fromarray(brighter).resize((60, 50)).save(paths[4], quality=50)
    return paths


def check(table):
    found = FindingList()
    facts = [inspect_image(path) for path in table.paths]
    alike = check_look_alikes(table, facts, set(), found)
    return found, alike


def test_leaks_between_splits(make_table, make_record, scenes):
    table = make_table(
        train=[make_record(path, [('rust', 1, 1, 9, 9)]) for path in scenes[:3]],
        val=[make_record(path, [('rust', 1, 1, 9, 9)]) for path in scenes[3:]],
    )
    found, alike = check(table)
    assert list(zip(alike.first.tolist(), alike.second.tolist(), strict=True)) == [(0, 3), (1, 4)]
    assert found.totals == {'leak': 2}
    same, like = found.of('leak')
    assert same.where == str(scenes[3]) and same.split == 'train / val'
    assert same.what == f'has the same content as {scenes[0]} of train'
    assert like.what.startswith('looks like (correlation 0.9') and f'{scenes[1]}' in like.what
    assert [part.image for part in like.marked] == [4, 1]


def test_other_boxes_are_said(make_table, make_record, scenes):
    table = make_table(
        train=[make_record(scenes[0], [('rust', 1, 1, 9, 9)])], val=[make_record(scenes[3])]
    )
    assert check(table)[0].of('leak')[0].what.endswith('of train; its boxes differ')


def test_one_leak_per_image_of_the_later_split(make_table, make_record, scenes):
    table = make_table(train=[make_record(scenes[0])] * 3, val=[make_record(scenes[3])])
    found, _ = check(table)
    assert found.totals['leak'] == 1


def test_within_a_split(make_table, make_record, scenes):
    found, _ = check(make_table(train=[make_record(path) for path in scenes]))
    assert found.totals == {'near-duplicate': 2}
    assert found.of('near-duplicate')[0].what.startswith('2 images look alike (correlation 1.000')


def test_same_content_with_other_boxes(make_table, make_record, scenes):
    rows = [('rust', 1, 1, 9, 9)]
    table = make_table(train=[make_record(scenes[0], rows), make_record(scenes[3])])
    found, _ = check(table)
    assert found.totals == {'conflicting-labels': 1}
    what = found.of('conflicting-labels')[0].what
    assert what == f'2 files have the same content but other boxes (1 and 0): {scenes[3]}'
    table = make_table(train=[make_record(scenes[0], rows), make_record(scenes[3], rows)])
    assert check(table)[0].totals == {'near-duplicate': 1}


def test_views_of_a_part_are_alike_by_design(make_table, make_record, scenes):
    train = [make_record(scenes[0], part_id='p'), make_record(scenes[3], part_id='p')]
    assert len(check(make_table(train=train))[0]) == 0
    assert len(check(make_table(train=train[:1], val=train[1:]))[0]) == 0


def test_blank_images_are_not_alike(make_table, make_record, tmp_path):
    for name in ('a.png', 'b.png'):
        Image.new('L', (50, 50), 12).save(tmp_path / name)
    table = make_table(train=[make_record(tmp_path / name) for name in ('a.png', 'b.png')])
    found, alike = check(table)
    assert len(found) == 0 and len(alike.first) == 0


def test_every_copy_in_a_crowd_meets_the_other_split(scenes):
    facts = [inspect_image(scenes[0])] * 400
    splits = [0] * 300 + [1] * 100
    alike = find_look_alikes(range(400), facts, splits)
    across = (alike.first < 300) & (alike.second >= 300)
    assert set(alike.second[across].tolist()) == set(range(300, 400))


@pytest.mark.parametrize('count', [0, 1])
def test_few_images(make_table, make_record, scenes, count):
    found, alike = check(make_table(train=[make_record(path) for path in scenes[:count]]))
    assert len(found) == 0 and alike.whole
