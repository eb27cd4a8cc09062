import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmdefect.datasets.audit import AuditTable, config_sources, data_sources, read_table
from mmdefect.datasets.audit.sources import split_by_folder
from mmdefect.errors import InputError

COCO = {
    'images': [{'id': 0, 'file_name': 'a.png', 'width': 64, 'height': 48}],
    'annotations': [{'image_id': 0, 'category_id': 0, 'bbox': [1, 2, 10, 20]}],
    'categories': [{'id': 0, 'name': 'rust'}],
}


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.fixture
def voc(tmp_path):
    box = '<object><name>rust</name><bndbox>{}</bndbox></object>'.format(
        ''.join(
            f'<{key}>{n}</{key}>' for key, n in (('xmin', 1), ('ymin', 2), ('xmax', 9), ('ymax', 8))
        )
    )
    for stem in 'abc':
        write(tmp_path / 'voc' / 'annotations' / f'{stem}.xml', f'<annotation>{box}</annotation>')
        (tmp_path / 'voc' / 'images').mkdir(exist_ok=True)
        Image.new('L', (30, 20)).save(tmp_path / 'voc' / 'images' / f'{stem}.png')
    return tmp_path / 'voc'


def names(sources):
    return [source.split for source in sources]


def test_one_folder_is_one_split(voc):
    sources = data_sources([voc])
    assert names(sources) == ['']
    table = read_table(sources)
    assert len(table) == 3 and table.one_based == [True] and table.classes == ['rust']


@pytest.mark.parametrize('below', ['', 'ImageSets/Main/'])
def test_list_files_in_the_folder_are_splits(voc, below):
    write(voc / f'{below}train.txt', 'a\nb\n')
    write(voc / f'{below}val.txt', 'c\n')
    sources = data_sources([voc])
    assert names(sources) == ['train', 'val']
    table = read_table(sources)
    assert table.split_of.tolist() == [0, 0, 1]
    assert table.problems == []


def test_one_list_file_alone_is_no_split(voc):
    write(voc / 'train.txt', 'a\n')
    assert names(data_sources([voc])) == ['']


def test_lists_given(voc, tmp_path):
    lists = {'old': write(tmp_path / 'x.txt', 'a\n'), 'new': write(tmp_path / 'y.txt', 'b\nc\n')}
    sources = data_sources([voc], lists=lists)
    assert names(sources) == ['old', 'new']
    assert read_table(sources).split_of.tolist() == [0, 1, 1]


def test_options_reach_the_reader(voc):
    table = read_table(data_sources([voc], options={'one_based': False}))
    assert table.one_based == [False] and table.boxes[0].tolist() == [1, 2, 9, 8]


@pytest.mark.parametrize(
    ('files', 'expected'),
    [
        (['val.json', 'train.json', 'test.json'], ['train', 'val', 'test']),
        (['annotations/instances_val2017.json', 'annotations/instances_train2017.json'],
         ['train', 'val']),
        (['train.json'], ['']),
        (['train_a.json', 'train_b.json', 'val.json'], ['']),
        (['one.json', 'two.json'], ['']),
    ],
)  # fmt: skip
def test_coco_files_in_a_folder(tmp_path, files, expected):
    for name in files:
        write(tmp_path / name, COCO)
    assert names(data_sources([tmp_path])) == expected


def test_several_sources_are_named_as_short_as_they_differ(tmp_path):
    paths = [write(tmp_path / name, COCO) for name in ('x/train.json', 'y/train.json')]
    assert names(data_sources(paths)) == ['x/train', 'y/train']
    paths.append(write(tmp_path / 'val.json', COCO))
    assert names(data_sources(paths[1:])) == ['train', 'val']


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (lambda folder: dict(data=[folder / 'none']), 'none: data set file or folder is missing'),
        (lambda folder: dict(data=[folder / 'a.json'] * 2), 'given twice'),
        (lambda folder: dict(data=[folder / 'a.json', folder / 'b.json'], lists={'a': Path('x')}),
         'go with one folder'),
        (lambda folder: dict(data=[folder / 'c.txt']), 'no annotation format fits'),
    ],
)  # fmt: skip
def test_bad_data(tmp_path, arguments, message):
    for name in ('a.json', 'b.json'):
        write(tmp_path / name, COCO)
    write(tmp_path / 'c.txt', 'hello')
    with pytest.raises(InputError, match=message):
        data_sources(**arguments(tmp_path))


