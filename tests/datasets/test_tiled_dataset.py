from __future__ import annotations

import json

import numpy as np
import pytest

from mmdefect.datasets import TiledDataset, TileSampler

PACK = dict(type='mmdefect.PackInputs', optional_meta_keys=('instances', 'tile', 'flip'))
LOAD = [dict(type='mmdefect.LoadImage'), dict(type='LoadAnnotations', with_bbox=True)]


def test_equals_images_cut_beforehand(build_tiles):
    tiled = build_tiles()
    assert len(tiled) == 12 * 7 and tiled.metainfo['classes'] == ('rust',)
    for index in range(len(tiled)):
        image, place = divmod(index, 7)
        x = 8 * place
        sample = tiled[index]
        pixels = sample['inputs'].numpy()
        assert pixels.shape == (3, 16, 16)
        assert (pixels[0] == image).all() and (pixels[1] == np.arange(x, x + 16)).all()
        truth = sample['data_samples']
        assert truth.tile == (x, 0, x + 16, 16)
        left, right = max(4 * image, x), min(4 * image + 9, x + 16)
        share = max(0, right - left) / 9 if image % 3 else 0
        expected = [[left - x, 2, right - x, 8]]
        boxes = truth.gt_instances.bboxes.tensor.tolist()
        ignored = truth.ignored_instances.bboxes.tensor.tolist()
        assert boxes == (expected if share >= 0.3 else [])
        assert ignored == (expected if 0 < share < 0.3 else [])
        info = tiled.get_data_info(index)
        assert (info['width'], info['height']) == (16, 16)
        assert info['instances'] == truth.instances
        assert tiled.get_cat_ids(index) == [0] * (share >= 0.3)


def test_all_clean_and_one_image(build_tiles, strips):
    content = json.loads((strips / 'train.json').read_text())
    content.update(images=content['images'][:1], annotations=[])
    (strips / 'clean.json').write_text(json.dumps(content))
    reader = dict(type='mmdefect.COCOReader', ann_file=str(strips / 'clean.json'))
    tiled = build_tiles(dataset=dict(type='mmdefect.DefectDataset', reader=reader, pipeline=LOAD))
    drawn = list(TileSampler(tiled, 4, seed=0))
    assert sorted(map(int, drawn)) == list(range(7))
    assert len(tiled[0]['data_samples'].gt_instances) == 0


def test_wraps_a_stock_data_set_with_masks(build_tiles, strips):
    content = json.loads((strips / 'train.json').read_text())
    content['images'] = content['images'][:3]
    content['annotations'] = content['annotations'][:2]
    for item in content['annotations']:
        x, y, w, h = item['bbox']
        # A triangle, in the upper left half of the box.
        item.update(segmentation=[[x, y, x + w, y, x, y + h]], area=w * h / 2, iscrowd=0)
    (strips / 'masks.json').write_text(json.dumps(content))
    tiled = build_tiles(
        dataset=dict(
            type='CocoDataset', ann_file=str(strips / 'masks.json'),
            data_prefix=dict(img=str(strips)), metainfo=dict(classes=('rust',)),
            pipeline=[dict(type='LoadImageFromFile'),
                      dict(type='LoadAnnotations', with_bbox=True, with_mask=True)],
        ),
        size=(10, 16),
        overlap=0,
    )  # fmt: skip
    whole = tiled.dataset[1]['gt_masks'].masks[0]
    masks = []
    for index in range(7, 14):
        truth = tiled[index]['data_samples']
        found = [*truth.gt_instances.masks.masks, *truth.ignored_instances.masks.masks]
        x1, _, x2, _ = truth.tile
        masks.append((sum(found, np.zeros((16, x2 - x1), np.uint8)), truth.tile))
    for mask, (x1, _, x2, _) in masks:
        np.testing.assert_array_equal(mask, whole[:, x1:x2])
    assert sum(mask.any() for mask, _ in masks) == 2


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (dict(overlap=1), 'overlap must be'), (dict(size=(0, 16)), 'size must be'),
        (dict(min_visible=2), 'min_visible must be'), (dict(window=0), 'window must be'),
        (dict(sizes=(16, 16)), "unknown key 'sizes'"),
    ],
)  # fmt: skip
def test_values_out_of_range(build_tiles, options, words):
    with pytest.raises(ValueError, match=words):
        build_tiles(**options)


def test_pipelines_in_the_wrong_place(build_tiles):
    with pytest.raises(ValueError, match='inner data set must load'):
        build_tiles(inner=[])[0]
    with pytest.raises(ValueError, match='inner data set must load'):
        build_tiles(inner=[*LOAD, dict(type='mmdet.PackDetInputs', meta_keys=('img_path',))])[0]
    keep = dict(type='FilterAnnotations', min_gt_bbox_wh=(99, 99), keep_empty=True)
    with pytest.raises(ValueError, match='01.png: a step of the pipeline returned no tile'):
        build_tiles(pipeline=[keep, PACK])[7]


def test_is_lazy(build_tiles):
    tiled = build_tiles(lazy_init=True)
    assert not hasattr(tiled, 'table')
    assert len(tiled) == 84
    assert isinstance(tiled, TiledDataset)
