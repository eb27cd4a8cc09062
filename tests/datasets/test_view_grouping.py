from __future__ import annotations

import pytest

from mmdefect.datasets.view_grouping import ViewGrouping
from mmdefect.errors import InputError


def infos(*paths):
    return [{'img_path': path, 'img_id': number} for number, path in enumerate(paths)]


@pytest.mark.parametrize(
    ('arguments', 'paths', 'found'),
    [
        (('image',), ['x/a.png', 'x/b.png'], [('0', 0), ('1', 0)]),
        # Numbers as they stand, also with leading zeros.
        (('folder',), ['d/p/00.png', 'd/p/07.png'], [('p', 0), ('p', 7)]),
        # Words by their place in the sorted list of the whole set: p2 lacks `left`.
        (
            ('folder',),
            ['d/p1/left.png', 'd/p1/right.png', 'd/p2/right.png'],
            [('p1', 0), ('p1', 1), ('p2', 1)],
        ),
        (('folder', None, ('right', 'left')), ['d/p/left.png', 'd/p/right.png'],
         [('p', 1), ('p', 0)]),
        # The folder tells parts apart that have one name.
        (('folder',), ['d/x/p/0.png', 'd/y/p/0.png'], [('x/p', 0), ('y/p', 0)]),
        (
            ('pattern', r'(?P<part>[^/]+)_v(?P<view>\d+)'),
            ['data_v2/a_v1_v0.jpg', 'data_v2/b_v3.jpg'],
            [('a_v1', 0), ('b', 3)],
        ),
        (('pattern', r'(?P<part>\w+/\w+)_(?P<view>[a-z]+)'), ['d/x/1_top.png', 'd/y/1_low.png'],
         [('x/1', 1), ('y/1', 0)]),
    ],
)  # fmt: skip
def test_part_and_view(arguments, paths, found):
    assert ViewGrouping(*arguments).identify(infos(*paths)) == found


def test_keys_of_the_image():
    images = [{'img_path': 'a', 'part_id': 3, 'view_id': 0}]
    assert ViewGrouping().identify(images) == [('3', 0)]


@pytest.mark.parametrize(
    ('image', 'message'),
    [
        ({'part_id': 'p'}, "a.png: the image has no key 'view_id'"),
        ({'view_id': 0}, "a.png: the image has no key 'part_id'"),
        ({'part_id': 'p', 'view_id': -1}, 'a.png: view_id must be a whole number from 0 .*-1'),
        ({'part_id': 'p', 'view_id': True}, 'view_id must be .* got True'),
        ({'part_id': 'p', 'view_id': 1.5}, 'view_id must be .* got 1.5'),
        ({'part_id': 'p', 'view_id': 1000}, 'from 0 to 999, got 1000'),
    ],
)
def test_bad_keys(image, message):
    with pytest.raises(InputError, match=message):
        ViewGrouping().identify([{'img_path': 'a.png', **image}])


@pytest.mark.parametrize(
    ('arguments', 'paths', 'message'),
    [
        (('folder',), ['d/p/img1.png', 'd/q/img2.png'], r'd: no two folders name a view alike'),
        (('pattern', r'(?P<part>p)(?P<view>\d)'), ['d/xp1.png'], r'xp1.png: pattern .* not match'),
        (('pattern', r'(?P<part>p)(?P<view>\d)'), ['d/p1b.png'], r'p1b.png: pattern .* not match'),
        (('folder', None, ['a']), ['d/p/a.png', 'd/p/b.png'], "view 'b' is not among view_names"),
        (('folder',), ['d/p/2024.png'], r'p/2024.png: view_id must be .* got 2024'),
    ],
)
def test_images_that_tell_no_view(arguments, paths, message):
    with pytest.raises(InputError, match=message):
        ViewGrouping(*arguments).identify(infos(*paths))


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('part',), "group_by must be one of .* got 'part'"),
        (('pattern',), "pattern and group_by='pattern' go together"),
        (('keys', '(?P<part>.)(?P<view>.)'), "pattern and group_by='pattern' go together"),
        (('pattern', '('), r"pattern '\(': missing"),
        (('pattern', '(?P<part>.)'), 'must have the groups'),
        (('keys', None, ['a']), 'view_names need group_by'),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(InputError, match=message):
        ViewGrouping(*arguments)
