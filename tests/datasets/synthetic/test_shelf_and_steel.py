"""The shelf and steel data sets as written: files, labels, native formats, repeatability."""

from __future__ import annotations

import hashlib
import json
import re

import cv2
import numpy as np
import pytest

from mmdefect.datasets.readers import COCOReader, SeverstalReader, SKU110KReader, detect_format
from mmdefect.datasets.synthetic import (
    SHELF_PARTS,
    STEEL_CLASSES,
    STEEL_PARTS,
    write_shelf,
    write_steel,
)
from mmdefect.datasets.synthetic.steel_defects import MIN_SIDE, draw_defect
from mmdefect.datasets.synthetic.steel_plan import plan_strips
from mmdefect.errors import InputError

WRITERS = {'shelf': write_shelf, 'steel': write_steel}
TABLES = {'shelf': 'annotations/annotations_{}.csv', 'steel': '{}.csv'}
READERS = {'shelf': SKU110KReader, 'steel': SeverstalReader}
FEW = {'train': 2, 'val': 1, 'test': 1}
ONE = {'train': 1, 'val': 0, 'test': 0}


def digest(folder):
    total = hashlib.sha256()
    for path in sorted(p for p in folder.rglob('*') if p.is_file()):
        total.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return total.hexdigest()


def load(folder, split):
    return json.loads((folder / f'{split}.json').read_text())


@pytest.fixture(scope='module', params=[(k, level) for k in WRITERS for level in ('easy', 'real')])
def written(request, tmp_path_factory):
    """A small data set of each kind and level: kind, level, folder, summary."""
    kind, level = request.param
    out = tmp_path_factory.mktemp(f'{kind}_{level}')
    return kind, level, out, WRITERS[kind](out, level, parts=FEW)


def test_coco_files_are_valid_and_split_by_part(written):
    kind, level, out, summary = written
    parts = []
    for split, count in FEW.items():
        document = load(out, split)
        parts.append({image['part_id'] for image in document['images']})
        assert len(parts[-1]) == count
        assert len(document['images']) == count * (2 if kind == 'shelf' else 4)
        assert summary.splits[split].boxes == len(document['annotations'])
        size = (1600, 256) if kind == 'steel' else (512, 384) if level == 'easy' else (1024, 768)
        for image in document['images']:
            pixels = cv2.imread(str(out / image['file_name']), cv2.IMREAD_UNCHANGED)
            assert (image['width'], image['height']) == size == pixels.shape[1::-1]
            assert pixels.ndim == (3 if kind == 'shelf' else 2)
            assert 20 < pixels.mean() < 235 and pixels.std() > 2
        for box in document['annotations']:
            x, y, w, h = box['bbox']
            assert min(x, y) >= 0 and min(w, h) >= 1 and x + w <= size[0] and y + h <= size[1]
    assert len(set.union(*parts)) == sum(FEW.values())
    assert kind in str(summary)
    json.dumps(summary.to_dict())


def test_the_native_files_say_the_same(written):
    kind, _, out, _ = written
    for split in FEW:
        native = READERS[kind](out / TABLES[kind].format(split))
        records = {record.path: record for record in native}
        assert not native.problems
        if kind == 'shelf':
            assert not native.notes, 'no corner the other way round'
        coco = list(COCOReader(out / f'{split}.json'))
        assert {record.path for record in coco} == set(records)
        for record in coco:
            other = records[record.path]
            assert sorted(zip(record.labels, record.boxes.tolist(), strict=True)) == sorted(
                zip(other.labels, other.boxes.tolist(), strict=True)
            )
    assert detect_format(out) == 'coco'
    assert detect_format(out / TABLES[kind].format('val')) in ('sku110k', 'severstal')


def test_products_touch_and_are_as_many_as_promised(written):
    kind, level, out, _ = written
    if kind != 'shelf':
        pytest.skip('of shelves')
    document = load(out, 'train')
    counts = np.bincount([box['image_id'] for box in document['annotations']])[1:]
    assert counts.min() >= 50 and counts.max() <= (110 if level == 'easy' else 250)
    boxes = np.array([b['bbox'] for b in document['annotations'] if b['image_id'] == 1])
    low, high = boxes[:, None, :2], (boxes[:, :2] + boxes[:, 2:])[:, None]
    gap = np.maximum(low - high.swapaxes(0, 1), low.swapaxes(0, 1) - high).max(axis=2)
    touching = ((gap <= 2) & ~np.eye(len(boxes), dtype=bool)).any(axis=1)
    assert touching.mean() > 0.8


