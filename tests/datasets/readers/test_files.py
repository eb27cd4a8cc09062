from __future__ import annotations

import os
from pathlib import Path

import pytest

from mmdefect.datasets.readers.files import name_below, subfolder, walk_files
from mmdefect.datasets.readers.image_index import ImageIndex
from mmdefect.datasets.readers.image_list import ImageList, read_list
from mmdefect.errors import InputError


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def names(folder):
    return [path.relative_to(folder).as_posix() for path in walk_files(folder)]


def test_walk_is_sorted_nearest_first_and_passes_hidden_files_over(tmp_path):
    touch(tmp_path, 'z.txt', 'a/b/c.txt', 'a/d.txt', '.git/x.txt', 'a/.b.txt')
    assert names(tmp_path) == ['z.txt', 'a/d.txt', 'a/b/c.txt']


@pytest.mark.skipif(os.name == 'nt', reason='links need a privilege on Windows')
def test_walk_follows_links_once_and_skips_what_is_no_file(tmp_path):
    data = touch(tmp_path / 'data', 'a.png')
    root = touch(tmp_path / 'root', 'b.png')
    (root / 'linked').symlink_to(data)
    (root / 'loop').symlink_to(root)
    (root / 'broken.png').symlink_to(tmp_path / 'nowhere')
    (root / 'circle.png').symlink_to(root / 'circle.png')
    os.mkfifo(root / 'pipe.png')
    (root / 'piped.png').symlink_to(root / 'pipe.png')
    assert names(root) == ['b.png', 'broken.png', 'circle.png', 'linked/a.png']


def test_names_below_a_folder(tmp_path, monkeypatch):
    touch(tmp_path, 'a/b.png')
    monkeypatch.chdir(tmp_path)
    for folder in (tmp_path, Path('.'), Path('a'), Path('a', '..'), Path('/')):
        path = folder / 'c' / 'd.png'
        assert name_below(folder)(path) == 'c/d.png'
        assert name_below(folder)(path) == path.relative_to(folder).as_posix()


def test_walk_says_when_a_folder_cannot_be_listed(tmp_path):
    with pytest.raises(InputError, match='none: no such folder; check the path'):
        list(walk_files(tmp_path / 'none'))


def test_subfolder_takes_the_likeliest_in_any_case(tmp_path):
    touch(tmp_path, 'JPEGImages/a.png', 'Masks/a.png', 'file')
    assert subfolder(tmp_path, ('images', 'jpegimages')).name == 'JPEGImages'
    assert subfolder(tmp_path, ('file', 'other')) is None
    assert subfolder(tmp_path / 'none', ('images',)) is None


@pytest.mark.parametrize(
    ('name', 'found'),
    [
        ('train/a', 'images/train/a.png'),
        ('labels/val/a', 'images/val/a.png'),
        ('images/val/a.png', 'images/val/a.png'),
        ('b', 'images/b.jpg'),
        ('C:\\x\\b.png', 'images/b.jpg'),
    ],
)
def test_image_with_the_most_similar_folders(tmp_path, name, found):
    touch(tmp_path, 'images/train/a.png', 'images/val/a.png', 'images/b.jpg')
    assert ImageIndex(tmp_path).find('x.xml', name) == tmp_path / found


@pytest.mark.parametrize('name', ['a', 'other/a', 'a.png'])
def test_image_that_no_folder_tells_apart(tmp_path, name):
    touch(tmp_path, 'train/a.png', 'val/a.png')
    with pytest.raises(InputError, match=r'x\.xml: image is ambiguous'):
        ImageIndex(tmp_path).find('x.xml', name)


@pytest.mark.parametrize('name', ['a\0b', 'a' * 5000, '', '..', '/etc', '../' * 50])
def test_image_names_that_cannot_be(tmp_path, name):
    touch(tmp_path, 'b.png')
    with pytest.raises(InputError, match=r'x\.xml: image ') as caught:
        ImageIndex(tmp_path).find('x.xml', name)
    assert len(str(caught.value)) < 400


def test_claim_gives_an_image_to_one_annotation_only(tmp_path):
    index = ImageIndex(touch(tmp_path, 'a.png'))
    assert index.claim('a.xml', 'a') == index.claim('a.xml', 'a')
    with pytest.raises(InputError, match=r'b\.xml: image .*a\.png belongs to a\.xml already'):
        index.claim('b.xml', 'a')


@pytest.mark.parametrize(
    ('line', 'name'),
    [
        ('a', 'deep/a.png'),
        ('deep/a', 'a.png'),
        ('./deep/a.jpg', 'deep/a.png'),
        ('/data/images/a.jpg', 'images/a'),
        ('a.jpg a_not/a.txt', 'a'),
        ('my part 1', 'my part 1.png'),
        ('1.5mm', '1.5mm.png'),
    ],
)
def test_list_entries_name_images(tmp_path, line, name):
    (tmp_path / 'train.txt').write_text(f'{line}\n')
    listed = ImageList(tmp_path / 'train.txt')
    assert not listed.take('other')
    assert listed.left() == [line]
    assert listed.take(name)
    assert listed.left() == []


def test_lists_that_are_none(tmp_path):
    path = tmp_path / 'train.txt'
    path.write_bytes(b'a\xff')
    with pytest.raises(InputError, match=r'train\.txt: list file is not UTF-8 text \(byte 1\)'):
        read_list(path)
    path.write_bytes(b'a')
    os.truncate(path, 65 * 1024**2)
    with pytest.raises(InputError, match=r'train\.txt: list file has more than 65536 KiB'):
        read_list(path)


def test_a_folder_without_images_is_looked_through_once(tmp_path, monkeypatch):
    index = ImageIndex(tmp_path)
    with pytest.raises(InputError, match='no image files'):
        index.find('a.json', 'a.png')
    monkeypatch.setattr('mmdefect.datasets.readers.image_index.files_by_stem', None)
    with pytest.raises(InputError, match=r"a\.json: image 'b\.png' is missing"):
        index.find('a.json', 'b.png')
