"""Which annotated boxes count."""

from __future__ import annotations

import json

import numpy as np
import pytest
from mmdet.registry import DATASETS
from mmengine.registry import init_default_scope

from mmdefect.engine.anchors.training_boxes import read_training_boxes
from mmdefect.engine.config_file import read_config
from mmdefect.errors import InputError


@pytest.mark.parametrize(
    'keys',
    [
        dict(indices=3),
        dict(indices=-3),
        dict(indices=[1, 7, 2]),
        dict(filter_cfg=dict(filter_empty_gt=True), indices=3),
        dict(filter_cfg=dict(min_size=64), indices=[0]),
        dict(single_class=True, metainfo=dict(classes=['defect'])),
    ],
)
def test_images_and_labels_are_those_of_the_data_set(keys, tiny_config):
    init_default_scope('mmdet')
    config = read_config(tiny_config)
    if 'metainfo' in keys:
        config.train_dataloader.dataset.pop('metainfo')
    config.train_dataloader.dataset.update(keys)
    dataset = DATASETS.build(config.train_dataloader.dataset)
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    labels = [item['bbox_label'] for info in infos for item in info['instances']]
    boxes = read_training_boxes(config, 'c.py')
    assert boxes.classes == list(dataset.metainfo['classes']) and not boxes.notes
    assert sorted(boxes.labels.tolist()) == sorted(labels)
    assert {str(path) for path in boxes.paths} == {info['img_path'] for info in infos}


@pytest.mark.parametrize(
    ('keys', 'message'),
    [
        (dict(single_class=True), 'c.py: single_class needs one name in metainfo.classes, got '),
        (dict(indices=0), 'no box in the training data; annotate some'),
        (dict(indices=[99]), r'c.py: .*DefectDataset: cannot be used \(IndexError: index 99'),
        (dict(indices='abc'), 'c.py: .*DefectDataset: cannot be used'),
        (
            dict(metainfo=dict(classes=['dent']), allow_missing_classes=True),
            r'c.py: no box in the training data \(12 boxes of classes that metainfo lacks left out',
        ),
    ],
)  # fmt: skip
def test_bad_data_sets(keys, message, tiny_config):
    config = read_config(tiny_config)
    config.train_dataloader.dataset.update(keys)
    with pytest.raises(InputError, match=message):
        read_training_boxes(config, 'c.py')


def test_what_the_reader_notes_is_shown(tiny_config, tmp_path):
    (tmp_path / 'train.csv').write_text('a.png,30,2,1,20,object,64,48\n')
    config = read_config(tiny_config)
    dataset = config.train_dataloader.dataset
    dataset.metainfo.classes = ['object']
    source = str(tmp_path / 'train.csv')
    dataset.reader = dict(type='mmdefect.SKU110KReader', source=source)
    notes = read_training_boxes(config, 'c.py').notes
    assert any('1 box with reversed corners sorted' in note for note in notes)


def test_parts_are_not_counted_as_images(tiny_config, tiny_coco, tmp_path):
    content = json.loads((tiny_coco / 'train.json').read_text())
    config = read_config(tiny_config)
    config.train_dataloader.dataset.update(type='mmdefect.MultiViewDataset', indices=1)
    boxes = read_training_boxes(config, 'c.py')
    assert len(boxes.placed) == len(content['annotations'])
    assert any('indices of MultiViewDataset: not followed' in note for note in boxes.notes)


def test_dropped_unknown_and_ignored_boxes(tiny_coco, make_config, tmp_path):
    content = json.loads((tiny_coco / 'train.json').read_text())
    first = content['annotations'][0]
    first['iscrowd'] = 1
    content['annotations'][1]['bbox'] = [0, 0, 0, 5]
    content['annotations'][2]['bbox'] = [-10, 4, 30, 40]
    data = tmp_path / 'data'
    data.mkdir()
    (data / 'images').symlink_to(tiny_coco / 'images')
    for split in ('train', 'val'):
        (data / f'{split}.json').write_text(json.dumps(content))
    config = read_config(make_config(tmp_path, data=data))
    config.train_dataloader.dataset.on_error = 'drop'
    boxes = read_training_boxes(config, 'c.py')
    assert len(boxes.placed) == 10 and any('left out' in note for note in boxes.notes)
    # Cut off at the border, as the data set does.
    assert [0.0, 4.0, 20.0, 44.0] in boxes.original.tolist()
    config.train_dataloader.dataset.metainfo.classes = ['rust']
    boxes = read_training_boxes(config, 'c.py')
    assert boxes.classes == ['rust'] and set(boxes.labels.tolist()) == {0}
    assert any('classes that metainfo lacks left out: chip' in note for note in boxes.notes)


def test_what_the_model_sees(tiny_config):
    """The same boxes as those that come out of the real pipeline."""
    config = read_config(tiny_config)
    init_default_scope('mmdet')
    step = next(s for s in config.train_dataloader.dataset.pipeline if s['type'] == 'Resize')
    step.scale = (128, 96)
    for flip in config.train_dataloader.dataset.pipeline:
        if flip['type'] == 'RandomFlip':
            flip.prob = 0.0
    dataset = DATASETS.build(config.train_dataloader.dataset)
    seen = [item['data_samples'].gt_instances.bboxes for item in dataset]
    expected = np.concatenate([getattr(one, 'tensor', one).numpy() for one in seen])
    found = read_training_boxes(config, 'c.py')
    np.testing.assert_allclose(found.placed.boxes, expected, atol=1e-4)
    assert found.placed.padded_sizes.tolist() == [[96, 96]] * 8


def test_unlabelled_parts_are_left_out(tiny_config):
    config = read_config(tiny_config)
    labelled = config.train_dataloader.dataset
    hidden = dict(labelled, pipeline=[dict(type='LoadEmptyAnnotations')])
    config.train_dataloader.dataset = dict(
        type='ConcatDataset',
        datasets=[labelled, hidden, dict(type='RepeatDataset', dataset=labelled)],
    )
    boxes = read_training_boxes(config, 'c.py')
    assert len(boxes.placed) == 24 and boxes.placed.owners.max() == 15
