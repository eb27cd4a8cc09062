"""Boxes that are followed through wrappers against what the real data sets give."""

from __future__ import annotations

import numpy as np
import pytest
from mmengine.registry import init_default_scope

from mmdefect.engine.anchors.data_chain import dataset_chains, follow_chain
from mmdefect.engine.anchors.training_boxes import read_training_boxes
from mmdefect.engine.config_file import read_config
from mmdefect.errors import InputError

LOAD = [dict(type='mmdefect.LoadImage'), dict(type='LoadAnnotations', with_bbox=True)]
BOX = np.array([[10, 20, 50, 60]], np.float32)


def tiled(dataset, **keys):
    return dict(
        type='mmdefect.TiledDataset', dataset=dict(dataset, pipeline=LOAD),
        **{'size': (30, 24), 'pipeline': [dict(type='mmdefect.PackInputs')], **keys},
    )  # fmt: skip


def follow(dataset, boxes=BOX, size=(100, 80)):
    (chain,) = dataset_chains(dataset)
    return follow_chain(chain, boxes, np.zeros(len(boxes), np.int64), np.array([size]), 'c.py')


@pytest.mark.parametrize(
    'keys',
    [
        dict(overlap=0.25, min_visible=0.6),
        dict(edge='pad', min_visible=0.0),
        dict(edge='drop'),
        dict(size=(500, 500)),
        dict(pipeline=[dict(type='Resize', scale=(60, 40)), dict(type='mmdefect.PackInputs')]),
    ],
)
def test_tiles_are_those_of_the_data_set(keys, tiny_config):
    from mmdet.registry import DATASETS

    init_default_scope('mmdet')
    config = read_config(tiny_config)
    config.train_dataloader.dataset = tiled(config.train_dataloader.dataset, **keys)
    dataset = DATASETS.build(config.train_dataloader.dataset)
    expected, sizes = [], []
    for item in dataset:
        sizes.append(item['inputs'].shape[:0:-1])
        expected.append(item['data_samples'].gt_instances.bboxes.numpy())
    found = read_training_boxes(config, 'c.py')
    np.testing.assert_allclose(found.placed.boxes, np.concatenate(expected), rtol=1e-5)
    assert found.placed.owners.tolist() == [
        tile for tile, boxes in enumerate(expected) for _ in boxes
    ]
    assert found.placed.image_sizes.tolist() == [list(size) for size in sizes]
    assert len(found.paths) == len(dataset) and len(set(found.paths)) <= 8
    assert len(found.original) == len(found.labels) == len(found.placed)
    (note,) = found.notes
    assert f'{len(dataset)} tiles of' in note and 'smaller parts left out' in note


def test_tiles_are_padded_as_the_inner_detector_pads(tiny_config):
    config = read_config(tiny_config)
    config.train_dataloader.dataset = tiled(config.train_dataloader.dataset)
    config.model = dict(type='mmdefect.TiledDetector', detector=config.model, size=(30, 24))
    assert set(map(tuple, read_training_boxes(config, 'c.py').placed.padded_sizes)) == {(32, 32)}


def test_wrappers():
    twice = dict(type='Resize', scale_factor=2.0)
    mosaic = dict(type='Mosaic', img_scale=(64, 64))
    crop = dict(type='RandomCrop', crop_size=(9, 9))
    inner = dict(type='DefectDataset', pipeline=LOAD)
    repeated = dict(type='RepeatDataset', times=2, dataset=dict(inner, pipeline=[twice]))
    for dataset, factor, note in (
        (repeated, 2, None),
        (dict(type='MultiImageMixDataset', dataset=repeated, pipeline=[twice]), 4, None),
        (dict(type='MultiImageMixDataset', dataset=inner, pipeline=[mosaic]), 1, 'Mosaic in the'),
        (dict(type='Turned', dataset=inner, pipeline=[twice]), 2, 'Turned around the data set'),
        (tiled(inner, size=(100, 80), pipeline=[twice, crop]), 2, 'RandomCrop in the pipeline: '),
    ):
        seen = follow(dataset)
        np.testing.assert_allclose(seen.boxes, BOX * factor)
        assert seen.sizes.tolist() == [[100 * factor, 80 * factor]]
        assert note is None and not seen.notes or note in seen.notes[-1]
    assert seen.input_sizes.tolist() == [[9, 9]]
    both = dict(type='ConcatDataset', datasets=[inner, repeated])
    assert [len(chain) for chain in dataset_chains(both)] == [2, 3]
    assert list(dataset_chains(None)) == []


def test_no_boxes_and_one_pixel():
    tiles = tiled(dict(type='DefectDataset'), size=(50, 40))
    for boxes, count in (
        (np.zeros((0, 4), np.float32), 0),
        (BOX[:, [0, 1, 0, 1]] + [0, 0, 1, 1], 1),
    ):
        seen = follow(tiles, boxes)
        assert seen.boxes.shape == (count, 4) and len(seen.sizes) == 4
    (chain,) = dataset_chains(tiles)
    with pytest.raises(InputError, match='no image has a tile of 50 x 40 pixels'):
        follow_chain(chain, BOX[:0], np.zeros(0, int), np.zeros((0, 2), int), 'c.py')


@pytest.mark.parametrize(
    ('keys', 'message'),
    [
        (dict(size=(500, 500), edge='drop'), 'c.py: no image has a tile of 500 x 500 pixels; take'),
        (dict(overlp=0.5), "c.py: TiledDataset: unknown key 'overlp'; did you mean 'overlap'"),
        (dict(size='abc'), 'c.py: .*size'),
        (dict(min_visible=2), 'c.py: TiledDataset: min_visible must be in 0..1, got 2'),
        (dict(pipeline=[dict(type='Resize', scael=3)]), 'c.py: Resize: cannot be used .*scael'),
    ],
)
def test_bad_wrappers(keys, message):
    with pytest.raises(InputError, match=message):
        follow(tiled(dict(type='DefectDataset'), **keys))
