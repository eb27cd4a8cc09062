from __future__ import annotations

import pytest
from PIL import Image

from mmdefect.datasets.readers import FolderReader
from mmdefect.errors import InputError


@pytest.fixture
def folder(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / 'sub').mkdir()
    Image.new('L', (30, 20)).save(tmp_path / 'sub' / 'a.jpg', exif=exif)
    Image.new('I;16', (7, 5)).save(tmp_path / 'b.PNG')
    (tmp_path / 'notes.csv').write_text('x')
    return tmp_path


def test_all_images_sorted_without_boxes(folder):
    reader = FolderReader(folder)
    records = list(reader)
    assert [record.image_id for record in records] == ['b.PNG', 'sub/a.jpg']
    assert [(record.width, record.height) for record in records] == [(7, 5), (20, 30)]
    assert [record.boxes.shape for record in records] == [(0, 4)] * 2
    assert reader.classes == ()
    assert len(list(reader)) == 2, 'a reader can be read again'


def test_one_image_and_a_list(folder):
    (record,) = FolderReader(folder / 'sub' / 'a.jpg')
    assert record.image_id == 'a.jpg'
    (folder / 'list.txt').write_text('a\n')
    (record,) = FolderReader(folder, list_file='list.txt')
    assert record.image_id == 'sub/a.jpg'


def test_bad_images_raise_or_are_dropped(folder):
    (folder / 'c.png').write_bytes(b'no image')
    with pytest.raises(InputError, match=r'c\.png: image cannot be decoded'):
        list(FolderReader(folder))
    reader = FolderReader(folder, on_error='drop')
    assert len(list(reader)) == 2
    assert len(reader.problems) == 1


@pytest.mark.parametrize('source', ['none', 'empty', 'notes.csv'])
def test_sources_without_images(folder, source):
    (folder / 'empty').mkdir()
    with pytest.raises(InputError, match=source):
        list(FolderReader(folder / source))
    with pytest.raises(InputError, match="unknown key 'sources'; did you mean 'source'"):
        FolderReader(folder, sources=1)
