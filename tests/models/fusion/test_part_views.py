from __future__ import annotations

import pytest
from mmdet.structures import DetDataSample

from mmdefect.errors import InputError
from mmdefect.models.fusion import PartViews, images_to_inspect


def views_of(*parts):
    """``(part_id, view_id)`` or ``(part_id, view_id, role)`` per image."""
    keys = ('part_id', 'view_id', 'view_role')
    return PartViews(
        [DetDataSample(metainfo=dict(zip(keys, part, strict=False))) for part in parts]
    )


def groups(views):
    return [row[there].tolist() for row, there in zip(views.slots, views.present, strict=True)]


@pytest.mark.parametrize(
    ('parts', 'expected'),
    [
        ([('a', 0)], [[0]]),
        ([('a', 0), ('a', 1), ('b', 0)], [[0, 1], [2]]),
        # Images of one part need not be neighbours, nor in order.
        ([('b', 2), ('a', 1), ('b', 0), ('a', 0)], [[0, 2], [1, 3]]),
        # Drawn twice: two parts, also when other views are missing in each.
        ([('a', 0), ('a', 1), ('a', 0), ('a', 1)], [[0, 1], [2, 3]]),
        ([('a', 0), ('a', 2), ('a', 0), ('a', 1)], [[0, 1], [2, 3]]),
        # Without an id of the part, and without ids of the views.
        ([(None, 0), (None, 1), ()], [[0], [1], [2]]),
        ([('a',), ('a',), ('a', 0)], [[0, 1, 2]]),
        # Id 0 is an id, as a number too.
        ([(0, 0), (0, 1), ('0', 1)], [[0, 1], [2]]),
    ],
)
def test_groups(parts, expected):
    assert groups(views_of(*parts)) == expected


def test_missing_places_hold_an_image_of_their_own_part():
    views = views_of(('a', 0), ('b', 0), ('b', 1), ('b', 2))
    assert views.slots.tolist() == [[0, 0, 0], [1, 2, 3]]
    assert views.present.tolist() == [[True, False, False], [True, True, True]]


def test_roles_and_ids():
    views = views_of(('a', 3, 'reference'), ('a', 4, 'inspect'), ('b', None))
    assert views.inspect.tolist() == [[False, True], [True, False]]
    assert views.view_ids.tolist() == [3, 4, -1]


@pytest.mark.parametrize(
    ('meta', 'message'),
    [
        (dict(view_role='template'), "a.png: view_role must be one of .*, got 'template'"),
        (dict(view_id=-1), 'a.png: view_id must be a whole number >= 0, got -1'),
        (dict(view_id=0.5), 'view_id must be a whole number'),
        (dict(view_id=True), 'view_id must be a whole number'),
    ],
)
def test_bad_meta(meta, message):
    with pytest.raises(InputError, match=message):
        PartViews([DetDataSample(metainfo=dict(img_path='a.png', **meta))])


def test_role_is_inspect_by_default():
    assert images_to_inspect([DetDataSample(), DetDataSample(metainfo=dict(view_role=None))]) == [
        0,
        1,
    ]


@pytest.mark.parametrize('number', [0, 2])
def test_without_a_view_to_inspect(number):
    reference = DetDataSample(metainfo=dict(view_role='reference', img_path='a.png'))
    with pytest.raises(InputError, match='no view to inspect among'):
        images_to_inspect([reference] * number)
