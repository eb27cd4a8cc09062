from __future__ import annotations

import time

import numpy as np
import pytest
from PIL import Image

from mmdefect.datasets import encode_runs, write_severstal
from mmdefect.datasets.audit import data_sources, read_table
from mmdefect.datasets.readers import SeverstalReader
from mmdefect.errors import InputError

SIZE = (40, 20)
HEADER = 'ImageId,ClassId,EncodedPixels\n'
JOINED = 'ImageId_ClassId,EncodedPixels\n'


def write(folder, text, name='train.csv', images='abc'):
    """The CSV file, and images of 40x20 in ``train_images``."""
    for stem in images:
        path = folder / f'{name[:-4]}_images' / f'{stem}.jpg'
        path.parent.mkdir(exist_ok=True)
        Image.new('L', SIZE).save(path)
    (folder / name).write_text(text)
    return folder / name


def runs(*boxes):
    mask = np.zeros(SIZE[::-1], bool)
    for x1, y1, x2, y2 in boxes:
        mask[y1:y2, x1:x2] = True
    return encode_runs(mask)


def read(source, **options):
    return SeverstalReader(source, size=SIZE, **options)


@pytest.mark.parametrize(
    ('header', 'row'),
    [
        (HEADER, '{image},{kind},{runs}\n'),
        (JOINED, '{image}_{kind},{runs}\n'),
        ('ImageId,EncodedPixels,ClassId\n', '{image},{runs},{kind}\n'),
    ],
)
def test_components_become_boxes_and_images_without_runs_are_good(tmp_path, header, row):
    rows = [
        row.format(image='a.jpg', kind=3, runs=runs((1, 2, 9, 8), (20, 0, 30, 20))),
        row.format(image='a.jpg', kind=1, runs=runs((5, 5, 12, 9))),
        row.format(image='b.jpg', kind=2, runs=''),
    ]
    path = write(tmp_path, header + ''.join(rows))
    reader = read(path)
    first, second, third = reader
    assert first.boxes.tolist() == [[5, 5, 12, 9], [20, 0, 30, 20], [1, 2, 9, 8]]
    assert first.labels == ('pitted', 'scratch', 'scratch')
    assert (first.image_id, first.width, first.height) == ('a.jpg', *SIZE)
    assert len(second) == len(third) == 0
    assert reader.classes == ('pitted', 'crazing', 'scratch', 'patch')
    assert reader.notes == [
        f'{path}: 3 images in train_images, 2 of them good: 1 not in the file, 1 without a run'
    ]


def test_images_of_other_folders_are_not_good(tmp_path):
    """The public set has train_images and test_images; the file may have any name."""
    for folder, stems in (('train_images', 'abc'), ('test_images', 'de')):
        (tmp_path / folder).mkdir()
        for stem in stems:
            Image.new('L', SIZE).save(tmp_path / folder / f'{stem}.jpg')
    (tmp_path / 'labels.csv').write_text(f'{HEADER}b.jpg,1,1 9\n')
    for source in (tmp_path / 'labels.csv', tmp_path):
        reader = read(source)
        assert [record.path.stem for record in reader] == ['a', 'b', 'c']
        assert '3 images in train_images, 2 of them good: 2 not in the file' in reader.notes[0]
        assert '2 images in test_images left out' in reader.notes[1]
    reader = read(tmp_path / 'labels.csv', image_root=tmp_path)
    assert len(list(reader)) == 5
    assert 'in test_images, train_images, 4 of them good: 4 not in the file' in reader.notes[0]
    (tmp_path / 'list.txt').write_text('a\nd\n')
    listed = read(tmp_path / 'labels.csv', list_file='list.txt')
    assert [record.path.stem for record in listed] == ['d', 'a']


def test_header_alone(tmp_path):
    path = write(tmp_path, HEADER)
    with pytest.raises(InputError, match='train.csv: no row below the header'):
        list(read(path))


