from __future__ import annotations

import pytest

from mmdefect.datasets.readers.layout import by_layout, layout_key

WORDS = ('labels', 'label')


@pytest.mark.parametrize(
    ('one', 'other'),
    [
        ('images/train/a.jpg', 'labels/train/a.txt'),
        ('train/images/a.jpg', 'train/labels/a.txt'),
        ('train_images/a.jpg', 'train-labels/a.txt'),
        ('a.jpg', 'a.txt'),
        ('JPEGImages/a.b.jpg', 'Labels/a.b.txt'),
        ('x/a.jpg', 'X/a.txt'),
    ],
)
def test_equal_keys(one, other):
    assert layout_key(one, WORDS) == layout_key(other, WORDS)


@pytest.mark.parametrize(
    ('one', 'other'),
    [
        ('images/train/a.jpg', 'labels/val/a.txt'),
        ('images/a.jpg', 'labels/A.txt'),
        ('images/a.jpg', 'labelled/a.txt'),
        ('imagenet/a.jpg', 'labels/a.txt'),
        ('images/labels.jpg', 'labels/a.txt'),
    ],
)
def test_different_keys(one, other):
    assert layout_key(one, WORDS) != layout_key(other, WORDS)


def test_files_of_one_key_stay_together(tmp_path):
    paths = [tmp_path / 'images' / 'a.jpg', tmp_path / 'a.png', tmp_path / 'b.png']
    assert by_layout(paths, tmp_path, WORDS) == {'a': paths[:2], 'b': paths[2:]}
