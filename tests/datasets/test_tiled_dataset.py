from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from mmengine.registry import DATASETS, init_default_scope
from PIL import Image
from torch.utils.data import DataLoader

from mmdefect.datasets import TiledDataset, TileSampler
from mmdefect.datasets.tile_table import CLEAN, DEFECT

PACK = dict(type='mmdefect.PackInputs', optional_meta_keys=('instances', 'tile', 'flip'))
LOAD = [dict(type='mmdefect.LoadImage'), dict(type='LoadAnnotations', with_bbox=True)]


@pytest.fixture(scope='module')
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
def build(strips):
    def build(pipeline=(PACK,), inner=None, **options):
        init_default_scope('mmdet')
        dataset = dict(
            type='mmdefect.DefectDataset',
            reader=dict(type='mmdefect.COCOReader', ann_file=str(strips / 'train.json')),
            pipeline=LOAD if inner is None else inner,
        )
        config = dict(type='mmdefect.TiledDataset', dataset=dataset, size=(16, 16), overlap=0.5,
                      pipeline=list(pipeline))  # fmt: skip
        return DATASETS.build({**config, **options})

    return build


def test_equals_images_cut_beforehand(build):
    tiled = build()
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


def test_a_pass_is_balanced_and_loads_each_image_once(build):
    tiled = build(window=8)
    loads = Counter()
    load = tiled.dataset.__class__.__getitem__

    class Counting(tiled.dataset.__class__):
        def __getitem__(self, index):
            loads[index] += 1
            return load(self, index)

    tiled.dataset.__class__ = Counting
    sampler = TileSampler(tiled, batch_size=2, defect_share=0.5, lanes=2, seed=0)
    shows = tiled.table.shows
    for epoch in range(2):
        sampler.set_epoch(epoch)
        loads.clear()
        drawn = list(sampler)
        counts = Counter(shows[drawn].tolist())
        assert counts == {DEFECT: (shows == DEFECT).sum(), CLEAN: (shows == DEFECT).sum()}
        assert len(drawn) == len(sampler)
        defects = [int(draw) for draw in drawn if shows[draw] == DEFECT]
        assert sorted(defects) == np.flatnonzero(shows == DEFECT).tolist()
        most = 0
        for draw in drawn:
            tiled[draw]
            most = max(most, len(tiled._loaded))
        assert most <= 8
        assert set(loads) == set(tiled.table.images[drawn].tolist())
        assert sum(loads.values()) <= 1.2 * len(loads)
        assert not tiled._loaded


def test_items_do_not_depend_on_loader_processes(build):
    flip = dict(type='RandomFlip', prob=0.5)
    tiled = build(pipeline=[flip, PACK])
    sampler = TileSampler(tiled, batch_size=4, seed=3)

    def run(workers):
        loader = DataLoader(
            tiled, batch_size=4, sampler=sampler, num_workers=workers, collate_fn=list
        )
        return [
            (
                sample['data_samples'].tile,
                sample['data_samples'].flip,
                sample['inputs'].sum().item(),
            )
            for batch in loader
            for sample in batch
        ]

    alone = run(0)
    assert run(2) == alone == run(0)
    assert {flip for _, flip, _ in alone} == {True, False}
    sampler.set_epoch(1)
    assert run(0) != alone


@pytest.mark.parametrize(('share', 'clean_per_defect'), [(1.0, 0), (0.5, 1), (0.25, 3), (0.01, 99)])
def test_shares(build, share, clean_per_defect):
    tiled = build()
    shows = tiled.table.shows
    drawn = list(TileSampler(tiled, 4, share, seed=0))
    counts = Counter(shows[drawn].tolist())
    assert counts[CLEAN] == clean_per_defect * counts[DEFECT]
    assert set(counts) <= {CLEAN, DEFECT}
    everything = list(TileSampler(tiled, 4, None, seed=0))
    assert sorted(map(int, everything)) == list(range(len(tiled)))


def test_all_clean_and_one_image(build, strips):
    content = json.loads((strips / 'train.json').read_text())
    content.update(images=content['images'][:1], annotations=[])
    (strips / 'clean.json').write_text(json.dumps(content))
    reader = dict(type='mmdefect.COCOReader', ann_file=str(strips / 'clean.json'))
    tiled = build(dataset=dict(type='mmdefect.DefectDataset', reader=reader, pipeline=LOAD))
    drawn = list(TileSampler(tiled, 4, seed=0))
    assert sorted(map(int, drawn)) == list(range(7))
    assert len(tiled[0]['data_samples'].gt_instances) == 0


def test_ranks_share_a_pass(build, monkeypatch):
    tiled = build()
    drawn = []
    for rank in range(2):
        monkeypatch.setattr(
            'mmdefect.datasets.samplers.tile_sampler.get_dist_info', lambda rank=rank: (rank, 2)
        )
        sampler = TileSampler(tiled, 4, None, seed=0)
        drawn.append(list(sampler))
        assert len(drawn[-1]) == len(sampler) == 44
    assert set(map(int, drawn[0] + drawn[1])) == set(range(len(tiled)))
    # The batches that lanes give in turn, before what is left of all of them.
    images = [set(tiled.table.images[part[:16]].tolist()) for part in drawn]
    assert not images[0] & images[1]


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (dict(overlap=1), 'overlap must be'), (dict(size=(0, 16)), 'size must be'),
        (dict(min_visible=2), 'min_visible must be'), (dict(window=0), 'window must be'),
        (dict(sizes=(16, 16)), "unknown key 'sizes'"),
    ],
)  # fmt: skip
def test_values_out_of_range(build, options, words):
    with pytest.raises(ValueError, match=words):
        build(**options)


def test_pipelines_in_the_wrong_place(build):
    with pytest.raises(ValueError, match='inner data set must load'):
        build(inner=[])[0]
    with pytest.raises(ValueError, match='inner data set must load'):
        build(inner=[*LOAD, dict(type='mmdet.PackDetInputs', meta_keys=('img_path',))])[0]
    keep = dict(type='FilterAnnotations', min_gt_bbox_wh=(99, 99), keep_empty=True)
    with pytest.raises(ValueError, match='01.png: a step of the pipeline returned no tile'):
        build(pipeline=[keep, PACK])[7]


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (dict(batch_size=0), 'batch_size must be'), (dict(lanes=0), 'lanes must be'),
        (dict(defect_share=0), 'defect_share must be'), (dict(share=0.5), "unknown key 'share'"),
    ],
)  # fmt: skip
def test_sampler_values_out_of_range(build, options, words):
    with pytest.raises(ValueError, match=words):
        TileSampler(**{'dataset': build(), 'batch_size': 4, **options})


def test_another_data_set():
    with pytest.raises(ValueError, match='must be a mmdefect.TiledDataset, got list'):
        TileSampler([], 4)


def test_is_lazy(build):
    tiled = build(lazy_init=True)
    assert not hasattr(tiled, 'table')
    assert len(tiled) == 84
    assert isinstance(tiled, TiledDataset)