def test_all_good_and_specks(tmp_path):
    reader = read(write(tmp_path, HEADER), image_root=tmp_path / 'train_images')
    assert [len(record) for record in reader] == [0, 0, 0]
    path = write(tmp_path, f'{HEADER}a.jpg,4,{runs((0, 0, 2, 4), (5, 5, 8, 8))}')
    reader = read(path)
    assert next(iter(reader)).boxes.tolist() == [[5, 5, 8, 8]]
    list(reader)
    assert '1 component of fewer than min_area=9 pixels' in reader.notes[1]
    path.write_text(f'{HEADER}a.jpg,4,800 1\n')
    assert next(iter(read(path, min_area=1))).boxes.tolist() == [[39, 19, 40, 20]], 'one pixel'


@pytest.mark.parametrize(
    ('rows', 'message', 'left'),
    [
        ('a.jpg,1,5 3 9\n', r'line 2: 3 values; write pairs', 'bc'),
        ('a.jpg,1,5 3 6 9\n', r'line 2: runs 5 3 and 6 9 overlap', 'bc'),
        ('a.jpg,1,799 3\n', r'line 2: run 799 3: ends past the last of 800 pixels', 'bc'),
        ('a.jpg,1,nan\n', r"line 2: 'nan' is no whole number", 'bc'),
        ('a.jpg,5,1 3\n', r'line 2: class must be one of 1 to 4', 'bc'),
        ('a.jpg,nan,1 3\n', r'line 2: class must be', 'bc'),
        ('b.jpg,1,1 9\na.jpg,2,1 9\na.jpg,2,30 9\n', r'line 4: class 2 of a\.jpg stands', 'bc'),
        ('a.jpg,1\n', r'line 2: 2 values; write ImageId,ClassId,EncodedPixels', 'bc'),
        (',1,1 9\n', r'line 2: no image is named', 'abc'),
        ('z.jpg,1,1 9\n', r"line 2: image 'z\.jpg' is missing from", 'abc'),
        ('a.jpg,1,1 9\na,2,1 9\n', r'line 3: image .*a\.jpg has masks under another name', 'bc'),
    ],
)  # fmt: skip
def test_bad_rows_raise_or_their_image_is_dropped(tmp_path, rows, message, left):
    """Dropped, not good: its label is only unreadable."""
    path = write(tmp_path, HEADER + rows)
    options = {'image_root': tmp_path / 'train_images'}
    with pytest.raises(InputError, match=rf'train\.csv, {message}'):
        list(read(path, **options))
    reader = read(path, on_error='drop', **options)
    assert [record.image_id for record in reader] == [f'{stem}.jpg' for stem in left]
    assert len(reader.problems) == 1


def test_wrong_size_and_damaged_images(tmp_path):
    path = write(tmp_path, f'{HEADER}a.jpg,1,1 9\n')
    Image.new('L', (20, 10)).save(tmp_path / 'train_images' / 'b.jpg')
    (tmp_path / 'train_images' / 'c.jpg').write_bytes(b'')
    with pytest.raises(InputError, match=r'b\.jpg: the image has \(w, h\) \(20, 10\), but the run'):
        list(read(path))
    reader = read(path, on_error='drop')
    assert [record.image_id for record in reader] == ['a.jpg']
    assert 'the file is empty' in str(reader.problems[1])


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('', 'file is empty; its header must be ImageId,ClassId,EncodedPixels or ImageId_ClassId'),
        ('ImageId,Pixels\na.jpg,1 2\n', "header 'ImageId,Pixels' must be"),
        (f'{HEADER}"a.jpg,1,1 2\n', 'train.csv, line 2: a quotation mark is not closed'),
    ],
)
def test_files_that_are_none(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        list(read(write(tmp_path, content)))


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'classes': 'rust'}, 'classes must be names that differ'),
        ({'classes': ('a', 'a')}, 'classes must be names'),
        ({'size': (0, 3)}, r'size \(w, h\) must be two whole numbers from 1, got \(0, 3\)'),
        ({'size': 3}, 'size'),
        ({'min_area': 0}, 'min_area must be a whole number from 1, got 0'),
        ({'sise': (1, 1)}, "unknown key 'sise'; did you mean 'size'"),
    ],
)
def test_bad_keys(options, message):
    with pytest.raises(InputError, match=f'SeverstalReader: .*{message}'):
        SeverstalReader('train.csv', **options)


