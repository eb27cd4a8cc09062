"""Parts with several views, as a COCO file; strips cut into tiles."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

TILE_PACK = dict(type='mmdefect.PackInputs', optional_meta_keys=('instances', 'tile', 'flip'))
TILE_LOAD = [dict(type='mmdefect.LoadImage'), dict(type='LoadAnnotations', with_bbox=True)]


@pytest.fixture
def write_parts(tmp_path):
    """``write_parts(views=(3, 2), size=(30, 20), change=None)`` -> path of a COCO file.

    Part ``p<i>`` has ``views[i]`` views of ``size`` (w, h), whose pixels all hold its number
    ``10 * i + view``, one box in view 0, and a shift as homography. ``change`` gets the content.
    """

    def write(views=(3, 2), size=(30, 20), change=None, name='train'):
        content = {'images': [], 'annotations': [], 'categories': [{'id': 0, 'name': 'rust'}]}
        for part, count in enumerate(views):
            for view in range(count):
                number = len(content['images'])
                file_name = f'{name}/p{part}_v{view}.png'
                (tmp_path / name).mkdir(exist_ok=True)
                pixels = np.full((size[1], size[0], 3), 10 * part + view, np.uint8)
                Image.fromarray(pixels).save(tmp_path / file_name)
                shift = [[1, 0, 5 * view], [0, 1, 0], [0, 0, 1]]
                content['images'].append(
                    {'id': number, 'file_name': file_name, 'width': size[0], 'height': size[1],
                     'part_id': f'p{part}', 'view_id': view, 'part_homography': shift}
                )  # fmt: skip
                if view == 0:
                    content['annotations'].append(
                        {'image_id': number, 'category_id': 0, 'bbox': [3, 4, 10, 6],
                         'defect_id': part}
                    )  # fmt: skip
        if change is not None:
            change(content)
        path = tmp_path / f'{name}.json'
        path.write_text(json.dumps(content))
        return path

    return write


@pytest.fixture(scope='session')
def strips(tmp_path_factory):
    """Twelve 64x16 images; every third is clean. Pixels hold image number and column."""
    folder = tmp_path_factory.mktemp('strips')
    content = {'images': [], 'annotations': [], 'categories': [{'id': 0, 'name': 'rust'}]}
    for index in range(12):
        pixels = np.zeros((16, 64, 3), np.uint8)
        pixels[..., 0], pixels[..., 1] = index, np.arange(64)
        Image.fromarray(pixels[..., ::-1]).save(folder / f'{index:02}.png')
        content['images'].append(
            {'id': index, 'file_name': f'{index:02}.png', 'width': 64, 'height': 16}
        )
        if index % 3:
            content['annotations'].append(
                {'id': index, 'image_id': index, 'category_id': 0, 'bbox': [4 * index, 2, 9, 6]}
            )
    (folder / 'train.json').write_text(json.dumps(content))
    return folder


@pytest.fixture
def build_tiles(strips):
    """``build_tiles(pipeline=..., inner=..., **options)`` -> a ``TiledDataset`` of ``strips``."""
    from mmengine.registry import DATASETS, init_default_scope

    def build(pipeline=(TILE_PACK,), inner=None, **options):
        init_default_scope('mmdet')
        dataset = dict(
            type='mmdefect.DefectDataset',
            reader=dict(type='mmdefect.COCOReader', ann_file=str(strips / 'train.json')),
            pipeline=TILE_LOAD if inner is None else inner,
        )
        config = dict(type='mmdefect.TiledDataset', dataset=dataset, size=(16, 16), overlap=0.5,
                      pipeline=list(pipeline))  # fmt: skip
        return DATASETS.build({**config, **options})

    return build