def table_of(*paths):
    return AuditTable(
        [''], [], [Path(path) for path in paths], np.zeros(len(paths), np.int32), one_based=[True]
    )


@pytest.mark.parametrize(
    ('paths', 'expected'),
    [
        (['d/images/val/1.png', 'd/images/train/2.png'], ['val', 'train']),
        (['d/train/images/1.png', 'd/valid/images/2.png'], ['train', 'val']),
        (['test/d/train/1.png', 'test/d/test/1.png'], ['train', 'test']),
        (['d/train_2017/1.png', 'd/val_2017/1.png'], ['train', 'val']),
        (['d/train/1.png', 'd/other/2.png'], None),
        (['d/train/1.png', 'd/train/2.png'], None),
        (['d/strain/1.png', 'd/interval/2.png'], None),
    ],
)
def test_split_by_folder(paths, expected):
    table = table_of(*paths)
    split_by_folder(table)
    if expected is None:
        assert table.splits == ['']
        return
    assert [table.split_name(image) for image in range(len(table))] == expected
    assert table.splits[0] == 'train' and table.one_based == [True] * len(table.splits)


def config(**loaders):
    return {f'{name}_dataloader': {'dataset': dataset} for name, dataset in loaders.items()}


def ours(path, **more):
    return dict(
        type='mmdefect.DefectDataset',
        reader=dict(type='mmdefect.COCOReader', ann_file=str(path)),
        **more,
    )


def test_config(tmp_path):
    paths = {name: write(tmp_path / f'{name}.json', COCO) for name in ('train', 'val')}
    sources, classes = config_sources(
        config(
            train=dict(type='RepeatDataset', times=3, dataset=ours(paths['train'])),
            val=ours(paths['val'], metainfo=dict(classes=('rust', 'chip'))),
            test=ours(paths['val']),
        ),
        'c.py',
    )
    assert names(sources) == ['train', 'val'] and classes == ['rust', 'chip']
    assert len(read_table(sources)) == 2


def test_config_of_mmdetection_and_joined_sets(tmp_path):
    write(tmp_path / 'x' / 'one.json', COCO)
    write(tmp_path / 'x' / 'two.json', COCO)

    def theirs(name):
        return dict(
            type='CocoDataset', data_root=str(tmp_path), ann_file=f'x/{name}.json',
            data_prefix=dict(img='pictures/'),
        )  # fmt: skip

    joined = dict(type='ConcatDataset', datasets=[theirs('one'), theirs('two')])
    sources, classes = config_sources(config(train=joined), 'c.py')
    table = read_table(sources)
    assert table.splits == ['train'] and classes is None
    assert table.paths == [tmp_path / 'pictures' / 'a.png'] * 2


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ({}, 'c.py: no data set in'),
        (
            config(train=dict(type='CityscapesDataset')),
            "data set 'CityscapesDataset' has no reader",
        ),
    ],
)
def test_bad_config(content, message):
    with pytest.raises(InputError, match=message):
        config_sources(content, 'c.py')


@pytest.mark.parametrize(
    ('reader', 'message'),
    [
        (dict(type='NoReader'), 'reader type must be one of mmdefect.COCOReader'),
        (dict(type='mmdefect.COCOReader', ann_fil='a'), "unknown key 'ann_fil'|ann_file"),
    ],
)
def test_bad_reader_of_a_config(reader, message):
    sources, _ = config_sources(config(train=dict(type='D', reader=reader)), 'c.py')
    with pytest.raises(InputError) as caught:
        sources[0].open()
    assert re.search(message, str(caught.value))