def test_masks_of_steel_are_those_of_the_boxes(written):
    kind, _, out, _ = written
    if kind != 'steel':
        pytest.skip('of steel')
    from pycocotools import mask as coco_mask

    for box in load(out, 'train')['annotations']:
        mask = coco_mask.decode(box['segmentation'])
        assert mask.shape == (256, 1600) and mask.sum() == box['area']
        assert coco_mask.toBbox(box['segmentation']).tolist() == box['bbox']


def test_the_plan_of_steel_keeps_its_shares():
    plan = plan_strips(np.random.default_rng(0), 100)
    defects = [label for strip in plan for label, _ in strip]
    assert sum(bool(strip) for strip in plan) == 212, '53 % of 400'
    assert [round(defects.count(name) / len(defects), 2) for name in STEEL_CLASSES] == [
        0.24, 0.18, 0.34, 0.24,
    ]  # fmt: skip
    assert plan_strips(np.random.default_rng(0), 0) == []


@pytest.mark.parametrize('label', STEEL_CLASSES)
def test_defects_are_one_component_of_the_planned_size(label):
    rng = np.random.default_rng(0)
    for size, low, high in ((0.0, 0.6 * MIN_SIDE, 2 * MIN_SIDE), (1.0, 90, 560)):
        for _ in range(20):
            mask, change = draw_defect(rng, label, size, 0.5)
            assert cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[0] == 2
            assert mask.any(axis=0).all() and mask.any(axis=1).all() and change.shape == mask.shape
            assert low <= max(mask.shape) <= high and mask.shape[0] <= 256
            assert np.isfinite(change).all() and np.abs(change[mask]).max() > 0.1


@pytest.mark.parametrize('kind', WRITERS)
def test_same_seed_same_bytes_whatever_the_threads(tmp_path, kind):
    before = cv2.getNumThreads()
    try:
        for name, threads, seed in (('a', 1, 3), ('b', 4, 3), ('c', 4, 4)):
            cv2.setNumThreads(threads)
            WRITERS[kind](tmp_path / name, 'real', seed=seed, parts=ONE)
    finally:
        cv2.setNumThreads(before)
    digests = [digest(tmp_path / name) for name in 'abc']
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize('kind', WRITERS)
def test_second_run_keeps_the_data_and_other_settings_replace_it(tmp_path, kind):
    write = WRITERS[kind]
    write(tmp_path / 'a', parts={**ONE, 'train': 2})
    stopped = tmp_path / 'b'
    with pytest.raises(KeyboardInterrupt):
        write(stopped, parts=ONE, progress=lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    assert not (stopped / 'train.json').exists()
    for folder in (tmp_path / 'a', stopped):
        first = write(folder, parts=ONE)
        second = write(folder, parts=ONE)
        assert (first.kept, second.kept) == (False, True)
        assert (first.splits, first.classes) == (second.splits, second.classes)
    assert digest(tmp_path / 'a') == digest(stopped)
    (stopped / TABLES[kind].format('train')).unlink()
    assert not write(stopped, parts=ONE).kept


@pytest.mark.parametrize('kind', WRITERS)
def test_files_of_others_stay(tmp_path, kind):
    for name in ('train.json', TABLES[kind].format('val'), 'images/train/train_0000_v0.jpg'):
        path = tmp_path / name.replace('/', '_').partition('.')[0] / name
        path.parent.mkdir(parents=True)
        path.write_text('mine')
        with pytest.raises(InputError, match=re.escape(str(path))):
            WRITERS[kind](tmp_path / name.replace('/', '_').partition('.')[0], parts=ONE)
        assert path.read_text() == 'mine'


@pytest.mark.parametrize('kind', WRITERS)
@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'level': 'eazy'}, "unknown level 'eazy'; did you mean 'easy'"),
        ({'parts': {'trian': 3}}, "'trian'; did you mean 'train'"),
        ({'parts': {'val': -1}}, 'parts of val must be >= 0, got -1'),
        ({'seed': -1}, 'seed must be >= 0, got -1'),
    ],
)
def test_bad_arguments_are_named(tmp_path, kind, arguments, message):
    with pytest.raises(InputError, match=f'sample-data {kind}.*{message}'):
        WRITERS[kind](tmp_path / 'out', **arguments)
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('kind', WRITERS)
def test_no_parts_at_all(tmp_path, kind):
    summary = WRITERS[kind](tmp_path, parts=dict.fromkeys(FEW, 0))
    assert summary.defective_share == 0 and load(tmp_path, 'val')['images'] == []


def test_default_parts_are_of_all_splits():
    for parts in (*SHELF_PARTS.values(), *STEEL_PARTS.values()):
        assert list(parts) == list(FEW) and min(parts.values()) > 0