def test_folders_lists_and_splits(tmp_path):
    write(tmp_path, f'{HEADER}a.jpg,1,1 9\n')
    write(tmp_path, f'{JOINED}d.jpg_2,1 9\n', 'val.csv', 'd')
    (tmp_path / 'sample_submission.csv').write_text(f'{HEADER}z.jpg,1,1 1\n')
    ids = [record.image_id for record in read(tmp_path)]
    assert ids == ['train:a.jpg', 'train:b.jpg', 'train:c.jpg', 'val:d.jpg']
    sources = data_sources([tmp_path], 'severstal', options={'size': SIZE})
    assert [source.split for source in sources] == ['train', 'val']
    assert read_table(sources).split_of.tolist() == [0, 0, 0, 1]
    (tmp_path / 'list.txt').write_text('b\nd\n')
    listed = read(tmp_path, list_file='list.txt')
    assert [record.image_id for record in listed] == ['train:b.jpg', 'val:d.jpg']


@pytest.mark.parametrize('joined', [True, False])
def test_what_is_written_is_read(tmp_path, joined):
    full = np.ones(SIZE[::-1], bool)
    path = write(tmp_path, '')
    write_severstal(path, [('a.jpg', {4: full, 1: ~full}), ('b.jpg', {})], joined)
    assert path.read_text().count('\n') == (9 if joined else 2)
    reader = read(path)
    assert [record.labels for record in reader] == [('patch',), (), ()]
    assert reader.notes[0].endswith('1 without a run' if joined else '0 without a run')


@pytest.mark.parametrize(
    ('images', 'message'),
    [
        ([('a', {}), ('a', {})], "image 'a' stands twice"),
        ([('a,b', {})], "image name 'a,b' must be a text without commas"),
        ([('', {})], 'image name'),
        ([('a', {5: np.ones((1, 1), bool)})], 'class 5 of a is not among 1 to 4'),
    ],
)
def test_what_cannot_be_written(tmp_path, images, message):
    with pytest.raises(InputError, match=message):
        write_severstal(tmp_path / 'a.csv', images)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_as_many_masks_as_the_public_set_in_time(tmp_path):
    """12,568 images, 7,095 masks of five blobs; the images are links to one file."""
    rng = np.random.default_rng(0)
    text = []
    for _ in range(40):
        mask = np.zeros((256, 1600), bool)
        for x, y in rng.integers((0, 0), (1400, 200), (5, 2)).tolist():
            mask[y : y + rng.integers(10, 50), x : x + rng.integers(20, 190)] = True
        text.append(encode_runs(mask))
    rows = [f'{i}.jpg,{1 + i % 4},{text[i % 40]}\n' for i in range(7095)]
    (tmp_path / 'train_images').mkdir()
    Image.new('L', (1600, 256)).save(tmp_path / 'one.jpg')
    for index in range(12_568):
        (tmp_path / 'train_images' / f'{index}.jpg').hardlink_to(tmp_path / 'one.jpg')
    (tmp_path / 'train.csv').write_text(HEADER + ''.join(rows))
    start = time.process_time()
    reader = SeverstalReader(tmp_path / 'train.csv')
    boxes = sum(len(record) for record in reader)
    seconds = time.process_time() - start
    print(f'{boxes} boxes in {seconds:.1f} s')
    assert reader.notes[0].endswith(f'{12_568 - 7095} not in the file, 0 without a run')
    assert seconds < 60
