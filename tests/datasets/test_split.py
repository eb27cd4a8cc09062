from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmdefect.datasets.split import split_coco, stratify
from mmdefect.errors import InputError


def content(images=40, per_part=4, classes=3, seed=0):
    generator = np.random.default_rng(seed)
    annotations = [
        {'id': i, 'image_id': int(image), 'category_id': int(label), 'bbox': [0, 0, 1, 1]}
        for i, (image, label) in enumerate(
            zip(
                generator.integers(0, images, 3 * images),
                generator.integers(0, classes, 3 * images),
                strict=True,
            )
        )
    ]
    return {
        'images': [
            {'id': i, 'file_name': f'part{i // per_part}_{i}.png', 'part_id': i // per_part}
            for i in range(images)
        ],
        'annotations': annotations,
        'categories': [{'id': i, 'name': f'class{i}'} for i in range(classes)],
        'info': {'kept': True},
    }


def without_parts(value):
    value = copy.deepcopy(value)
    for image in value['images']:
        del image['part_id']
    return value


@given(
    images=st.integers(8, 40),
    per_part=st.integers(1, 3),
    share=st.floats(0.3, 0.7),
    seed=st.integers(0, 99),
)
def test_every_image_once_and_parts_together(images, per_part, share, seed):
    whole = content(images, per_part, seed=seed)
    splits = split_coco(whole, {'a': share, 'b': 1 - share}, seed=seed)
    ids = sorted(image['id'] for part in splits.values() for image in part['images'])
    assert ids == list(range(images))
    parts = [{image['part_id'] for image in part['images']} for part in splits.values()]
    assert not parts[0] & parts[1]
    annotations = [a for part in splits.values() for a in part['annotations']]
    assert sorted(a['id'] for a in annotations) == [a['id'] for a in whole['annotations']]
    for part in splits.values():
        owners = {image['id'] for image in part['images']}
        assert all(a['image_id'] in owners for a in part['annotations'])
        assert part['info'] == {'kept': True}


@pytest.mark.parametrize('share', [0.05, 0.1, 0.25, 0.5])
def test_sizes_are_exact_for_single_images(share):
    splits = split_coco(content(200), {'a': share, 'b': 1 - share}, group='id')
    assert len(splits['a']['images']) == round(200 * share)


def test_classes_are_spread_evenly_and_good_images_too():
    whole = without_parts(content(400))
    # Class 0 is rare, a fifth of the images good.
    whole['annotations'] = [
        a for a in whole['annotations'] if a['image_id'] % 5 and (a['category_id'] or a['id'] % 9)
    ]
    splits = split_coco(whole, {'a': 0.2, 'b': 0.8})
    for label in range(3):
        total, chosen = (
            sum(a['category_id'] == label for a in part['annotations'])
            for part in (whole, splits['a'])
        )
        assert chosen / total == pytest.approx(0.2, abs=0.02)
    good = [
        len(part['images']) - len({a['image_id'] for a in part['annotations']})
        for part in (whole, splits['a'])
    ]
    assert good[1] / good[0] == pytest.approx(0.2, abs=0.02)


def test_seed_decides_and_annotations_are_verbatim():
    whole = content()
    before = copy.deepcopy(whole)
    ratios = {'a': 0.5, 'b': 0.5}
    assert split_coco(whole, ratios, seed=1) == split_coco(whole, ratios, seed=1)
    assert split_coco(whole, ratios, seed=1) != split_coco(whole, ratios, seed=2)
    assert whole == before


def test_group_key_and_pattern_agree():
    whole = content()
    by_key = split_coco(whole, {'a': 0.5, 'b': 0.5}, group='part_id')
    by_name = split_coco(without_parts(whole), {'a': 0.5, 'b': 0.5}, group_pattern=r'part(\d+)_')
    for splits in (by_key, by_name):
        parts = [{i['file_name'].split('_')[0] for i in s['images']} for s in splits.values()]
        assert not parts[0] & parts[1]
        assert [len(s['images']) for s in splits.values()] == [20, 20]


def test_minimal_content_without_boxes_or_categories():
    whole = {
        'images': [{'id': i, 'file_name': f'{i}.png'} for i in range(3)],
        'annotations': [],
        'categories': [],
    }
    sizes = [len(s['images']) for s in split_coco(whole, {'a': 0.67, 'b': 0.33}).values()]
    assert sizes == [2, 1]


def test_category_id_zero_counts():
    whole = content(10, 1, 1)
    splits = split_coco(whole, {'a': 0.5, 'b': 0.5})
    assert sum(len(s['annotations']) for s in splits.values()) == 30


def test_stratify_without_classes():
    chosen = stratify(np.zeros((6, 0), int), np.ones(6, int), [0.5, 0.5], np.random.default_rng(0))
    assert np.bincount(chosen).tolist() == [3, 3]


@pytest.mark.parametrize(
    ('ratios', 'message'),
    [
        ({'a': 1.0}, 'two splits'),
        ({'a': 0.5, 'b': 0.4}, 'must sum to 1, got 0.9'),
        ({'a': 1.2, 'b': -0.2}, "share of 'b' must be above 0"),
        ({'a': float('nan'), 'b': 0.2}, "share of 'a' must be above 0"),
        ({'../a': 0.5, 'b': 0.5}, 'must be letters'),
        ({'a': 0.001, 'b': 0.999}, "split 'a' gets no image"),
    ],
)
def test_bad_ratios(ratios, message):
    with pytest.raises(InputError, match=message):
        split_coco(content(), ratios)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'group': 'lot'}, "part0_0.png has no key 'lot'"),
        ({'group_pattern': 'part'}, 'must have one group in parentheses, got 0'),
        ({'group_pattern': '(x'}, 'is no regular expression'),
        ({'group_pattern': 'lot(.)'}, 'does not match part0_0.png'),
        ({'group': 'id', 'group_pattern': '(.)'}, 'exclude each other'),
    ],
)
def test_bad_groups(arguments, message):
    with pytest.raises(InputError, match=message):
        split_coco(content(), {'a': 0.5, 'b': 0.5}, **arguments)


def test_a_part_id_on_some_images_only_is_refused():
    whole = content()
    del whole['images'][3]['part_id']
    with pytest.raises(InputError, match="part0_3.png has no key 'part_id'"):
        split_coco(whole, {'a': 0.5, 'b': 0.5})


@pytest.mark.parametrize(
    ('part', 'keys', 'message'),
    [
        ('images', {'id': 1}, 'duplicate image id 1'),
        ('annotations', {'image_id': 99}, 'annotation 0 has the unknown image_id 99'),
        ('annotations', {'category_id': 99}, 'annotation 0 has the unknown category_id 99'),
    ],
)
def test_bad_content(part, keys, message):
    whole = content()
    whole[part][0].update(keys)
    with pytest.raises(InputError, match=message):
        split_coco(whole, {'a': 0.5, 'b': 0.5})


def test_no_images():
    with pytest.raises(InputError, match='no images to split'):
        split_coco({'images': [], 'annotations': [], 'categories': []}, {'a': 0.5, 'b': 0.5})
