from __future__ import annotations

import pytest

from mmdefect.errors import InputError
from mmdefect.inference.image_files import find_images
from mmdefect.inference.part_pattern import PartPattern


def test_files_and_folders(tmp_path):
    for name in ('b.png', 'a.JPG', 'deep/er/c.tif', '.hidden.png', 'notes.txt', 'deep/x.csv'):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / 'gone.bmp').symlink_to(tmp_path / 'nowhere')
    found = find_images([tmp_path, tmp_path / 'b.png', str(tmp_path / 'notes.txt')])
    names = [path.removeprefix(f'{tmp_path}/') for path in found.paths]
    # A file that is named is taken as it is; a link to nothing is found unreadable later.
    assert names == ['a.JPG', 'b.png', 'deep/er/c.tif', 'gone.bmp', 'notes.txt']
    assert found.passed_over == 2


def test_nothing_to_inspect(tmp_path):
    (tmp_path / 'notes.txt').touch()
    for sources, reason in (([tmp_path], 'no image files'), ([tmp_path / 'x'], 'no such image')):
        with pytest.raises(InputError, match=reason):
            find_images(sources)


@pytest.mark.parametrize(
    ('pattern', 'paths', 'parts'),
    [
        (None, ['x/a.png'], [None]),
        (r'(?P<part>[^/]+)_v\d+', ['x/c7_v0.png', 'c7_v11.jpg'], ['c7', 'c7']),
        (r'(?P<part>[^/]+)_v\d+', ['a_v1_v2.png'], ['a_v1']),
        (r'(?P<part>[^/]+)/[^/]+', ['x/1/top.png', '2/a.b.png'], ['1', '2']),
        (r'(?P<part>\d+)_(?P<view>\w+)', ['x/7_top.png'], ['7']),
    ],
)  # fmt: skip
def test_parts(pattern, paths, parts):
    assert PartPattern(pattern).parts(paths) == dict(zip(paths, parts, strict=True))


@pytest.mark.parametrize(
    ('pattern', 'reason'),
    [
        ('(', 'part pattern .*correct it'),
        (r'\d+', r'must have the group \(\?P<part>...\)'),
        (r'(?P<part>\d+)', 'x/c7.png: part pattern .* does not match'),
        (r'c7(?P<part>\d*)', 'x/c7.png: part pattern .* does not match'),
    ],
)
def test_bad_patterns(pattern, reason):
    with pytest.raises(InputError, match=reason):
        PartPattern(pattern).parts(['x/c7.png'])
